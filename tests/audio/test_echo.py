"""Our own voice out of the caller's line: before and after AEC3 has converged, and nobody else's."""

from __future__ import annotations

import wave

import numpy as np
import pytest

from her_os.audio.echo import AcousticEchoCanceller, LineEcho, ReferenceTap
from her_os.audio.pcm import level_dbfs
from her_os.contracts.audio import FRAME_BYTES
from tests.speech import FOLDER

SILENCE = bytes(FRAME_BYTES)


def speech(name: str) -> np.ndarray:
    with wave.open(str(FOLDER / f"{name}.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32)


def pass_through(ours: np.ndarray, caller: np.ndarray) -> list[bytes]:
    canceller, out = AcousticEchoCanceller(), list[bytes]()
    for at in range(0, min(len(ours), len(caller)) - 319, 320):
        out.append(canceller.clean(caller[at : at + 320].astype(np.int16).tobytes()))
        canceller.played(ours[at : at + 320].astype(np.int16).tobytes())
    return out


@pytest.mark.parametrize("loss_db", [6, 20])
@pytest.mark.parametrize("delay", [325, 1925, 4171, 8003])
def test_an_echo_is_gone_from_its_first_word_on(delay: int, loss_db: int):
    ours = np.tile(speech("what-time-is-it"), 3)
    echo = np.concatenate([np.zeros(delay, np.float32), ours]) * 10 ** (-loss_db / 20)
    echo += np.random.default_rng(1).normal(0, 3, echo.size)
    out = pass_through(ours, echo)
    loud = [level_dbfs(pcm) > -50 for pcm in out]
    assert sum(loud) <= 0.02 * len(loud)
    assert max(len(run) for run in "".join("x" if is_loud else " " for is_loud in loud).split(" ")) <= 1


def test_a_caller_without_echo_is_heard_as_they_are():
    ours, caller = np.tile(speech("what-time-is-it"), 2), speech("set-a-timer")
    out = pass_through(ours, caller)
    frames = [caller[at : at + 320].astype(np.int16).tobytes() for at in range(0, len(out) * 320, 320)]
    assert sum(a != b for a, b in zip(out, frames, strict=True)) <= 1


def test_a_caller_over_an_echo_is_heard():
    ours = np.tile(speech("what-time-is-it"), 3)
    echo = np.concatenate([np.zeros(1925, np.float32), ours])[: len(ours)] * 0.25
    caller = speech("set-a-timer")
    at = len(ours) // 2 // 320 * 320
    echo[at : at + len(caller)] += caller[: len(ours) - at]
    out = pass_through(ours, echo)[at // 320 : (at + len(caller)) // 320]
    assert sum(level_dbfs(pcm) > -40 for pcm in out) > 0.4 * len(out)


def test_the_recorder_gets_both_sides_untouched():
    heard: list[tuple[bytes, bytes]] = []

    class Tap:
        def on_tick(self, caller_pcm: bytes, assistant_pcm: bytes) -> None:
            heard.append((caller_pcm, assistant_pcm))

    ReferenceTap(LineEcho(), Tap()).on_tick(SILENCE, b"\1\0" * 320)
    assert heard == [(SILENCE, b"\1\0" * 320)]


class Counting(AcousticEchoCanceller):
    """Counts what it is asked to clean."""

    made: list[Counting]

    def __init__(self) -> None:
        super().__init__()
        self.cleaned = 0
        type(self).made.append(self)

    def clean(self, pcm: bytes) -> bytes:
        self.cleaned += 1
        return super().clean(pcm)


@pytest.mark.parametrize("cut_anew", [False, True])
def test_both_ways_of_a_frame_are_cleaned_and_the_work_is_done_once(cut_anew: bool):
    Counting.made = []
    ours = np.tile(speech("what-time-is-it"), 4)
    echo = np.concatenate([np.zeros(1925, np.float32), ours]) * 0.4
    echo += np.random.default_rng(1).normal(0, 3, echo.size)
    line, arrived, ordered = LineEcho(Counting), list[bytes](), list[bytes]()
    pcm = echo.astype(np.int16).tobytes()
    shift = 320 if cut_anew else 0
    for at in range(0, len(ours) * 2 - 2000, 640):
        arrived.append(line.clean_arrival(pcm[at : at + 640]))
        if at >= 1280:  # the jitter buffer
            ordered.append(line.clean_in_order(pcm[at - 1280 + shift : at - 640 + shift]))
        line.played(ours[at // 2 : at // 2 + 320].astype(np.int16).tobytes())
    loud = [level_dbfs(frame) > -50 for frame in ordered]
    if cut_anew:
        assert len(Counting.made) == 2
        assert sum(loud[120:]) <= 0.05 * len(loud)
    else:
        assert ordered == arrived[: len(ordered)]
        assert [canceller.cleaned for canceller in Counting.made] == [len(arrived)]
        assert sum(loud) <= 0.02 * len(loud)
