"""Two decoders side by side on the same audio: general English and the household's phrases; the better path wins.

Measured on flite voices: general 23 % of words wrong, domain 12 % (55 % outside its domain), the winner 5 %.
Pairs of one engine share their language models, which have caches inside, so they take turns (`turn`, a lock). That
costs nothing: pocketsphinx holds the interpreter's lock anyway.
"""

from __future__ import annotations

import threading
from pathlib import Path

from her_os.contracts.errors import RecognitionError
from her_os.contracts.speech_to_text import Word
from her_os.engines.stt_pocketsphinx_library import FRAME_MS, Decoder, LanguageModelHandle, create_decoder
from her_os.engines.stt_pocketsphinx_model import ModelFiles

_SHAPES = {
    False: "1.4,6.3,13.2,-0.8,-0.4,1,-2.1,-2.1,-2,2.7,0.8,2",
    True: "-2,13.4,4.2,5.4,-4.8,4.4,-3.4,-5.9,3.3,0.4,4.4,1.5",
}
"""Cepstral mean of speech but for its first coefficient, wideband and narrowband (upper band filled)."""

_LOUDNESS, _USUAL_DBFS, _MOST_QUIETER, _MOST_LOUDER = 45.0, -25.0, -10.0, 12.0
"""The first coefficient is loudness: 45 for speech whose first sounds are at -25 dBFS, and about 1 a dB."""


def cepstral_mean(*, narrowband: bool = False, level_dbfs: float | None = None) -> str:
    """What speech is like on average, for a call's first utterance; from then on the decoder learns the call's own.

    The library's own start (40, 3, -1) costs two words in a hundred of a first utterance, a person's loud voice
    another four.
    """
    louder = 0.0 if level_dbfs is None else level_dbfs - _USUAL_DBFS
    loudness = _LOUDNESS + max(_MOST_QUIETER, min(_MOST_LOUDER, louder))
    return f"{loudness:.1f},{_SHAPES[narrowband]}"


class DecoderPair:
    """One caller's recogniser. One thread at a time. All errors are RecognitionError."""

    def __init__(self, general: Decoder, domain: Decoder, turn: threading.Lock) -> None:
        self._general, self._domain, self._turn = general, domain, turn
        self._listening = False
        self.broken = False

    @classmethod
    def load(cls, files: ModelFiles, turn: threading.Lock) -> DecoderPair:
        """The first pair: 0.4 s, 85 MB. Raises RecognitionError."""
        return cls._create(files, files.general_model, files.domain_model, turn)

    def another(self, files: ModelFiles) -> DecoderPair:
        """A further pair that shares this one's language models: 0.2 s, 50 MB. Raises RecognitionError."""
        return self._create(files, self._general.get_lm(), self._domain.get_lm(), self._turn)

    @classmethod
    def _create(
        cls,
        files: ModelFiles,
        general_model: Path | LanguageModelHandle,
        domain_model: Path | LanguageModelHandle,
        turn: threading.Lock,
    ) -> DecoderPair:
        try:
            with turn:
                general = create_decoder(files.general_dictionary, general_model)
                domain = create_decoder(files.domain_dictionary, domain_model)
        except (RuntimeError, ValueError) as error:
            raise RecognitionError(f"the recogniser's models cannot be loaded: {error}") from error
        pair = cls(general, domain, turn)
        pair.reset()
        return pair

    def reset(self) -> None:
        """Forget the caller: after this a pair hears as a new one does. Never raises; a failure breaks the pair."""
        try:
            with self._turn:
                for decoder in (self._general, self._domain):
                    if self._listening:
                        decoder.end_utt()
                    decoder.reinit_feat()
                    decoder.set_cmn(cepstral_mean())
                self._listening = False
        except RuntimeError:
            self.broken = True

    def expect(self, mean: str) -> None:
        """Start to learn the call's mean from this one (see `cepstral_mean`). Not while listening."""
        with self._turn, _Failures(self):
            for decoder in (self._general, self._domain):
                decoder.set_cmn(mean)

    def start(self) -> None:
        """Begin to listen."""
        with self._turn, _Failures(self):
            self._general.start_utt()
            self._domain.start_utt()
            self._listening = True

    def feed(self, pcm: bytes) -> None:
        """Search on with more PCM. Holds the interpreter's lock for about 0.15 of the audio's length."""
        for decoder in (self._general, self._domain):
            with self._turn, _Failures(self):
                decoder.process_raw(pcm, False, False)

    def hypothesis(self, offset_ms: int) -> list[Word]:
        """The best words so far, with the session's time where listening began added. May change completely."""
        with self._turn, _Failures(self):
            return _words(self._better(), offset_ms)

    def finish(self, offset_ms: int) -> list[Word]:
        """Stop listening: the words, decided, with their posterior probabilities as confidence."""
        with self._turn, _Failures(self):
            self._general.end_utt()
            self._domain.end_utt()
            self._listening = False
            return _words(self._better(), offset_ms)

    def _better(self) -> Decoder:
        general, domain = self._general.hyp(), self._domain.hyp()
        if general is not None and (domain is None or general.best_score > domain.best_score):
            return self._general
        return self._domain


class _Failures:
    """Turns the library's RuntimeError into RecognitionError and remembers that the pair is broken."""

    def __init__(self, pair: DecoderPair) -> None:
        self._pair = pair

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, RuntimeError):
            self._pair.broken = True
            raise RecognitionError(f"pocketsphinx failed: {error}") from error


def _words(decoder: Decoder, offset_ms: int) -> list[Word]:
    """The decoder's path without silences, fillers and the marks of alternative pronunciations."""
    if decoder.hyp() is None:
        return []
    return [
        Word(
            text=segment.word.partition("(")[0],
            start_ms=offset_ms + segment.start_frame * FRAME_MS,
            end_ms=offset_ms + (segment.end_frame + 1) * FRAME_MS,
            confidence=max(0.0, min(1.0, round(segment.prob, 3))),
        )
        for segment in decoder.seg() or ()
        if segment.word[0] not in "<[+"
    ]
