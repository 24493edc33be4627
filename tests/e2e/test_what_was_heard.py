"""The heard text in the history against the caller's own recording of the same call, to within one word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import numpy.typing as npt
import pytest
import pytest_asyncio

from her_os.contracts.audio import InboundFrame
from her_os.conversation.sentences import SentenceCutter
from her_os.conversation.speakable import make_speakable
from her_os.household.call_log import read_call, read_calls
from her_os.telephony.test_phone.phone import TestPhone
from tests.e2e.running_family import Family, running_family
from tests.e2e.voices import speak
from tests.e2e.word_times import word_ends

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
Wave = npt.NDArray[np.float64]
_TAIL = 6400
"""Samples of the recording's end that are looked for in the reply's audio."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def family(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Family]:
    async with running_family(tmp_path_factory.mktemp("family")) as running:
        yield running


async def spoken_reply(reply: str) -> tuple[Wave, list[int]]:
    """The whole reply as the assistant would say it, and the sample at which each word ends."""
    audio, ends, offset = list[Wave](), list[int](), 0
    cutter = SentenceCutter()
    for chunk in [*cutter.feed(reply), *cutter.flush()]:
        text = make_speakable(chunk.text).text
        pcm = await speak(text, "rms")
        ends += [offset + end for end in word_ends(text, pcm)]
        audio.append(np.frombuffer(pcm, "<i2").astype(float))
        offset += len(pcm) // 2
    return np.concatenate(audio), ends


def where(tail: Wave, whole: Wave) -> int:
    """The sample of `whole` at which `tail` ends, by correlation normalised to the energy under it."""
    size = 1 << (len(whole) + len(tail)).bit_length()
    products = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(tail, size)), size)[: len(whole) - len(tail)]
    energy = np.convolve(whole**2, np.ones(len(tail)), "valid")[: len(products)]
    likeness = products / np.sqrt(energy * (tail**2).sum() + 1e-9)
    assert likeness.max() > 0.7, "the end of the recording is not found in the reply"
    return int(likeness.argmax()) + len(tail)


@pytest.mark.parametrize("after_s", [0.9, pytest.param(1.7, marks=pytest.mark.soak), 2.6])
async def test_heard_is_what_the_caller_recorded_to_within_one_word(family: Family, after_s: float):
    recorded: list[InboundFrame] = []
    async with TestPhone() as phone:
        phone.on_frame_hook = recorded.append
        await phone.dial(family.uri)
        await phone.wait_for_speech(0)
        await phone.wait_for_silence(700)
        asked = await phone.say(await speak("tell me a story"))
        first = await phone.wait_for_speech(asked.ended)
        began = len(recorded)
        await asyncio.sleep(after_s)
        spoken = await phone.say(await speak("stop"))
        heard_until = [packet.at for packet in phone.audible_packets(first) if packet.at < spoken.ended][-1]
        await asyncio.sleep(0.3)
        mine = [frame for frame in recorded[began - 10 :] if frame.t_arrival <= heard_until + 0.005]
        await phone.wait_for_silence(700)
    call = read_call(family.state_dir / "calls.sqlite3", read_calls(family.state_dir / "calls.sqlite3", 1)[0]["id"])
    assert call is not None
    story = call["turns"][1]
    assert story["outcome"] == "interrupted"
    audio, ends = await spoken_reply(story["reply_text"])
    recording = np.frombuffer(b"".join(frame.pcm for frame in mine), "<i2").astype(float)
    position = where(recording[-_TAIL:], audio)
    true_words = sum(end <= position for end in ends)
    assert true_words >= 1
    assert abs(len(story["heard_text"].split()) - true_words) <= 1
