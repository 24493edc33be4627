"""One caller's stream through the embedded recogniser: voice gate, segments, stable partials, finals.

    waiting --(voice)--> listening --(1.6 s without voice, or 20 s)--> waiting ...      `finalize` ends the utterance

The decoders run only while somebody speaks (from 480 ms before on); silence costs a voice detector's 10 us a frame
and cannot be misheard. A long utterance is decided piece by piece, so `finalize` has little left to do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from her_os.audio.bandwidth import BandwidthJudge, fill_upper_band
from her_os.contracts.audio import SAMPLE_WIDTH
from her_os.contracts.errors import RecognitionError
from her_os.contracts.speech_to_text import Final, Partial, Word
from her_os.engines.stt_pocketsphinx_decoders import DecoderPair, cepstral_mean
from her_os.engines.stt_pocketsphinx_library import create_voice_detector
from her_os.engines.stt_stable_prefix import StablePrefix

SAMPLE_RATE = 16_000
BLOCK_MS = 80
BLOCK_BYTES = SAMPLE_RATE * BLOCK_MS // 1000 * SAMPLE_WIDTH

_PREROLL_BLOCKS = 6
_VOICE_FRAME_MS = 20
_VOICE_MODE = 1
_ONSET_BLOCKS, _ONSET_FRAMES = 3, 4
"""So many voiced frames (of 20 ms) within the last blocks open the gate."""

_UNDECIDED_ONSET_FRAMES = 8
"""While a call's bandwidth is not known yet, a block or two more are waited for; they are kept."""

_LATE_ONSET_FRAMES = 2
"""At `finalize` fewer will do: a short word may have ended just now."""

_SILENT_BLOCKS = 20
_LONG_BLOCKS, _TOO_LONG_BLOCKS = 250, 375
"""A segment of 20 s ends at the first block without voice, and one of 30 s anywhere."""


class PocketsphinxSession:
    """RecognitionSession. `release` gets the decoders back, once."""

    def __init__(self, decoders: DecoderPair, release: Callable[[DecoderPair], None]) -> None:
        self._decoders: DecoderPair | None = decoders
        self._release = release
        self._detector = create_voice_detector(SAMPLE_RATE, _VOICE_FRAME_MS, _VOICE_MODE)
        self._bandwidth = BandwidthJudge()
        self._narrowband: bool | None = None
        self._rest = b""
        self._consumed = 0
        self._preroll: deque[bytes] = deque(maxlen=_PREROLL_BLOCKS)
        self._voiced: deque[int] = deque(maxlen=_ONSET_BLOCKS)
        self._utterance = 0
        self._begin_utterance()

    def accept(self, pcm: bytes) -> Sequence[Partial]:
        decoders = self._open_decoders()
        audio = self._rest + pcm
        whole = len(audio) - len(audio) % BLOCK_BYTES
        self._rest = audio[whole:]
        partials = (self._hear(decoders, audio[at : at + BLOCK_BYTES]) for at in range(0, whole, BLOCK_BYTES))
        return [partial for partial in partials if partial is not None]

    def finalize(self) -> Final:
        decoders = self._open_decoders()
        rest, self._rest = self._rest, b""
        self._consumed += len(rest)
        if self._segment_ms is None and sum(self._voiced) >= _LATE_ONSET_FRAMES:
            self._start_segment(decoders, self._now_ms - len(rest) // (SAMPLE_WIDTH * SAMPLE_RATE // 1000))
        if self._segment_ms is not None:
            self._decode(decoders, rest)
            self._end_segment(decoders)
        final = Final(
            utterance=self._utterance,
            start_ms=self._opened_ms if self._onset_ms is None else self._onset_ms,
            text=" ".join(word.text for word in self._words),
            audio_ms=self._now_ms,
            words=tuple(self._words),
        )
        self._utterance += 1
        self._begin_utterance()
        return final

    def close(self) -> None:
        decoders, self._decoders = self._decoders, None
        if decoders is not None:
            decoders.reset()
            self._release(decoders)

    def _open_decoders(self) -> DecoderPair:
        if self._decoders is None:
            raise RecognitionError("the session is closed")
        return self._decoders

    def _begin_utterance(self) -> None:
        self._words: list[Word] = []
        self._stable = StablePrefix()
        self._opened_ms = self._now_ms
        self._onset_ms: int | None = None
        self._segment_ms: int | None = None
        self._segment_blocks = self._silent_blocks = 0
        self._preroll.clear()
        self._voiced.clear()

    @property
    def _now_ms(self) -> int:
        return self._consumed // (SAMPLE_WIDTH * SAMPLE_RATE // 1000)

    def _hear(self, decoders: DecoderPair, block: bytes) -> Partial | None:
        self._bandwidth.hear(block)
        size = self._detector.frame_bytes
        voiced = sum(self._detector.is_speech(block[at : at + size]) for at in range(0, BLOCK_BYTES, size))
        self._consumed += BLOCK_BYTES
        self._voiced.append(voiced)
        if self._segment_ms is None:
            self._preroll.append(block)
            if sum(self._voiced) < (_ONSET_FRAMES if self._bandwidth.decided else _UNDECIDED_ONSET_FRAMES):
                return None
            self._start_segment(decoders, self._now_ms)
        else:
            self._decode(decoders, block)
        news = self._stable.offer([*self._words, *decoders.hypothesis(self._segment_ms or 0)], self._now_ms)
        self._silent_blocks = 0 if voiced else self._silent_blocks + 1
        self._segment_blocks += 1
        if self._segment_is_over():
            self._end_segment(decoders)
            news = self._stable.close(self._words) or news
        return self._partial() if news else None

    def _segment_is_over(self) -> bool:
        long = self._segment_blocks >= _LONG_BLOCKS
        return (
            self._silent_blocks >= _SILENT_BLOCKS
            or (long and self._silent_blocks > 0)
            or self._segment_blocks >= _TOO_LONG_BLOCKS
        )

    def _start_segment(self, decoders: DecoderPair, heard_ms: int) -> None:
        """Begin to decode with what was kept of the audio up to `heard_ms`."""
        line = self._bandwidth
        if self._narrowband != line.narrowband:  # the first words of a call, or a line that changed
            self._narrowband = line.narrowband
            decoders.expect(cepstral_mean(narrowband=line.narrowband, level_dbfs=line.loudest_dbfs))
        decoders.start()
        self._segment_ms = heard_ms - BLOCK_MS * len(self._preroll)
        if self._onset_ms is None:
            self._onset_ms = max(self._opened_ms, heard_ms - BLOCK_MS * len(self._voiced))
        while self._preroll:
            self._decode(decoders, self._preroll.popleft())

    def _decode(self, decoders: DecoderPair, pcm: bytes) -> None:
        if pcm:
            decoders.feed(fill_upper_band(pcm) if self._bandwidth.narrowband else pcm)

    def _end_segment(self, decoders: DecoderPair) -> None:
        if self._segment_ms is not None:
            self._words += decoders.finish(self._segment_ms)
        self._segment_ms = None
        self._segment_blocks = self._silent_blocks = 0
        self._preroll.clear()
        self._voiced.clear()

    def _partial(self) -> Partial:
        start_ms = self._opened_ms if self._onset_ms is None else self._onset_ms
        return Partial(self._utterance, start_ms, self._stable.text, self._now_ms, self._stable.tentative)
