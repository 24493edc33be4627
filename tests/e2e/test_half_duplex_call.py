"""The default mode through real processes: the answer is not interrupted. Nothing is kept where the owner says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from her_os.telephony.test_phone.phone import TestPhone
from tests.e2e.running_family import Family, running_family
from tests.e2e.voices import speak

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def family(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Family]:
    off = {"phone": {"record_calls": False, "call_log": False}}
    async with running_family(tmp_path_factory.mktemp("family"), barge_in=False, changes=off) as running:
        yield running


async def test_speech_into_the_answer_does_not_stop_it(family: Family):
    async with TestPhone() as phone:
        await phone.dial(family.uri)
        await phone.wait_for_speech(0)
        await phone.wait_for_silence(700)
        asked = await phone.say(await speak("what can you do"))
        await phone.wait_for_speech(asked.ended)
        await asyncio.sleep(0.5)
        spoken = await phone.say(await speak("stop"))
        await phone.wait_for_speech(spoken.ended)
        await phone.wait_for_silence(700)
        answer = [packet.at for packet in phone.audible_packets(asked.ended)]
        answered = await phone.say(await speak("thank you"))
        await phone.wait_for_speech(answered.ended)
        await phone.wait_for_silence(700)
    assert answer[-1] - answer[0] > 3.0, "it was told to its end"
    assert not (family.state_dir / "calls.sqlite3").exists()
    assert not (family.state_dir / "recordings").exists()
