"""Gate 0.7: a call to ourselves over the loopback, sound both ways; and the sound devices where the room is on.

The call goes to a SIP server of our own on a free port, so that no running daemon and no call log sees it.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
from array import array
from pathlib import Path

import msgspec

from her_os.audio.sound_device import NoSound
from her_os.contracts.audio import CONVERSATION_RATE, InboundFrame
from her_os.contracts.errors import HerOsError
from her_os.daemons.preflight.gate import Finding, GateClosed, Machine
from her_os.settings.schema import Phone
from her_os.telephony.sip.accounts import AccountStore
from her_os.telephony.sip_line import SipLine
from her_os.telephony.sip_server import SipServer
from her_os.telephony.test_phone.phone import TestPhone

NUMBER, NAME, MEASURES = 7, "a call to ourselves, and sound devices", False
_WHOLE_S = 20.0
_TONE_MS = 400


async def check(machine: Machine) -> Finding:
    """Raises GateClosed."""
    settings = machine.settings
    try:
        async with asyncio.timeout(_WHOLE_S):
            facts = await _call_ourselves(settings.phone)
    except TimeoutError as error:
        raise GateClosed(
            f"a call over the loopback did not come about within {_WHOLE_S:g} s",
            "is a firewall closing 127.0.0.1, or the machine overloaded?",
        ) from error
    except HerOsError as error:
        if isinstance(error, GateClosed):
            raise
        raise GateClosed(f"a call over the loopback failed: {error}", "see phone: in the configuration") from error
    told = f"{facts['codec']}, {facts['heard_packets']} packets heard"
    if settings.wake.enabled and not any("/" in name for name in (settings.wake.microphone, settings.wake.speaker)):
        told += f"; {await _sound_devices(settings.wake.microphone, settings.wake.speaker)}"
    return Finding(told, facts)


class _Echo:
    """A line's listener: sends back what it hears."""

    def __init__(self, line: SipLine) -> None:
        self._line = line
        self.frames = 0

    def on_arrival(self, frame: InboundFrame) -> None: ...

    def on_frame(self, frame: InboundFrame) -> None:
        self.frames += 1
        self._line.playout.write(1, 0, frame.pcm)

    def on_chunk_played(self, turn: int, chunk: int) -> None: ...

    def on_dtmf(self, digit: str) -> None: ...

    def on_hold(self, held: bool) -> None: ...

    def on_ended(self, reason: str) -> None: ...


async def _call_ourselves(phone: Phone) -> dict[str, object]:
    plan = msgspec.structs.replace(
        phone, sip_host="127.0.0.1", sip_port=0, sip_tcp=False, sip_tls_port=0, trunks=(), srtp="accepted",
        requests_per_minute=0, advertised_host="",
    )  # fmt: skip

    async def take(line: SipLine) -> None:
        await line.answer()
        line.start(_Echo(line))
        await line.wait_ended()

    with tempfile.TemporaryDirectory() as folder:
        server = SipServer(plan, AccountStore(Path(folder), plan.realm), take)
        await server.start()
        try:
            async with TestPhone(codecs=plan.codecs) as caller:
                await caller.dial(f"sip:her@127.0.0.1:{server.port}")
                spoken = await caller.say(_tone())
                heard = 0
                for _ in range(50):
                    heard = len(caller.audible_packets(spoken.began))
                    if heard >= _TONE_MS // 20 // 2:
                        break
                    await asyncio.sleep(0.02)
                codec = caller.statistics().codec
        finally:
            await server.stop()
    if heard < _TONE_MS // 20 // 2:
        raise GateClosed(
            f"a call over the loopback came about ({codec}), but only {heard} packets of sound came back",
            f"are UDP ports {plan.rtp_port_min} to {plan.rtp_port_max} open on 127.0.0.1?",
        )
    return {"codec": codec, "heard_packets": heard}


def _tone() -> bytes:
    samples = range(CONVERSATION_RATE * _TONE_MS // 1000)
    return array("h", (round(8000 * math.sin(2 * math.pi * 440 * n / CONVERSATION_RATE)) for n in samples)).tobytes()


async def _sound_devices(microphone: str, speaker: str) -> str:
    from her_os.audio.sound_device import DeviceSound

    def look() -> str:
        sound = DeviceSound(microphone, speaker, lambda _pcm, _at: None, bytes)
        try:
            return sound.description
        finally:
            sound.close()

    try:
        return await asyncio.to_thread(look)
    except NoSound as error:
        raise GateClosed(
            f"the room: {error}", "plug it in, name it as wake.microphone, or set wake.enabled to false"
        ) from error
