"""`her-os call` as its user runs it."""

from __future__ import annotations

import asyncio
import json
import select
import signal
import socket
import subprocess
import sys
import wave
from pathlib import Path

from tests.telephony.signals import babble
from tests.telephony.test_phone.answering import answering
from tests.waiting import until


def save(path: Path, pcm: bytes) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(pcm)
    return path


async def her_os_call(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "her_os.cli", "call", *arguments]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)


async def test_a_call_with_a_question_ends_by_itself_and_is_told_in_json(tmp_path: Path) -> None:
    question, out = save(tmp_path / "question.wav", babble(0.5, seed=7)), tmp_path / "out.wav"
    async with answering(answer=babble(0.5, seed=6)) as her:
        done = await her_os_call("--to", her.uri, str(question), "--dtmf", "0.1=42", "--record", str(out), "--json")
        assert done.returncode == 0, done.stderr
        assert her.digits == "42"
    report = json.loads(done.stdout)
    told = [(entry["who"], entry["event"]) for entry in report["timeline"]]
    assert ("line", "answered") in told[:2], "the assistant may be heard before its 200 is read"
    assert ("caller", "says") in told
    assert ("assistant", "answers") in told
    assert told[-1] == ("line", "ended")
    assert report["statistics"]["codec"] == "G722"
    assert report["audible_above_dbfs"] == -50
    with wave.open(str(out)) as file:
        assert file.getnchannels() == 2
        assert file.getnframes() > 16_000


async def test_ctrl_c_hangs_up_and_still_tells_the_timeline(tmp_path: Path) -> None:
    async with answering() as her:
        long = save(tmp_path / "long.wav", babble(40))
        command = [
            sys.executable,
            "-m",
            "her_os.cli",
            "call",
            "--to",
            her.uri,
            "--codec",
            "pcma",
            "--say-at",
            f"0={long}",
        ]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert process.stderr is not None
        assert await process.stderr.readline() == f"calling {her.uri} (Ctrl-C gives up)\n".encode()
        assert b"answered PCMA" in await process.stderr.readline()
        assert b"says long.wav" in await process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
        await her.ended.wait()
    assert process.returncode == 0
    assert b"we hung up" in out


async def test_a_mistake_is_one_clear_line_and_nobody_is_called(tmp_path: Path) -> None:
    async with answering() as her:
        done = await her_os_call("--to", her.uri, "--record", str(tmp_path))
        assert her.call is None
    assert done.returncode == 78
    assert done.stderr == f"her-os: --record: {tmp_path} is a folder; name a file in it: {tmp_path}/call.wav\n"


async def test_nobody_there_is_told_with_what_to_do(unused_udp_port: int) -> None:
    done = await her_os_call("--to", f"sip:her@127.0.0.1:{unused_udp_port}")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"calling sip:her@127.0.0.1:{unused_udp_port} (Ctrl-C gives up)",
        f"her-os: nobody listens on 127.0.0.1:{unused_udp_port}/udp; is her-os running? `her-os status` tells",
    ]


async def test_ctrl_c_gives_up_a_call_that_nobody_answers() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        uri = f"sip:her@127.0.0.1:{mute.getsockname()[1]}"
        command = [sys.executable, "-m", "her_os.cli", "call", "--to", uri]
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        await until(lambda: select.select([mute], [], [], 0)[0])
        while not (await asyncio.to_thread(mute.recv, 4096)).startswith(b"INVITE"):
            pass
        process.send_signal(signal.SIGINT)
        _, told = await process.communicate()
    assert process.returncode == 1
    assert told.splitlines()[1:] == [b"her-os: given up before it was answered"]


async def test_a_refused_call_says_by_what() -> None:
    async with answering(refuse=403) as her:
        done = await her_os_call("--to", her.uri)
    assert done.returncode == 1
    assert "403" in done.stderr
    assert "Traceback" not in done.stderr
