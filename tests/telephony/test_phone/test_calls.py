"""The test phone on real sockets, against a small assistant."""

from __future__ import annotations

import asyncio
import threading
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from her_os.contracts.errors import CallEnded
from her_os.telephony.sip.errors import CallRefused
from her_os.telephony.test_phone.phone import TestPhone
from her_os.telephony.test_phone.script import Action, Trigger
from her_os.telephony.test_phone.scripted_call import CallPlan, ScriptedCall
from her_os.telephony.test_phone.sound_files import write_call
from her_os.telephony.test_phone.timeline import make_timeline
from tests.telephony.signals import babble, best_match
from tests.telephony.test_phone.answering import answering


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("rtp-")]


@pytest.mark.parametrize("codec", ["G722", "PCMU", "PCMA"])
async def test_both_sides_hear_each_other(codec: str) -> None:
    said, greeting = babble(0.8, seed=2), babble(0.6, seed=3)
    async with answering(greeting, b"") as her, TestPhone(codecs=[codec]) as phone:
        await phone.dial(her.uri)
        await phone.wait_for_speech(0.0)
        await phone.wait_for_silence(200)
        spoken = await phone.say(said)
        enough = len(her.heard) + 15
        while len(her.heard) < enough:
            await phone.wait_for_news()
        assert phone.statistics().codec == codec
        assert phone.statistics().packets_lost == 0
    assert spoken.began <= spoken.onset < spoken.offset <= spoken.ended
    assert best_match(b"".join(packet.pcm for packet in phone.log.received), greeting)[0] > 0.99
    assert best_match(b"".join(frame.pcm for frame in her.heard if not frame.concealed), said)[0] > 0.99


async def test_speaking_over_the_answer_is_seen_to_silence_it(tmp_path: Path) -> None:
    question, stop = babble(0.5, seed=7), babble(0.6, seed=8)
    plan_actions = [
        Action(Trigger.AFTER_SILENCE, 0.3, "question", question),
        Action(Trigger.AFTER_ANSWER_AUDIO, 0.4, "stop", stop),
    ]
    async with answering(answer=babble(3.0, seed=6)) as her:
        phone = TestPhone()
        scripted = ScriptedCall(phone, CallPlan(her.uri, plan_actions, quiet_s=0.5))
        async with asyncio.timeout(30):
            await scripted.run()
        await her.ended.wait()
    entries = make_timeline(phone.answered_at, phone.log.sent, phone.log.received, scripted.notes)
    told = [(entry.who, entry.event) for entry in entries]
    assert [name for name in told if name[1] == "says"] == [("caller", "says")] * 2
    assert ("assistant", "answers") in told[told.index(("caller", "says")) :]
    assert her.session is not None
    sent = [her.session.playout.sent_samples(turn, 0) for turn in (1, 2, 3)]
    assert sent[0] == 6_400, "the greeting was heard out"
    assert 6_400 <= sent[1] < 48_000, "the answer was cut, not before it had begun for 0.4 s"
    write_call(tmp_path / "call.wav", phone.log.sent, phone.log.received, phone.answered_at)
    with wave.open(str(tmp_path / "call.wav")) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 16_000)
        stereo = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    assert best_match(np.ascontiguousarray(stereo[:, 0]).tobytes(), question)[0] > 0.99
    assert best_match(np.ascontiguousarray(stereo[:, 1]).tobytes(), her.greeting)[0] > 0.98


async def test_digits_both_ways() -> None:
    async with answering(b"", b"") as her, TestPhone() as phone:
        await phone.dial(her.uri)
        await phone.send_dtmf("12#")
        assert her.session is not None
        await her.session.send_dtmf("9*A")
        async with asyncio.timeout(5):
            while len(phone.digits) < 3:
                await phone.wait_for_news()
        assert her.digits == "12#"
        assert "".join(digit for _, digit in phone.digits) == "9*A"


async def test_the_far_end_hangs_up_while_we_speak() -> None:
    async with answering(b"", b"") as her, TestPhone() as phone:
        await phone.dial(her.uri)
        assert her.call is not None
        async with asyncio.TaskGroup() as group:
            group.create_task(her.call.bye("enough"))
            with pytest.raises(CallEnded, match="hung up"):
                await phone.say(babble(5))
        with pytest.raises(CallEnded):
            await phone.wait_for_speech()


async def test_a_refusal_is_an_error_and_leaves_nothing() -> None:
    async with answering(refuse=486) as her, TestPhone() as phone:
        with pytest.raises(CallRefused, match="486"):
            await phone.dial(her.uri)


async def test_cancelled_speech_is_silent_at_once() -> None:
    async with answering(b"", b"") as her, TestPhone() as phone:
        await phone.dial(her.uri)
        speaking = asyncio.create_task(phone.say(babble(10)))
        while not any(packet.audible for packet in phone.log.sent):
            await phone.wait_for_news()
        speaking.cancel()
        await asyncio.wait({speaking})
        cut = len(phone.log.sent)
        while len(phone.log.sent) < cut + 5:
            await phone.wait_for_news()
        assert not any(packet.audible for packet in phone.log.sent[cut + 1 :])
        assert speaking.cancelled()


async def test_packets_are_an_event_stream_that_ends_with_the_call() -> None:
    async with answering(babble(0.3), b"") as her, TestPhone() as phone:
        await phone.dial(her.uri)
        audible = 0
        async for packet in phone.packets():
            audible += packet.audible
            if audible == 10:
                assert her.call is not None
                await her.call.bye()
        assert audible >= 10
        assert not phone.in_call
