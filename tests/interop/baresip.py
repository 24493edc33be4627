"""A real baresip, headless: its own configuration in a temporary folder, driven over its TCP control port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.ports import free_port, free_ports

MODULE_FOLDERS = (Path("/usr/lib/baresip/modules"), Path("/usr/lib64/baresip/modules"))
CONFIG = """\
poll_method epoll
sip_listen 127.0.0.1:{sip_port}
call_local_timeout 20
call_max_calls 2
audio_player aubridge,sink
audio_source aufile,{source}
audio_alert aubridge,alert
ausrc_srate {rate}
auplay_srate {rate}
ausrc_channels 1
auplay_channels 1
audio_level no
audio_buffer 20-160
rtp_ports {rtp_min}-{rtp_max}
jitter_buffer_delay 2-6
module_path {modules}
module stdio.so
module g711.so
module g722.so
module aufile.so
module aubridge.so
module sndfile.so
module srtp.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control_port}
snd_path {dump}
statmode_default off
"""


class Baresip:
    """One running baresip. `events` holds everything it reported; `dump` is where it writes what it heard."""

    def __init__(self, folder: Path) -> None:
        self.dump = folder / "dump"
        self.sip_port = free_ports(2)  # it takes the next one for TLS
        self.events: list[dict[str, Any]] = []
        self._folder = folder
        self._changed = asyncio.Event()

    def configure(self, source: Path, account: str, rate: int) -> int:
        """Write its configuration; returns the control port."""
        control = free_port()
        rtp_min = free_ports(20)
        modules = next(folder for folder in MODULE_FOLDERS if folder.is_dir())
        self.dump.mkdir(parents=True)
        text = CONFIG.format(
            sip_port=self.sip_port,
            source=source,
            rate=rate,
            rtp_min=rtp_min,
            rtp_max=rtp_min + 18,
            modules=modules,
            control_port=control,
            dump=self.dump,
        )
        (self._folder / "config").write_text(text)
        (self._folder / "accounts").write_text(account + "\n")
        (self._folder / "contacts").write_text("")
        return control

    async def connect(self, port: int) -> None:
        async with asyncio.timeout(10):
            while not await self._connected(port):
                await asyncio.sleep(0.05)

    async def _connected(self, port: int) -> bool:
        try:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        return True

    async def read_events(self) -> None:
        """Netstrings of JSON until the connection closes."""
        try:
            while True:
                length = int((await self._reader.readuntil(b":"))[:-1])
                message = json.loads(await self._reader.readexactly(length))
                await self._reader.readexactly(1)
                self.events.append(message)
                self._changed.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    async def command(self, command: str, params: str = "") -> None:
        message = json.dumps({"command": command, "params": params, "token": "t"})
        self._writer.write(f"{len(message)}:{message},".encode())
        await self._writer.drain()

    async def event(self, kind: str, *, timeout_s: float = 15, **fields: str) -> dict[str, Any]:
        """Wait for an event of that type (it may have come already)."""
        async with asyncio.timeout(timeout_s):
            while True:
                for event in self.events:
                    if event.get("type") == kind and all(event.get(key) == value for key, value in fields.items()):
                        return event
                self._changed.clear()
                await self._changed.wait()

    @property
    def output(self) -> str:
        """Everything it has printed, its SIP trace included."""
        return (self._folder / "output.txt").read_text(errors="replace")

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("type") == kind]

    async def close(self) -> None:
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)


@asynccontextmanager
async def running_baresip(folder: Path, *, source: Path, account: str, rate: int = 16_000) -> AsyncIterator[Baresip]:
    """Start baresip with one account line (see its `accounts` file); stopped and reaped at the end.

    In `account`, `{port}` stands for baresip's own SIP port.
    """
    phone = Baresip(folder)
    control = phone.configure(source, account.replace("{port}", str(phone.sip_port)), rate)
    with (folder / "output.txt").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            "baresip",
            "-f",
            str(folder),
            "-4",
            "-s",
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=folder,
        )
    reading: asyncio.Task[None] | None = None
    try:
        await phone.connect(control)
        reading = asyncio.create_task(phone.read_events())
        yield phone
    finally:
        if reading is not None:
            reading.cancel()
            await asyncio.wait({reading})
            await phone.close()
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
