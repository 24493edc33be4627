"""Keeps the room's sound open: looks for it until it is there, and again once it was unplugged."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

from her_os.audio.sound_device import DeviceSound, NoSound
from her_os.audio.sound_files import FileSound
from her_os.contracts.errors import ConfigError, HerOsError
from her_os.contracts.room_sound import OpensSound, PullSamples, RoomSound, TakeFrame
from her_os.settings import Settings

log = logging.getLogger(__name__)
LOOK_EVERY_S = 2.0
_TRY_AGAIN_AFTER = 15
"""Looks after which the devices are tried again although none was plugged in: another program may have let go."""


class SoundKeeper:
    """`keep` runs until it is cancelled. `detail` says what there is, for /health."""

    def __init__(
        self, open_sound: OpensSound, take: TakeFrame, pull: PullSamples, on_change: Callable[[str], None]
    ) -> None:
        self._open, self._take, self._pull, self._on_change = open_sound, take, pull, on_change
        self._sound: RoomSound | None = None
        self.detail = "looking for a microphone"

    @property
    def has_sound(self) -> bool:
        return self._sound is not None

    async def keep(self) -> None:
        """Open, watch, and open again."""
        try:
            while True:
                await self._find()
                while self._sound is not None and self._sound.alive():  # noqa: ASYNC110 - a device tells nobody
                    await asyncio.sleep(LOOK_EVERY_S / 4)
                await self._close()
                log.warning("the microphone is gone; looking for it")
        finally:
            await self._close()

    async def _find(self) -> None:
        while self._sound is None:
            try:
                self._sound = await asyncio.to_thread(self._open, self._take, self._pull)
            except NoSound as error:
                self._say(f"no sound: {error.message}", logging.WARNING)
                await self._something_plugged_in()
        self._say(self._sound.description, logging.INFO)

    async def _something_plugged_in(self) -> None:
        seen = _what_is_plugged_in()
        for _ in range(_TRY_AGAIN_AFTER):
            await asyncio.sleep(LOOK_EVERY_S)
            if _what_is_plugged_in() != seen:
                return

    def _say(self, detail: str, level: int) -> None:
        if detail != self.detail:
            log.log(level, "%s", detail)
            self.detail = detail
            self._on_change(detail)

    async def _close(self) -> None:
        sound, self._sound = self._sound, None
        if sound is not None:
            await asyncio.to_thread(sound.close)


def sound_of(settings: Settings) -> OpensSound:
    """How the settings want the room's sound opened. A path is a file, anything else a device."""
    wake = settings.wake

    def open_sound(take: TakeFrame, pull: PullSamples) -> RoomSound:
        if "/" in wake.microphone or "/" in wake.speaker:
            try:
                return FileSound(_file(settings, wake.microphone), _file(settings, wake.speaker), take, pull)
            except ConfigError as error:
                raise NoSound(str(error)) from error
        return DeviceSound(wake.microphone, wake.speaker, take, pull)

    return open_sound


def _file(settings: Settings, path: str) -> Path | None:
    if path and "/" not in path:
        raise HerOsError(f"{path!r} is a device and the other a file; both must be files, as in ./room.wav")
    return settings.resolve(Path(path)) if path else None


def _what_is_plugged_in() -> tuple[str, ...]:
    """Changes when a sound card comes or goes, or a sound server starts."""
    seen: list[str] = []
    for folder in ("/dev/snd", f"/run/user/{os.getuid()}/pulse", "/proc/asound"):
        try:
            seen += sorted(os.listdir(folder))
        except OSError:
            continue
    for file in filter(None, (os.environ.get("ALSA_CONFIG_PATH"), "/etc/asound.conf")):
        try:
            seen.append(str(os.stat(file).st_mtime_ns))
        except OSError:
            continue
    pipewire = Path(f"/run/user/{os.getuid()}/pipewire-0")
    return (*seen, str(pipewire.exists()))
