"""The loader beside a real systemd: what it says of the units, what it may do to them, and who watches it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.machine import DAEMONS, Machine, wait_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
HER_OS = (
    "env",
    "-u",
    "HER_OS_SECRETS_FILE",
    "-u",
    "HER_OS_STATE_DIR",
    "/usr/local/bin/her-os",
)  # not those of the test


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    box = tmp_path_factory.mktemp("box")
    machine = Machine(box)
    machine.boot()
    try:
        machine.her_os("install")
        machine.start_family()
        yield machine
    finally:
        machine.halt()
        shutil.rmtree(box)


def status(machine: Machine) -> dict[str, Any]:
    said = machine.run(*HER_OS, "status", "--json", check=False)
    return json.loads(said[said.index("{") :])


def state_of(machine: Machine, name: str) -> str:
    return next(service["state"] for service in status(machine)["services"] if service["name"] == name)


def wait_until_ready(machine: Machine) -> dict[str, Any]:
    try:
        wait_for(lambda: status(machine)["state"] == "SYSTEM_READY", 60)
    except AssertionError:
        raise AssertionError(f"{status(machine)}\n{machine.journal('-u', 'her-os-loader')}") from None
    return status(machine)


def test_it_becomes_active_and_says_what_the_units_are(machine: Machine):
    wait_for(lambda: machine.active("loader"), 30)
    seen = wait_until_ready(machine)
    assert seen["mode"] == "systemd"
    assert [service["name"] for service in seen["services"]] == ["llm", "stt", "tts", "stt_batch", "kwd", "phone"]
    pids = {service["name"]: service["pid"] for service in seen["services"]}
    assert pids == {name: machine.pid("wake" if name == "kwd" else name.replace("_", "-")) for name in pids}
    assert all(service["times"]["time_to_ready_ms"] > 0 for service in seen["services"])
    assert machine.show("loader", "StatusText").startswith("SYSTEM_READY: llm ready")
    journal = machine.journal("-u", "her-os-loader")
    assert "SYSTEM_READY: total_boot=" in journal
    assert "nobody heard it" in journal


def test_it_greets_once_however_often_it_is_restarted_itself(machine: Machine):
    wait_until_ready(machine)
    machine.signal("loader", "KILL")
    wait_for(lambda: machine.active("loader"), 20)
    wait_until_ready(machine)
    assert machine.journal("-b", "-u", "her-os-loader").count("nobody heard it") == 1


def test_a_hung_language_model_which_has_no_watchdog_is_restarted_by_way_of_polkit(machine: Machine):
    wait_until_ready(machine)
    before = {name: machine.pid(name) for name in DAEMONS}
    machine.signal("llm", "STOP")
    wait_for(lambda: machine.active("llm") and machine.pid("llm") not in {0, before["llm"]}, 60)
    assert "asking systemd to restart llm" in machine.journal("-u", "her-os-loader")
    wait_until_ready(machine)
    assert machine.pid("phone") == before["phone"]


def test_an_operator_may_have_it_restart_a_unit_and_nothing_else(machine: Machine):
    wait_until_ready(machine)
    before = machine.pid("tts")
    said = machine.run(*HER_OS, "restart", "tts")
    assert "tts is ready" in said
    assert machine.pid("tts") not in {0, before}
    asked = ("runuser", "-u", "her-os", "--", "systemctl", "--no-ask-password")
    for refused in (("stop", "her-os-tts.service"), ("restart", "systemd-journald.service")):
        answer = machine.run(*asked, *refused, check=False)
        assert "authentication" in answer.lower() or "denied" in answer.lower(), answer
    assert machine.active("tts")


def test_a_unit_that_is_given_up_makes_it_degraded_until_it_is_back(machine: Machine):
    wait_until_ready(machine)
    machine.run("systemctl", "stop", "her-os-tts.service")
    wait_for(lambda: status(machine)["state"] == "DEGRADED", 20)
    assert state_of(machine, "phone") == "ready"
    machine.run("systemctl", "start", "her-os-tts.service")
    wait_until_ready(machine)
    assert "no longer DEGRADED" in machine.journal("-u", "her-os-loader")


def test_a_loader_that_hangs_is_caught_by_its_own_watchdog(machine: Machine):
    before = machine.pid("loader")
    machine.signal("loader", "STOP")
    wait_for(lambda: machine.active("loader") and machine.pid("loader") not in {0, before}, 60)
    assert "watchdog" in machine.journal("-u", "her-os-loader").lower()


def test_the_last_lines_of_a_daemon_are_those_of_the_journal(machine: Machine):
    wait_until_ready(machine)
    said = machine.run(*HER_OS, "logs", "stt", "-n", "20")
    assert "STT" in said
