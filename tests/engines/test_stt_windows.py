"""Streaming by passes over a window: what is told and when, and real passes by a worker that dies."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest

from her_os.clients.stt_client import SttClient
from her_os.contracts.errors import CapacityError, EngineError, RecognitionError, SidecarUnavailable
from her_os.contracts.speech_to_text import Final, Word
from her_os.engines.recogniser_wishes import RecogniserWishes
from her_os.engines.speech_worker_client import SpeechWorker
from her_os.engines.stt_window_session import WindowSession
from her_os.engines.stt_windows import WindowEngine
from her_os.service.worker_host import WorkerHost, rest_s
from her_os.service.worker_spawn import WorkerProgram
from her_os.settings import Settings, load_settings
from tests.daemons.stt_daemon import TOKEN, running_ears
from tests.speech import spoken
from tests.waiting import until

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
SLOT_MS = 500


class Loud:
    """A gate that takes every sample that is not zero for voice."""

    def is_voice(self, pcm: bytes) -> bool:
        return any(pcm)


class Listener:
    """Hears a word for each half second: sample value 1000 is `one`. The last word of a window is half heard."""

    def __init__(self) -> None:
        self.windows: list[int] = []
        self.busy = False
        self.took_s = 0.0

    def __call__(self, pcm: bytes) -> Sequence[Final]:
        if self.busy:
            raise CapacityError("busy")
        sound = np.frombuffer(pcm, np.int16)
        self.windows.append(len(sound) // 16)
        words: list[Word] = []
        changes = np.flatnonzero(np.diff(sound, prepend=0, append=0))
        for begin, end in itertools.pairwise(changes):
            if value := int(sound[begin]) // 1000:
                whole = end - begin == SLOT_MS * 16
                text = WORDS[value - 1].title() if len(self.windows) % 2 else WORDS[value - 1] + ","
                words.append(Word(text if whole else "hm", int(begin) // 16, int(end) // 16))
        return [Final(0, 0, " ".join(word.text for word in words), len(sound) // 16, tuple(words))]


def say(*numbers: int) -> bytes:
    return np.repeat(np.array(numbers, np.int16) * 1000, SLOT_MS * 16).tobytes()


def quiet(ms: int) -> bytes:
    return bytes(ms * 32)


def plain(text: str) -> str:
    return text.lower().replace(",", "")


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def session(listener: Listener) -> WindowSession:
    return WindowSession(listener, Loud(), clock=lambda: 0.0)


def test_words_are_told_when_two_passes_agree_and_never_taken_back(session: WindowSession, listener: Listener) -> None:
    partials = session.accept(quiet(3000) + say(1, 2, 3, 4, 5, 6))
    assert partials, "before the end of the utterance"
    for shorter, longer in itertools.pairwise(partials):
        assert longer.text.startswith(shorter.text)
    assert plain(partials[-1].text).split() == WORDS[: len(partials[-1].text.split())]
    assert "hm" not in partials[-1].text
    passes = len(listener.windows)
    assert passes <= 3, "one a second"
    session.accept(quiet(400))
    assert len(listener.windows) == passes + 1, "when the voice rests"
    final = session.finalize()
    assert len(listener.windows) == passes + 1, "everything was heard already"
    assert plain(final.text).split() == WORDS[:6]
    assert final.text.startswith(partials[-1].text)
    assert final.start_ms == pytest.approx(3000, abs=300)
    assert [(word.start_ms, word.end_ms) for word in final.words] == [
        (3000 + n * SLOT_MS, 3500 + n * SLOT_MS) for n in range(6)
    ]


def test_silence_costs_no_pass_and_a_long_speech_is_cut_behind_what_is_certain(
    session: WindowSession, listener: Listener
) -> None:
    session.accept(quiet(60_000))
    assert session.finalize().text == ""
    assert listener.windows == []
    numbers = [1 + n % 10 for n in range(100)]
    session.accept(say(*numbers))
    final = session.finalize()
    assert plain(final.text).split() == [WORDS[number - 1] for number in numbers]
    assert final.utterance == 1
    assert max(listener.windows) < 17_000
    times = [time for word in final.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)


def test_a_rest_within_an_utterance_decides_what_was_before(session: WindowSession, listener: Listener) -> None:
    partials = session.accept(say(1, 2) + quiet(2000))
    assert plain(partials[-1].text) == "one two"
    session.accept(say(3) + quiet(300))
    assert plain(session.finalize().text) == "one two three"
    assert listener.windows[-1] < 2000


def test_a_slow_worker_is_asked_less_and_a_busy_one_later(listener: Listener) -> None:
    times = iter(range(10_000))
    slow = WindowSession(listener, Loud(), clock=lambda: 1.5 * next(times))
    slow.accept(say(*range(1, 11), *range(1, 11)))
    assert len(listener.windows) <= 4, "a pass takes 1.5 s, so one in 3 s of ten"
    listener.busy = True
    slow.accept(say(1, 2, 3) + quiet(300))
    with pytest.raises(RecognitionError, match="busy"):
        slow.finalize()


def worker_settings(folder: Path) -> Settings:
    file = folder / "her-os.yaml"
    file.write_text("stt:\n  engine: pocketsphinx\n")
    return load_settings(file)


def mapped_files(pid: int) -> str:
    """What a process has mapped: its libraries among them."""
    return Path(f"/proc/{pid}/maps").read_text()


async def finalized(client: SttClient) -> str:
    """The words of the utterance, after as many reconnections as it takes."""
    async with asyncio.timeout(40):
        while True:
            try:
                return (await client.finalize()).text
            except SidecarUnavailable:
                await until(lambda: client.available)


async def test_a_worker_killed_in_a_call_costs_no_word_and_not_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recogniser_cache: Path
) -> None:
    monkeypatch.setenv("HER_OS_CACHE_DIR", str(recogniser_cache))
    worker = SpeechWorker(RecogniserWishes.of(worker_settings(tmp_path), "stt"))
    async with running_ears(WindowEngine(worker, "windows")) as ears:
        found = await asyncio.to_thread(worker.inspect)
        assert not [name for name in found.modules if name.partition(".")[0] == "torch"]
        pid = worker.host.pid
        assert pid is not None
        assert "torch" not in mapped_files(pid)
        client = SttClient(ears.settings, TOKEN, "call-1")
        try:
            await client.open()
            client.push(spoken("thank-you-goodbye"), 0)
            assert (await client.finalize()).text == "thank you goodbye"
            speech = spoken("what-time-is-it")
            half, at = len(speech) // 1280 * 640, len(spoken("thank-you-goodbye")) // 2
            client.push(speech[:half], at)
            psutil.Process(pid).kill()
            client.push(speech[half:], at + half // 2)
            assert await finalized(client) == "what time is it"
            assert worker.host.pid not in {None, pid}
        finally:
            await client.close()


def failing(code: str) -> WorkerHost:
    return WorkerHost(WorkerProgram(name="the worker", command=(sys.executable, "-c", code), environment={}, load_s=20))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise SystemExit(3)", "ended with status 3 while it loaded"),
        ("import os; os.abort()", "crashed \\(SIGABRT\\) while it loaded"),
        ("import os, sys; os.write(int(sys.argv[2]), b'GET / HTTP/1.1'); sys.stdin.read()", "while it loaded"),
    ],
)
def test_a_worker_that_never_becomes_ready_has_a_reason(code: str, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        failing(code).start()


def test_a_model_beyond_its_memory_is_refused_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "her-os.yaml"
    file.write_text("stt: {engine: pocketsphinx, worker_memory_mb: 150}\n")
    worker = SpeechWorker(RecogniserWishes.of(load_settings(file), "stt"))
    with pytest.raises(RecognitionError, match="out of memory; raise worker_memory_mb") as refused:
        worker.host.start()
    assert refused.value.code == "out_of_memory"


def test_the_rest_before_a_start_grows_and_has_an_end() -> None:
    rests = [rest_s(lives) for lives in range(20)]
    assert rests == sorted(rests)
    assert rests[0] < 0.5
    assert rests[-1] == 30
