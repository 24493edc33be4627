"""The phone loop daemon: composition root. SIP and RTP in, conversations inside, the other daemons by their clients."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge

from her_os.clients.llama_server_client import LlamaServerClient
from her_os.clients.stt_client import SttClient
from her_os.clients.tts_client import TtsClient
from her_os.contracts.call_line import CallerInfo
from her_os.contracts.errors import CancelledTurn, CapacityError, NotReadyError, SidecarUnavailable, SynthesisError
from her_os.daemons.line_socket import PATH as LINE_PATH
from her_os.daemons.line_socket import LineSocket
from her_os.daemons.phone_api import PhoneApi
from her_os.daemons.phone_call import CallDesk, House
from her_os.household.call_log import CallLog
from her_os.household.contacts import read_contacts
from her_os.service.cancel_floor import cancel_floor_s
from her_os.service.http_daemon import HttpDaemon
from her_os.settings import Secrets, Settings
from her_os.telephony.audiosocket.line import AudioSocketLine
from her_os.telephony.audiosocket.server import AudioSocketServer
from her_os.telephony.line_socket.line import SocketLine
from her_os.telephony.sip.accounts import AccountStore
from her_os.telephony.sip.responses import Refusal
from her_os.telephony.sip_line import SipLine
from her_os.telephony.sip_server import SipServer

log = logging.getLogger(__name__)

_VOICE_RETRY_S = 0.5
ALL_BUSY = Refusal(486, "all lines are in use; try again later", (("Retry-After", "60"),))
NOT_LISTENING = Refusal(480, "speech recognition is not ready; try again in a moment")


async def main(settings: Settings, secrets: Secrets) -> int:
    """Take calls until a signal. Returns the exit status."""
    return await PhoneDaemon(settings, secrets).run()


class PhoneDaemon:
    """Owns what outlives a call: the SIP server, the clients, the call log."""

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        self._settings, self._secrets = settings, secrets
        self._contacts = read_contacts(settings)
        self._registry = CollectorRegistry()
        self._held = AsyncExitStack()
        self._desk: CallDesk | None = None
        self._server: SipServer | None = None
        self._lines = LineSocket(self._take_answered, secrets.phone_token)
        self._ready = ""
        Gauge("her_os_phone_calls", "Calls in progress", registry=self._registry).set_function(
            lambda: self._desk.calls if self._desk else 0
        )

    async def run(self) -> int:
        """Serve until a signal."""
        phone = self._settings.phone
        daemon = HttpDaemon(
            name="her-os-phone",
            host=phone.api_host,
            port=phone.api_port,
            token=self._secrets.phone_token,
            routes=[*PhoneApi(self._calling).routes(), web.get(LINE_PATH, self._lines.handle)],
            websocket_paths=[LINE_PATH],
            load=self._load,
            close=self._held.aclose,
            alive=lambda: self._desk is None or self._desk.alive(),
            metrics=self._registry,
            details=self._details,
        )
        return await daemon.run()

    async def _load(self) -> str:
        settings, secrets, held = self._settings, self._secrets, self._held
        tts, stt, phone = settings.tts, settings.stt, settings.phone
        synthesizer = await held.enter_async_context(TtsClient(f"http://{tts.host}:{tts.port}", secrets.tts_token))
        floor_s = cancel_floor_s(settings)
        model = LlamaServerClient(
            settings.llm,
            secrets.llm_key(settings.llm.remote),
            observer=ReleaseLog(),
            registry=self._registry,
            floor_s=floor_s,
        )
        held.push_async_callback(model.close)
        call_log = None
        if phone.call_log:
            call_log = CallLog(settings.environment.state_dir / "calls.sqlite3")
            held.push_async_callback(asyncio.to_thread, call_log.close)
        house = House(
            settings=settings,
            model=model,
            synthesizer=synthesizer,
            contacts=self._contacts,
            open_recogniser=lambda call_id: SttClient(stt, secrets.stt_token, call_id),
            apology_pcm=await _render(synthesizer, settings.assistant.apology),
            call_log=call_log,
            cancel_promise_s=floor_s + settings.llm.release_budget_ms / 1000,
        )
        self._desk = CallDesk(house)
        accounts = AccountStore(settings.environment.state_dir, phone.realm)
        server = SipServer(phone, accounts, self._take, self._admit, trunk_passwords=secrets.trunk_passwords)
        self._server = server
        await server.start()
        held.push_async_callback(server.stop)
        held.push_async_callback(self._lines.stop)
        if phone.audiosocket_port:
            sockets = AudioSocketServer(phone.audiosocket_host, phone.audiosocket_port, self._take_answered)
            await sockets.start()
            held.push_async_callback(sockets.stop)
        held.push_async_callback(self._desk.say_goodbye)
        mode = "on" if settings.environment.enable_barge_in else "off"
        self._ready = f"sip {phone.sip_host}:{server.port}, barge-in {mode}, at most {phone.max_calls} calls"
        return self._ready

    def _details(self) -> dict[str, object]:
        """What /health says beside the state."""
        server = self._server
        if server is None or not self._ready:
            return {}
        trunks = server.trunks.describe()
        detail = "; ".join([self._ready, *(f"trunk {name} {state}" for name, state in trunks.items())])
        return {"detail": detail, "trunks": trunks, "refused": dict(server.refusals.counts)}

    def _admit(self, _caller: CallerInfo) -> Refusal | None:
        return ALL_BUSY if self._desk is None or self._desk.busy else None

    async def _take(self, line: SipLine) -> None:
        assert self._desk is not None
        try:
            await self._desk.hold(line, line.answer)
        except CapacityError:  # another call was admitted in the same moment
            line.reject(ALL_BUSY)
        except SidecarUnavailable as error:
            log.warning("call %s refused: %s", line.call_id, error)
            line.reject(NOT_LISTENING)

    async def _take_answered(self, line: AudioSocketLine | SocketLine) -> None:
        """A call by another way than SIP: it has been let in already, and is dropped when it cannot be held."""
        if self._desk is None:
            raise NotReadyError("the phone loop is still starting")
        await self._desk.hold(line, line.answer)

    def _calling(self) -> tuple[SipServer, CallDesk] | None:
        return (self._server, self._desk) if self._server and self._desk else None


class ReleaseLog:
    """ReleaseObserver: a line in the log for each cancelled reply."""

    def on_slot_released(self, slot: int, seconds: float | None) -> None:
        """See ReleaseObserver; a slot that stays busy past the budget is logged by the client."""
        if seconds is not None:
            log.info("slot %d free after %.1f ms", slot, seconds * 1000)


async def _render(synthesizer: TtsClient, text: str) -> bytes:
    """Synthesise the apology now, for the moment when nothing can be synthesised. Waits for the voice."""
    complaint = ""
    while True:
        try:
            async with synthesizer.speak("start.0", text) as stream:
                return b"".join([pcm async for pcm in stream])
        except (SidecarUnavailable, SynthesisError, CancelledTurn) as error:
            if str(error) != complaint:
                complaint = str(error)
                log.warning("waiting for the voice: %s", error)
            await asyncio.sleep(_VOICE_RETRY_S)
