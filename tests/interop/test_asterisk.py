"""her-os as a telephone of a real Asterisk 22: registered, called, calling, transferring, and by AudioSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from her_os.telephony.sip.digest import Credentials
from her_os.telephony.test_phone.phone import TestPhone
from tests.e2e.running_family import Family, running_family
from tests.e2e.voices import speak
from tests.interop.asterisk import OURS, PASSWORD, PHONE, Asterisk, running_asterisk
from tests.ports import free_port

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@asynccontextmanager
async def registered(folder: Path, *, encryption: str = "no") -> AsyncIterator[tuple[Asterisk, Family]]:
    """An Asterisk that knows the way to a her-os of its own."""
    audiosocket = free_port()
    async with running_asterisk(audiosocket_port=audiosocket, encryption=encryption) as asterisk:
        phone: dict[str, Any] = {
            "trunks": [
                {"name": "pbx", "user": OURS, "servers": [f"127.0.0.1:{asterisk.sip_port}"], "expires_s": 60},
            ],
            "audiosocket_port": audiosocket,
            "dial_allowlist": ["600", "200"],
            "srtp": "required" if encryption == "sdes" else "accepted",
        }
        secrets = {"HER_OS_TRUNK_PBX_PASSWORD": PASSWORD}
        async with running_family(folder, changes={"phone": phone}, secrets=secrets) as family:
            await asterisk.wait_for("pjsip show contacts", "Avail")
            yield asterisk, family


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Asterisk, Family]]:
    async with registered(tmp_path_factory.mktemp("house")) as both:
        yield both


def kitchen_phone() -> TestPhone:
    """One with an account of the PBX."""
    return TestPhone(credentials=Credentials(PHONE, PASSWORD))


async def ask_by(phone: TestPhone, uri: str) -> None:
    """Dial, hear the greeting, ask, hear an answer."""
    async with asyncio.timeout(60):
        await phone.dial(uri)
        await phone.wait_for_speech(0)
        await phone.wait_for_silence(700)
        spoken = await phone.say(await speak("what time is it"))
        await phone.wait_for_speech(spoken.ended)
        await phone.wait_for_silence(700)


async def test_it_registers_with_a_digest_and_answers_the_question_whether_it_lives(pair: tuple[Asterisk, Family]):
    asterisk, family = pair
    contacts = await asterisk.wait_for("pjsip show contacts", "Avail")
    assert f"{OURS}/sip:" in contacts
    async with httpx.AsyncClient() as client:
        health = await client.get(f"http://127.0.0.1:{family.settings['phone']['api_port']}/health")
    assert "pbx" in json.dumps(health.json())


@pytest.mark.parametrize("extension", ["100", "300"], ids=["by SIP", "by AudioSocket"])
async def test_a_telephone_of_the_pbx_calls_and_is_answered(pair: tuple[Asterisk, Family], extension: str):
    asterisk, family = pair
    before = len(family.log())
    async with kitchen_phone() as phone:
        await ask_by(phone, f"sip:{extension}@127.0.0.1:{asterisk.sip_port}")
    await family.wait_for_log(r"turn 1 answered", since=before)


async def test_it_calls_out_and_hears_the_digits_that_asterisk_sends(pair: tuple[Asterisk, Family]):
    asterisk, family = pair
    called = await asyncio.to_thread(family.run, "dial", "600@pbx", "--json", "--config", str(family.config))
    assert called.returncode == 0, called.stderr
    await asterisk.wait_for("core show channels count", "0 active calls", 60)
    call = await family.last_call()
    assert call["id"] == json.loads(called.stdout)["call_id"]
    assert [note["text"] for note in call["notes"] if note["kind"] == "dtmf"] == ["1", "5"]


async def test_it_puts_a_caller_through_to_another_extension(pair: tuple[Asterisk, Family]):
    asterisk, family = pair
    phone_settings, token = family.settings["phone"], family.secret("HER_OS_PHONE_TOKEN")
    before = len(family.log())
    async with kitchen_phone() as phone, httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        await phone.dial(f"sip:100@127.0.0.1:{asterisk.sip_port}")
        call_id = (await family.wait_for_log(r"call (\w{12}) from", since=before))[1]
        url = f"http://127.0.0.1:{phone_settings['api_port']}/v1/calls/{call_id}/transfer"
        answer = await client.post(url, json={"to": "600@pbx"}, timeout=20)
        assert answer.status_code == 200, answer.text
        async with asyncio.timeout(20):
            while len(phone.digits) < 2:
                await phone.wait_for_news()
    assert [digit for _, digit in phone.digits] == ["1", "5"]


async def test_a_call_whose_sound_must_be_encrypted(tmp_path: Path):
    async with registered(tmp_path, encryption="sdes") as (asterisk, family):
        before = len(family.log())
        async with kitchen_phone() as phone:
            await ask_by(phone, f"sip:100@127.0.0.1:{asterisk.sip_port}")
        await family.wait_for_log(r"turn 1 answered", since=before)
