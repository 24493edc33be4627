"""The room: what a microphone hears there wakes the real daemons, and the loudspeaker answers. Both are files."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from tests.e2e.running_family import running_family
from tests.e2e.voices import speak
from tests.interop.signals import read_wav
from tests.speech import silence

WAKE_WORD = "hey annie"


async def say(fifo: Path, *sounds: bytes) -> None:
    """Into the microphone; returns when it has taken all but the last two seconds."""

    def write() -> None:
        with fifo.open("wb", buffering=0) as microphone:
            for sound in sounds:
                microphone.write(sound)

    await asyncio.to_thread(write)


@pytest.mark.timeout(120)
async def test_the_wake_word_and_a_question_are_answered_in_the_room(tmp_path: Path) -> None:
    microphone, speaker = tmp_path / "microphone", tmp_path / "speaker.wav"
    os.mkfifo(microphone)
    wake = {
        "enabled": True,
        "microphone": str(microphone),
        "speaker": str(speaker),
        "idle_ms": 1_500,
        "room": "kitchen",
    }
    async with running_family(tmp_path / "family", barge_in=False, changes={"wake": wake}) as family:
        await say(microphone, silence(600), await speak(WAKE_WORD), await speak("what time is it"), silence(400))
        await family.wait_for_log("heard 'hey annie'")
        await family.wait_for_log("the room's call is over")
        call = await family.last_call()
        async with aiohttp.ClientSession() as http:
            port = family.settings["wake"]["port"]
            health = await (await http.get(f"http://127.0.0.1:{port}/health")).json()
    (turn,) = call["turns"]
    assert (call["caller_uri"], call["mode"]) == ("room:kitchen", "half duplex")
    assert turn["tools"] == "get_time"
    assert turn["heard_text"] == turn["reply_text"] != ""
    assert (health["state"], health["frames_dropped"]) == ("IDLE", 0)
    heard = np.abs(read_wav(speaker))
    assert (heard > 1_000).sum() > 16_000 / 4, "the loudspeaker said the time"
