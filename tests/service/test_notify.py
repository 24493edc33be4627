"""sd_notify, both ends."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from her_os.service.notify import sd_notify, watchdog_interval_s
from her_os.service.notify_listener import NotifyListener
from her_os.service.readiness import Readiness


async def test_ready_and_status_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = NotifyListener(tmp_path / "n.sock")
    listener.open()
    monkeypatch.setenv("NOTIFY_SOCKET", str(listener.path))
    gate = Readiness()
    gate.describe("loading")
    await asyncio.sleep(0.01)
    assert (listener.ready, listener.status) == (False, "loading")
    gate.open("2 voices")
    await asyncio.sleep(0.01)
    assert (listener.ready, listener.status) == (True, "2 voices")
    await gate.wait()
    gate.shut("engine died")
    assert not gate.ready
    listener.close()
    assert not sd_notify(STATUS="nobody listens"), "a daemon outlives its supervisor's socket"


async def test_a_new_life_begins_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = NotifyListener(tmp_path / "n.sock")
    monkeypatch.setenv("NOTIFY_SOCKET", str(listener.path))
    listener.open()
    assert sd_notify(READY="1", STATUS="warm")
    await asyncio.sleep(0.01)
    assert listener.ready
    listener.open()
    assert (listener.ready, listener.status) == (False, "")
    listener.close()
    assert not listener.path.exists()


@pytest.mark.parametrize("datagram", [b"", b"\xff\xfe", b"READY=0", b"READY", b"=\n=\n", b"XREADY=1"])
async def test_other_datagrams_do_not_make_it_ready(tmp_path: Path, datagram: bytes) -> None:
    listener = NotifyListener(tmp_path / "n.sock")
    listener.open()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(datagram, str(listener.path))
    await asyncio.sleep(0.01)
    assert not listener.ready
    listener.close()


def test_without_a_supervisor_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not sd_notify(READY="1")


def test_an_abstract_socket_works_too(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"her-os-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        assert sd_notify(READY="1", STATUS="x")
        assert sock.recv(100) == b"READY=1\nSTATUS=x"


def test_the_watchdog_is_fed_twice_in_its_time_and_only_by_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "4000000")
    assert watchdog_interval_s() == 2.0
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert watchdog_interval_s() is None
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert watchdog_interval_s() == 2.0
    monkeypatch.delenv("WATCHDOG_USEC")
    assert watchdog_interval_s() is None
