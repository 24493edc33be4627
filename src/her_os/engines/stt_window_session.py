"""One caller's stream through a recogniser of whole utterances: passes over the open window, stable partials, finals.

    waiting --(voice)--> listening --(1.6 s without voice, or 25 s)--> waiting ...      `finalize` ends the utterance

A pass costs the same for a word as for half a minute, so there are few: one a second, fewer where a pass takes long,
and one as soon as the voice rests, which is usually the one that `finalize` would need. Words that two passes in a row
agree on stand (LocalAgreement-2), the others are told as tentative, and a long window is cut behind what stands.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from her_os.contracts.audio import FRAME_BYTES, FRAME_MS
from her_os.contracts.errors import CapacityError, RecognitionError
from her_os.contracts.speech_to_text import Final, Partial, Word
from her_os.contracts.voice_activity import VoiceGate
from her_os.engines.stt_stable_prefix import StablePrefix

Recognise = Callable[[bytes], Sequence[Final]]
_BYTES_A_MS = FRAME_BYTES // FRAME_MS
_PREROLL_MS = 480
_ONSET_FRAMES, _ONSET_VOICED, _LATE_ONSET_VOICED = 12, 4, 2
_PASS_EVERY_MS = 1000
_SHARE = 2.0
"""A pass that took t is followed by at least this times t of audio without one: another call needs the worker, too."""
_REST_MS, _END_MS = 200, 1600
_LONG_MS, _TOO_LONG_MS = 15_000, 25_000


class WindowSession:
    """RecognitionSession. `recognise` raises CapacityError while others keep it busy: then a pass is left out."""

    def __init__(self, recognise: Recognise, gate: VoiceGate, clock: Callable[[], float] = time.monotonic) -> None:
        self._recognise, self._gate, self._clock = recognise, gate, clock
        self._rest = b""
        self._consumed = 0
        self._pass_every_ms = _PASS_EVERY_MS
        self._closed = False
        self._utterance = 0
        self._begin_utterance()

    def accept(self, pcm: bytes) -> Sequence[Partial]:
        self._check_open()
        audio = self._rest + pcm
        whole = len(audio) - len(audio) % FRAME_BYTES
        self._rest = audio[whole:]
        partials: list[Partial] = []
        for at in range(0, whole, FRAME_BYTES):
            if self._hear(audio[at : at + FRAME_BYTES]):
                partials.append(self._partial())
        return partials

    def finalize(self) -> Final:
        self._check_open()
        rest, self._rest = self._rest, b""
        self._consumed += len(rest)
        self._window += rest
        if not self._listening and sum(self._voiced) >= _LATE_ONSET_VOICED:
            self._start_listening()
        if self._listening:
            self._decide()
        words = tuple(self._stable.words)
        final = Final(self._utterance, self._start_ms, " ".join(word.text for word in words), self._now_ms, words)
        self._utterance += 1
        self._begin_utterance()
        return final

    def close(self) -> None:
        self._closed = True
        self._window.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise RecognitionError("the session is closed")

    def _begin_utterance(self) -> None:
        self._stable = StablePrefix(agreeing=2, settled_ms=0)
        self._opened_ms = self._now_ms
        self._onset_ms: int | None = None
        self._wait()

    def _wait(self) -> None:
        """For a voice."""
        self._listening = self._unheard = False
        self._window = bytearray()
        self._hypothesis: list[Word] = []
        self._voiced: deque[bool] = deque(maxlen=_ONSET_FRAMES)
        self._quiet_ms = self._new_ms = 0

    @property
    def _now_ms(self) -> int:
        return self._consumed // _BYTES_A_MS

    @property
    def _start_ms(self) -> int:
        return self._opened_ms if self._onset_ms is None else self._onset_ms

    @property
    def _window_ms(self) -> int:
        """Length of the window."""
        return len(self._window) // _BYTES_A_MS

    def _hear(self, frame: bytes) -> bool:
        """Take 20 ms. True when the text changed, the tentative words included."""
        voiced = self._gate.is_voice(frame)
        self._consumed += FRAME_BYTES
        self._window += frame
        self._voiced.append(voiced)
        if not self._listening:
            del self._window[: max(0, self._window_ms - _PREROLL_MS) * _BYTES_A_MS]
            if sum(self._voiced) >= _ONSET_VOICED:
                self._start_listening()
            return False
        self._new_ms += FRAME_MS
        self._quiet_ms = 0 if voiced else self._quiet_ms + FRAME_MS
        self._unheard = self._unheard or voiced
        return self._go_on()

    def _go_on(self) -> bool:
        grew = False
        if self._unheard and (self._new_ms >= self._pass_every_ms or self._quiet_ms == _REST_MS):
            try:
                grew = self._pass()
            except CapacityError:
                self._new_ms = 0
        if self._quiet_ms >= _END_MS or self._window_ms >= _TOO_LONG_MS:
            grew = self._decide() or grew
        return grew

    def _start_listening(self) -> None:
        self._listening = self._unheard = True
        if self._onset_ms is None:
            self._onset_ms = max(self._opened_ms, self._now_ms - len(self._voiced) * FRAME_MS)

    def _decide(self) -> bool:
        """Hear what no pass has heard; what the last one heard stands. Then wait. True when the text changed."""
        changed = False
        if self._unheard:
            try:
                changed = self._pass()
            except CapacityError as error:
                raise RecognitionError(error.message) from error
        changed = self._stable.close(self._hypothesis) or changed
        self._wait()
        return changed

    def _pass(self) -> bool:
        """Recognise the window. True when the text changed."""
        began, start_ms = self._clock(), self._now_ms - self._window_ms
        finals = self._recognise(bytes(self._window))
        took_ms = (self._clock() - began) * 1000
        self._pass_every_ms = max(_PASS_EVERY_MS, round(_SHARE * took_ms))
        self._unheard, self._new_ms = False, 0
        self._hypothesis = [_later(word, start_ms) for final in finals for word in final.words]
        grew = self._stable.offer(self._hypothesis, self._now_ms)
        if self._window_ms > _LONG_MS and self._stable.words:
            cut_ms = self._stable.words[-1].end_ms - start_ms
            del self._window[: max(0, cut_ms) * _BYTES_A_MS]
        return grew

    def _partial(self) -> Partial:
        return Partial(self._utterance, self._start_ms, self._stable.text, self._now_ms, self._stable.tentative)


def _later(word: Word, offset_ms: int) -> Word:
    return Word(word.text, word.start_ms + offset_ms, word.end_ms + offset_ms, word.confidence)
