"""her-os installed, started, called, broken, healed, stopped and removed on a real systemd. Needs root.

The tests go on from each other's machine; each begins with a running family.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

from scripts.crash_matrix import ALL, QUESTION, break_one, calls_of
from tests.system.machine import CALL, DAEMONS, Machine, call_events, wait_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
STARTING, STARTED = "7d4958e842da4a758f6c1cdc7b36dcc5", "39f53479d3a045ac8e11786248231fbf"
"""Of systemd's own messages: `journalctl --catalog` knows them."""
TTS_PORT = 8772


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    box = tmp_path_factory.mktemp("box")
    machine = Machine(box)
    machine.boot()
    try:
        machine.her_os("install")
        yield machine
    finally:
        machine.halt()
        shutil.rmtree(box)


@pytest.fixture
def running(machine: Machine) -> Machine:
    machine.start_family()
    return machine


def test_a_dry_run_changes_nothing_and_installing_again_keeps_what_is_there(machine: Machine):
    secrets = machine.run("cat", "/etc/her-os/secrets.env")
    machine.run("sh", "-c", "echo '# mine' >>/etc/her-os/her-os.yaml")
    assert "nothing was changed" in machine.her_os("install", "--dry-run")
    again = machine.her_os("install")
    assert "write" not in again, again
    assert machine.run("cat", "/etc/her-os/secrets.env") == secrets
    assert "# mine" in machine.run("cat", "/etc/her-os/her-os.yaml")
    assert machine.run("stat", "-c", "%a %U", "/etc/her-os/secrets.env").split() == ["600", "root"]


def test_systemd_has_nothing_to_say_about_the_units(machine: Machine):
    assert (
        machine.run(
            "sh", "-c", "find /usr/local/lib/systemd/system -maxdepth 1 -type f -exec systemd-analyze verify {} +"
        )
        == ""
    )


@pytest.mark.parametrize("unit", [*DAEMONS, "stt-batch", "transcripts", "loader"])
def test_a_unit_is_exposed_to_little(machine: Machine, unit: str):
    report = machine.run("systemd-analyze", "security", "--no-pager", f"her-os-{unit}.service")
    level = re.search(r"exposure level for her-os-[\w-]+\.service: ([\d.]+)", report)
    assert level, report
    assert float(level[1]) <= 2.0, report


@pytest.mark.parametrize(("unit", "call"), [("phone", "setpriority"), ("transcripts", "setrlimit")])
def test_an_exception_from_the_common_hardening_is_in_force(machine: Machine, unit: str, call: str):
    assert call in machine.show(unit, "SystemCallFilter").split()


def test_daemons_start_one_after_the_other(running: Machine):
    began, ready = times_of(running, STARTING), times_of(running, STARTED)
    in_a_row = ("llm", "stt", "tts", "wake", "phone", "loader")
    for before, after in (*itertools.pairwise(in_a_row), ("tts", "stt-batch"), ("stt-batch", "loader")):
        assert ready[before] <= began[after], (before, after, began, ready)
    for name in ALL:
        assert running.show(name, "StatusText")


def times_of(machine: Machine, message_id: str) -> dict[str, int]:
    """The journal's monotonic time at which systemd said this of each daemon, the first time since the boot."""
    found: dict[str, int] = {}
    for line in machine.journal("-b", "-o", "json", f"MESSAGE_ID={message_id}").splitlines():
        record = json.loads(line)
        name = record["UNIT"].removeprefix("her-os-").removesuffix(".service")
        found.setdefault(name, int(record["__MONOTONIC_TIMESTAMP"]))
    return found


def test_one_call_s_story_is_in_the_journal_of_every_unit(running: Machine):
    events = call_events(running.run(*CALL, "14", "--say-at", f"6={QUESTION}"))
    assert any(e["who"] == "assistant" and e["event"] == "answers" for e in events), events
    call = calls_of(running)[-1]
    records = [json.loads(line) for line in running.journal("-o", "json", f"CALL_ID={call}").splitlines()]
    units = {record["_SYSTEMD_UNIT"] for record in records}
    assert units >= {f"her-os-{name}.service" for name in ("phone", "stt", "tts")}, records
    for unit in ("phone", "tts"):
        turns = {r.get("TURN_ID") for r in records if r["_SYSTEMD_UNIT"] == f"her-os-{unit}.service"}
        assert turns >= {"1", "2"}, (unit, records)
    story = running.run("/usr/local/bin/her-os", "logs", "--call", call)
    assert "language model slot" in story
    assert "turn 2 answered; first audio after" in story
    assert "turn 1" not in running.run("/usr/local/bin/her-os", "logs", "--call", f"{call}.2")


def test_a_finished_call_is_transcribed_by_a_unit_of_its_own(running: Machine):
    assert running.show("transcripts", "MemoryMax") == str(6 * 1024**3)
    running.run(*CALL, "4")
    found = "find /var/lib/her-os/transcripts -name '*.json'"
    wait_for(lambda: running.run("sh", "-c", found, check=False) != "", 90)
    told = f"CALL_ID={calls_of(running)[-1]}"
    wait_for(lambda: "transcribed in" in running.journal("-u", "her-os-transcripts", told), 90)


def test_no_secret_is_in_an_environment_a_command_line_or_the_journal(running: Machine):
    values = re.findall(r"=(\w{16,})", running.run("cat", "/etc/her-os/secrets.env"))
    assert len(values) >= 5
    seen = running.run("journalctl", "--no-pager", "-o", "export")
    for name in ("stt", "tts", "phone"):
        seen += running.run("sh", "-c", f"tr '\\0' '\\n' </proc/{running.pid(name)}/environ")
        assert running.run("sh", "-c", f"ls /run/credentials/her-os-{name}.service").split() == ["secrets.env"]
    for name in DAEMONS:
        seen += running.run("sh", "-c", f"tr '\\0' '\\n' </proc/{running.pid(name)}/cmdline")
    assert not [value for value in values if value in seen]


@pytest.mark.parametrize("name", ALL)
def test_a_killed_daemon_is_back_in_ten_seconds_and_a_call_goes_on(running: Machine, name: str):
    row = break_one(running, name, "KILL")
    assert row.good, row


def test_an_orphan_on_a_port_is_ended_and_a_stranger_is_named(running: Machine):
    squatter = f"/opt/her-os/venv/bin/python -m http.server --bind 127.0.0.1 {TTS_PORT}"
    running.run("systemctl", "stop", "her-os-tts.service")
    orphan = ("--property=SuccessExitStatus=SIGTERM", "--setenv=HER_OS_SPAWNED_BY=999999:1.00")
    running.run("systemd-run", "--unit=orphan", *orphan, *squatter.split())
    wait_for(lambda: listens(running, TTS_PORT), 20)
    running.run("systemctl", "start", "her-os-tts.service")
    assert "an orphan of ours" in running.journal("-u", "her-os-tts")
    running.run("systemctl", "stop", "her-os-tts.service")
    running.run("systemd-run", "--unit=stranger", *squatter.split())
    wait_for(lambda: listens(running, TTS_PORT), 20)
    running.run("systemctl", "start", "her-os-tts.service", check=False)
    assert re.search(r"port 8772/tcp .* is taken by pid \d+: .*http.server", running.journal("-u", "her-os-tts"))
    assert running.run("systemctl", "is-active", "stranger").strip() == "active"
    running.run("systemctl", "stop", "stranger", "her-os-tts.service")


def listens(machine: Machine, port: int) -> bool:
    return f":{port:04X} 00000000:0000 0A" in machine.run("cat", "/proc/net/tcp")


def test_a_changed_key_of_spawning_reaches_the_unit_by_her_os_install(running: Machine):
    config = "/etc/her-os/her-os.yaml"
    running.run("sed", "-i", "s/tts_ready_sec: 25 /tts_ready_sec: 77 /", config)
    running.run("systemctl", "restart", "her-os-loader.service", check=False)
    wait_for(lambda: "run `her-os install` as root" in running.journal("-u", "her-os-loader"), 30)
    again = running.run("/usr/local/bin/her-os", "install")
    assert "stays as it is" in again
    assert running.show("tts", "TimeoutStartUSec") == "1min 17s"
    running.run("sed", "-i", "s/tts_ready_sec: 77 /tts_ready_sec: 25 /", config)
    running.run("/usr/local/bin/her-os", "install")
    assert running.show("tts", "TimeoutStartUSec") == "3min"


def test_a_hung_event_loop_is_caught_by_the_watchdog(running: Machine):
    before = running.pid("tts")
    running.signal("tts", "STOP")
    wait_for(lambda: running.active("tts") and running.pid("tts") not in {0, before}, 40)
    assert "watchdog" in running.journal("-u", "her-os-tts").lower()


def test_a_stop_says_goodbye_and_leaves_nothing(running: Machine):
    with subprocess.Popen(running.command(*CALL, "25"), stdout=subprocess.PIPE, text=True) as phone:
        wait_for(lambda: "(half duplex)" in running.journal("-u", "her-os-phone", "-n", "4"), 15)
        time.sleep(5)  # the greeting ends
        assert running.stop_family() < 10
        said, _ = phone.communicate(timeout=30)
    events = call_events(said)
    spoken = [e["at_ms"] for e in events if e["event"] == "speech begins" and e["who"] == "assistant"]
    assert spoken[-1] > 4000, events
    assert "goodbye" in events[-1]["detail"]
    assert running.run("pgrep", "-u", "her-os", check=False) == ""
    assert "her-os" not in running.run("systemctl", "--failed", "--plain", "--no-legend")


def test_a_daemon_that_keeps_failing_is_given_up_and_said_so(running: Machine):
    running.run("mkdir", "-p", "/run/systemd/system/her-os-tts.service.d")
    broken = "[Service]\\nExecStart=\\nExecStart=/bin/false\\n"
    running.run("sh", "-c", f"printf '{broken}' >/run/systemd/system/her-os-tts.service.d/broken.conf")
    running.run("systemctl", "daemon-reload")
    running.signal("tts", "KILL")
    wait_for(lambda: running.show("tts", "ActiveState") == "failed", 60)
    wait_for(lambda: "her-os-tts was given up" in running.journal("-p", "crit"), 10)
    wait_for(lambda: "DEGRADED" in running.show("loader", "StatusText"), 30)
    assert "waiting 3 s more" in running.journal("-u", "her-os-tts")
    assert running.active("phone")
    running.run("rm", "/run/systemd/system/her-os-tts.service.d/broken.conf")
    running.run("systemctl", "daemon-reload")


def test_a_reboot_brings_everything_back(machine: Machine):
    machine.halt()
    machine.boot()
    wait_for(lambda: all(machine.active(name) for name in ALL), 90)


def test_uninstall_leaves_state_and_purge_does_not(running: Machine):
    running.her_os("uninstall")
    assert "her-os" not in running.run("systemctl", "list-unit-files", "--no-pager")
    running.run("test", "!", "-e", "/opt/her-os")
    running.run("test", "-d", "/var/lib/her-os", "-a", "-e", "/etc/her-os/secrets.env")
    running.her_os("uninstall", "--purge")
    running.run("test", "!", "-e", "/var/lib/her-os", "-a", "!", "-e", "/etc/her-os")
