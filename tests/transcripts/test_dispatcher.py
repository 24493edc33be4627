"""The dispatcher as a process: drains, survives kill -9, does nothing twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import psutil
import pytest

from her_os.contracts.call_journal import TurnRecord
from her_os.contracts.call_line import CallerInfo
from her_os.contracts.transcripts import Summary, Transcript
from her_os.household.call_log import CallLog
from her_os.transcripts.queue import RecordingQueue
from her_os.transcripts.speech import EXACT
from tests.cli.test_commands import her_os
from tests.fakes.smtp_server import mail_server
from tests.transcripts.test_speech import ANSWER, TIMER, voice, write_wav

EXACTLY = "What time is it?"
SECRETS = ("STT_TOKEN", "TTS_TOKEN", "LLM_API_KEY", "PHONE_TOKEN", "LOADER_TOKEN")


class House:
    """A state folder with recordings, and the dispatcher over it."""

    def __init__(self, folder: Path) -> None:
        self.state, self.recordings = folder / "state", folder / "state" / "recordings"
        self.recordings.mkdir(parents=True)
        secrets = folder / "secrets.env"
        secrets.write_text("".join(f"HER_OS_{name}=0123456789abcdef\n" for name in SECRETS))
        secrets.chmod(0o600)
        self.config, self.folder = folder / "her-os.yaml", folder
        self.config.touch()
        self.environment = {**os.environ, "HER_OS_CACHE_DIR": str(folder / "cache"), "HER_OS_CONFIG": str(self.config)}

    def start(self) -> subprocess.Popen[str]:
        for recording in self.recordings.iterdir():  # else it would be waited for as one that is being written
            os.utime(recording, (1_700_000_000, 1_700_000_000))
        command = [sys.executable, "-m", "her_os.cli", "daemon", "transcripts"]
        return subprocess.Popen(command, env=self.environment, stderr=subprocess.PIPE, text=True)

    def drain(self) -> str:
        process = self.start()
        log = process.communicate(timeout=100)[1]
        assert process.returncode == 0, log
        return log

    def written(self) -> dict[str, tuple[Transcript, Summary]]:
        found = {}
        for file in (self.state / "transcripts").glob("**/*.json"):
            content = json.loads(file.read_text())
            transcript = msgspec.convert(content["transcript"], Transcript)
            found[Path(transcript.source).name] = (transcript, msgspec.convert(content["summary"], Summary))
        return found

    def mail_by(self, port: int, ca_file: Path, password: str = "") -> None:
        self.config.write_text(
            f"mail: {{host: localhost, port: {port}, ca_file: {ca_file}, recipients: [owner@example.org],\n"
            f"       sender: house@example.org, user: {'house' if password else ''!r}, attach: [md]}}\n"
        )
        if password:
            with (self.folder / "secrets.env").open("a") as secrets:
                secrets.write(f"HER_OS_MAIL_PASSWORD={password}\n")

    def queue(self) -> RecordingQueue:
        return RecordingQueue(self.state / "transcripts.sqlite3")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


async def test_a_finished_call_gets_transcript_summary_and_mail_and_an_open_one_is_left_alone(
    house: House, tmp_path: Path
) -> None:
    finished = write_wav(house.recordings / "one.wav", await voice(TIMER, "slt"), await voice(ANSWER, "rms"))
    still_open = write_wav(house.recordings / "two.wav", await voice(TIMER, "slt"), await voice(ANSWER, "rms"))
    log = CallLog(house.state / "calls.sqlite3")
    for path in (finished, still_open):
        caller = CallerInfo(uri="sip:priya@192.0.2.7", display_name="Priya", account="priya", kind="sip")
        record = log.begin(f"call-{path.stem}", caller, mode="full duplex", recording=str(path))
        record.turn_finished(TurnRecord(1, TIMER, EXACTLY, EXACTLY, "answered", ("set_timer",)))
        if path == finished:
            record.end("hung up", "G722")
    log.close()
    with closing(sqlite3.connect(house.state / "calls.sqlite3")) as db, db:
        db.execute("UPDATE turns SET at = at + 3")  # the end of the recording
    with mail_server(tmp_path / "mail", "--password", "of the mail") as server:
        house.mail_by(server.port, server.ca_file, "of the mail")
        assert "1 transcribed, 0 failed" in house.drain()
        (mail,) = server.taken()
    assert mail["Subject"] == "her-os: 1 transcribed"
    body = mail.get_body()
    assert body
    assert f"Priya: Asked: {TIMER}" in body.get_content()
    assert [part.get_filename() for part in mail.iter_attachments()] == ["one.md"]
    assert server.sessions()[0]["encrypted"]
    ((transcript, summary),) = house.written().values()
    assert {segment.speaker: segment.text for segment in transcript.segments} == {"caller": TIMER, "assistant": EXACTLY}
    assert transcript.notices == (EXACT,)
    assert transcript.call_id == "call-one"
    assert transcript.speakers[0].name == "Priya"
    assert summary.kind == "extractive"
    assert [point.text for point in summary.points] == [f"Asked: {TIMER}", f"Done (set_timer): {EXACTLY}"]
    assert "0 transcribed, 0 failed" in house.drain(), "nothing is done twice"


def test_mail_waits_for_its_server_over_a_restart(house: House, tmp_path: Path) -> None:
    (house.recordings / "bad.wav").touch()
    with mail_server(tmp_path / "mail") as server:
        pass
    assert "no mail is sent (mail.host is empty)" in house.drain()
    house.mail_by(server.port, server.ca_file)
    assert "waits in the outbox, next try in 30 s" in house.drain()
    (waiting,) = json.loads(her_os("mail", "list", "--json", **house.environment).stdout)
    assert (waiting["recipients"], waiting["tries"]) == (["owner@example.org"], 1)
    with mail_server(tmp_path / "mail", port=server.port) as server:
        assert her_os("mail", "send", **house.environment).stdout == "1 sent\n"
        assert her_os("mail", "test", **house.environment).stdout == "taken by the server for owner@example.org\n"
    failed, test = server.taken()
    body = failed.get_body()
    assert body
    assert "Why: bad.wav is empty" in body.get_content()
    assert test["Subject"] == "her-os: test"
    assert her_os("mail", "list", **house.environment).stdout == "No mail waits.\n"


async def test_kill_9_of_the_dispatcher_and_of_a_worker_loses_nothing(house: House) -> None:
    sound = await voice(TIMER, "slt")
    for number in range(2):
        write_wav(house.recordings / f"{number}.wav", sound, sound)
    (house.recordings / "bad.wav").touch()
    process = house.start()
    wait_for(lambda: bool(psutil.Process(process.pid).children()), process)
    workers = psutil.Process(process.pid).children()
    process.kill()
    process.communicate()
    psutil.wait_procs(workers, timeout=30)
    assert not any(worker.is_running() for worker in workers), "workers end with their dispatcher"

    process = house.start()
    wait_for(lambda: bool(psutil.Process(process.pid).children()), process)
    for worker in psutil.Process(process.pid).children():
        worker.kill()
    log = process.communicate(timeout=100)[1]
    assert process.returncode == 0
    assert "once more" in log
    assert "bad.wav is empty" in log
    assert sorted(house.written()) == ["0.wav", "1.wav"]
    assert not list((house.state / "transcripts").glob("**/.*")), "no half file"
    states = {entry.path.name: entry.state for entry in house.queue().entries()}
    assert states == {"0.wav": "done", "1.wav": "done", "bad.wav": "waiting"}


async def test_sigterm_leaves_the_rest_for_the_next_start(house: House) -> None:
    sound = await voice(TIMER, "slt")
    write_wav(house.recordings / "one.wav", sound, sound)
    process = house.start()
    wait_for(lambda: bool(psutil.Process(process.pid).children()), process)
    process.send_signal(signal.SIGTERM)
    log = process.communicate(timeout=100)[1]
    assert process.returncode == 0
    assert "interrupted" in log
    assert [entry.state for entry in house.queue().entries()] == ["waiting"]
    assert "1 transcribed" in house.drain()
