"""The wake word daemon: composition root. Microphone, gate, wake word; a wake becomes a call of the phone daemon."""

from __future__ import annotations

import asyncio
import logging

from prometheus_client import CollectorRegistry

from her_os.audio.frame_queue import FrameQueue
from her_os.clients.loader_client import LoaderClient
from her_os.contracts.errors import AuthError, HerOsError, SidecarUnavailable
from her_os.contracts.wake_word import RoomState, WakeWordEngine
from her_os.daemons.family import loader_endpoint
from her_os.daemons.line_socket import PATH as LINE_PATH
from her_os.daemons.wake_ears import WakeEars
from her_os.daemons.wake_metrics import WakeMetrics
from her_os.daemons.wake_room import Room
from her_os.daemons.wake_sound import SoundKeeper, sound_of
from her_os.engines.wake_registry import create_wake_engine
from her_os.service.health_probe import reachable_host
from her_os.service.http_daemon import HttpDaemon
from her_os.service.readiness import Readiness
from her_os.settings import Secrets, Settings

log = logging.getLogger(__name__)
_ASK_EVERY_S, _ASK_WHILE_PAUSED_S = 1.0, 0.1


async def main(settings: Settings, secrets: Secrets) -> int:
    """Run until a signal. Returns the exit status."""
    return await WakeDaemon(settings, secrets).daemon.run()


class WakeDaemon:
    """Owns the ears, the room and the sound. Event loop only."""

    def __init__(self, settings: Settings, secrets: Secrets, engine: WakeWordEngine | None = None) -> None:
        self._settings, wake = settings, settings.wake
        self._engine = engine or create_wake_engine(settings)
        self._queue, self._readiness = FrameQueue(), Readiness()
        registry = CollectorRegistry()
        self._metrics = WakeMetrics(
            registry,
            self._queue,
            state=lambda: self._room.state if self._room else RoomState.IDLE,
            has_sound=lambda: self._keeper.has_sound if self._keeper else False,
        )
        endpoint = loader_endpoint(settings)
        self._loader = LoaderClient(f"http://{reachable_host(endpoint.host)}:{endpoint.port}", secrets.loader_token)
        self._token = secrets.phone_token
        self._room: Room | None = None
        self._ears: WakeEars | None = None
        self._keeper: SoundKeeper | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._complaint = ""
        self.daemon = HttpDaemon(
            name="her-os-wake",
            host=wake.host,
            port=wake.port,
            token=secrets.phone_token,
            routes=(),
            load=self._load,
            close=self._close,
            alive=self._alive,
            details=self._details,
            readiness=self._readiness,
            metrics=registry,
        )

    async def _load(self) -> str:
        settings, wake, phone = self._settings, self._settings.wake, self._settings.phone
        if not wake.enabled:
            return "off: wake.enabled is false"
        self._readiness.describe("loading the wake word")
        await asyncio.to_thread(self._engine.load)
        url = f"http://{reachable_host(phone.api_host)}:{phone.api_port}{LINE_PATH}"
        room = self._room = Room(wake, url, self._token, self._metrics, self._listen)
        ears = self._ears = WakeEars(self._queue, self._engine, self._metrics, room.on_frame, room.on_wake)
        ears.start()
        keeper = self._keeper = SoundKeeper(
            sound_of(settings), self._queue.put, room.playback.pull, lambda _detail: self._describe()
        )
        self._tasks = {
            asyncio.create_task(keeper.keep(), name="sound"),
            asyncio.create_task(self._follow_loader(room), name="loader"),
        }
        return f"{self._engine.name}, {self._engine.phrase!r}, {keeper.detail}"

    def _listen(self, on: bool) -> None:
        if self._ears is not None:
            self._ears.listen(on)

    async def _follow_loader(self, room: Room) -> None:
        """Be silent while the loader says so; where no loader answers, listen."""
        while True:
            paused = await self._must_pause()
            room.pause(paused)
            await asyncio.sleep(_ASK_WHILE_PAUSED_S if paused else _ASK_EVERY_S)

    async def _must_pause(self) -> bool:
        try:
            return (await self._loader.status()).wake_word_paused
        except SidecarUnavailable:
            return False
        except (AuthError, HerOsError) as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                log.warning("the loader cannot be asked: %s", error)
            return False

    def _describe(self) -> None:
        if self._readiness.ready and self._keeper is not None:
            self._readiness.describe(f"{self._engine.phrase!r}, {self._keeper.detail}")

    def _details(self) -> dict[str, object]:
        """What /health says beside the state."""
        if self._keeper is None or self._room is None:
            return {}
        return {
            "state": self._room.state,
            "phrase": self._engine.phrase,
            "sound": self._keeper.detail,
            "frames_dropped": self._queue.dropped,
        }

    def _alive(self) -> bool:
        ended = [task for task in self._tasks if task.done()]
        return not ended and (self._ears is None or self._ears.alive())

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._room is not None:
            await self._room.close()
        if self._ears is not None:
            await asyncio.to_thread(self._ears.stop)
