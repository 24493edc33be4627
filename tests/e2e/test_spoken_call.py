"""A spoken call through real processes: G.722, flite callers, the embedded engines, barge-in on.

One family serves the whole module; each test is a call of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from her_os.household.call_log import read_calls
from her_os.telephony.sip.errors import CallRefused
from her_os.telephony.test_phone.phone import TestPhone
from tests.e2e.running_family import Family, running_family
from tests.e2e.voices import speak
from tests.interop.baresip import running_baresip
from tests.interop.signals import RATE, arrived, read_wav, write_wav
from tests.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def family(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Family]:
    async with running_family(tmp_path_factory.mktemp("family")) as running:
        yield running


async def greeted(phone: TestPhone, family: Family) -> None:
    """Dial and let the greeting pass."""
    await phone.dial(family.uri)
    await phone.wait_for_speech(0)
    await phone.wait_for_silence(700)


async def ask(phone: TestPhone, words: str, voice: str = "slt") -> None:
    """Say something and hear the answer to its end."""
    spoken = await phone.say(await speak(words, voice))
    async with asyncio.timeout(15):
        await phone.wait_for_speech(spoken.ended)
        await phone.wait_for_silence(700)


async def test_a_call_of_several_turns(family: Family):
    async with TestPhone() as phone:
        await greeted(phone, family)
        await ask(phone, "what time is it")
        await ask(phone, "what is seven plus five")
        await ask(phone, "thank you")
    call = await family.last_call()
    _, clock, total, thanks = call["turns"]
    assert call["codec"] == "G722"
    assert clock["tools"] == "get_time"
    assert "twelve" in total["reply_text"] or "12" in total["reply_text"]
    assert thanks["outcome"] == "answered"
    assert all(turn["heard_text"] == turn["reply_text"] for turn in call["turns"])


async def test_a_timer_set_by_voice_rings_back(family: Family):
    async with TestPhone() as phone:
        await greeted(phone, family)
        await ask(phone, "set a timer for five seconds")
        set_at = time.monotonic()
        async with asyncio.timeout(15):
            await phone.wait_for_speech(set_at)
            await phone.wait_for_silence(700)
    turns = (await family.last_call())["turns"]
    assert turns[1]["tools"] == "set_timer"
    assert turns[2]["reply_text"] == "Your five second timer is done."


async def test_an_interruption_and_the_next_question_with_its_first_word(family: Family):
    async with TestPhone() as phone:
        await greeted(phone, family)
        asked = await phone.say(await speak("tell me a story"))
        await phone.wait_for_speech(asked.ended)
        await asyncio.sleep(1.5)
        spoken = await phone.say(await speak("what time is it"))
        await asyncio.sleep(0.5)
        over_the_caller = [p for p in phone.audible_packets(spoken.onset + 0.5) if p.at < spoken.ended]
        assert over_the_caller == [], "half a second after the onset nothing is audible"
        async with asyncio.timeout(15):
            await phone.wait_for_speech(spoken.ended)
            await phone.wait_for_silence(700)
    story, answer = (await family.last_call())["turns"][1:3]
    assert story["outcome"] == "interrupted"
    assert story["reply_text"].startswith(story["heard_text"])
    assert len(story["heard_text"]) < len(story["reply_text"])
    trace = json.loads(story["cancel"])
    assert [(leg["name"], leg["ok"]) for leg in trace["legs"]] == [("llm", True), ("tts", True), ("stt", True)]
    assert answer["caller_text"].split()[0] == "what"
    assert answer["tools"] == "get_time"


async def test_the_recording_has_both_sides(family: Family):
    async with TestPhone() as phone:
        await greeted(phone, family)
        await ask(phone, "hello")
    call = await family.last_call()
    with wave.open(call["recording"]) as recording:
        assert (recording.getnchannels(), recording.getframerate()) == (2, 16_000)
        both = np.frombuffer(recording.readframes(recording.getnframes()), "<i2").reshape(-1, 2)
    caller, assistant = (np.abs(both[:, side].astype(int)).max() for side in (0, 1))
    assert caller > 1000
    assert assistant > 1000


@pytest.mark.parametrize("name", ["tts", pytest.param("llm", marks=pytest.mark.soak), "stt"])
async def test_a_sidecar_killed_in_the_call_is_apologised_for_and_comes_back(family: Family, name: str):
    async with TestPhone() as phone:
        await greeted(phone, family)
        mark = len(family.log())
        spoken = await phone.say(await speak("what time is it"))
        os.kill(family.daemon(name).pid, signal.SIGKILL)
        async with asyncio.timeout(40):
            await phone.wait_for_speech(spoken.ended)
            await phone.wait_for_silence(700)
            await family.wait_for_log(f"{name} ready after", since=mark)
            await asyncio.sleep(2.5)  # the recogniser's client looks for it every other second
            await ask(phone, "thank you")
    turns = (await family.last_call())["turns"]
    assert turns[1]["outcome"] == "failed"
    assert turns[-1]["outcome"] == "answered"


@pytest.mark.interop
@pytest.mark.skipif(not shutil.which("baresip"), reason="baresip is not installed")
async def test_another_program_s_phone_hears_the_greeting(family: Family, tmp_path: Path):
    write_wav(tmp_path / "silence.wav", np.zeros(60 * RATE), RATE)
    account = "<sip:alice@127.0.0.1:{port}>;regint=0;audio_codecs=G722/8000/1"
    async with running_baresip(tmp_path / "phone", source=tmp_path / "silence.wav", account=account) as phone:
        await phone.command("dial", family.uri)
        await phone.event("CALL_ESTABLISHED")
        await until(lambda: list(phone.dump.glob("*-dec.wav")))
        (dumped,) = phone.dump.glob("*-dec.wav")
        await until(lambda: dumped.stat().st_size > 6 * RATE * 2)  # the greeting takes three seconds
        await phone.command("hangup")
        await phone.event("CALL_CLOSED")
        heard = read_wav(dumped)
    call = await family.last_call()
    assert call["codec"] == "G722"
    with wave.open(call["recording"]) as recording:
        both = np.frombuffer(recording.readframes(recording.getnframes()), "<i2").reshape(-1, 2)
    assert call["turns"][0]["heard_text"] == call["turns"][0]["reply_text"] != ""
    assert arrived(both[:, 1].astype(np.float64), heard, least_s=1.2) > 0.9


async def test_one_call_too_many_is_refused_with_busy(family: Family):
    async with TestPhone() as first, TestPhone() as second, TestPhone() as third:
        await first.dial(family.uri)
        await second.dial(family.uri)
        with pytest.raises(CallRefused) as refusal:
            await third.dial(family.uri)
    assert refusal.value.status == 486


async def test_a_call_is_refused_while_nobody_could_hear_it(family: Family):
    path = family.state_dir / "calls.sqlite3"
    before, mark = len(read_calls(path, 100)), len(family.log())
    os.kill(family.daemon("stt").pid, signal.SIGKILL)
    async with TestPhone() as phone:
        with pytest.raises(CallRefused) as refusal:
            await phone.dial(family.uri)
    assert refusal.value.status == 480
    await family.wait_for_log("stt ready after", since=mark)
    assert len(read_calls(path, 100)) == before
    assert "Traceback" not in family.log()[mark:]


async def test_the_commands_tell_what_happened(family: Family):
    listed = json.loads(family.run("calls", "--json", "--config", str(family.config)).stdout)
    shown = family.run("calls", "show", listed[-1]["id"], "--config", str(family.config)).stdout
    assert listed[-1]["id"] in shown
    smoke = family.run("smoke", "--config", str(family.config))
    assert smoke.returncode == 0, smoke.stdout + smoke.stderr
    validated = json.loads(family.run("validate", "--json", "--config", str(family.config)).stdout)
    assert [call["call_id"] for call in validated["calls"]] == [listed[0]["id"]], "the latest call, and no older one"
    assert validated["calls"][0]["voice_bytes"] > 32_000


async def test_log_and_recording_survive_the_death_of_the_phone_loop(family: Family):
    async with TestPhone() as phone:
        await greeted(phone, family)
        await ask(phone, "hello")
        await asyncio.sleep(1.5)  # the recording is settled once a second
        mark = len(family.log())
        os.kill(family.daemon("phone").pid, signal.SIGKILL)
        await family.wait_for_log("phone ready after", since=mark)
    call = await family.last_call()
    assert call["outcome"] == "crashed"
    assert [turn["outcome"] for turn in call["turns"]] == ["answered", "answered"]
    with wave.open(call["recording"]) as recording:
        assert recording.getnframes() > 3 * 16_000
