"""This machine's microphone and loudspeaker by PortAudio (`sounddevice`), found again after they were unplugged.

The callbacks of PortAudio do nothing but copy. 16 kHz where the device can, else 48 kHz and resampling on the way.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import time
from typing import Any

from her_os.audio.resample import StreamResampler
from her_os.contracts.audio import CONVERSATION_RATE, FRAME_BYTES, FRAME_MS
from her_os.contracts.errors import HerOsError
from her_os.contracts.room_sound import PullSamples, TakeFrame

_RATES = (CONVERSATION_RATE, 48_000)
_SILENT_S = 3.0
"""A microphone that has given nothing for so long is gone: PortAudio does not always say so."""


class NoSound(HerOsError):
    """There is no microphone, or it cannot be opened now."""

    code = "no_sound"


class DeviceSound:
    """Implements RoomSound. `microphone` and `speaker`: a name or part of one, empty for the system's own choice.

    Raises NoSound. A room without a loudspeaker still has ears: `description` says so.
    """

    def __init__(self, microphone: str, speaker: str, take: TakeFrame, pull: PullSamples) -> None:
        sounddevice = fresh_portaudio()
        self._last_s = time.monotonic()
        self._streams: list[Any] = []
        try:
            ears = _find(sounddevice, microphone, "input")
            self._streams.append(self._listen(sounddevice, ears, take))
            self.description = f"microphone {ears['name']}"
            self._streams += self._speak(sounddevice, speaker, pull)
            for stream in self._streams:
                stream.start()
        except sounddevice.PortAudioError as error:
            self.close()
            raise NoSound(f"the microphone cannot be opened: {error}") from error

    def alive(self) -> bool:
        return all(stream.active for stream in self._streams) and time.monotonic() - self._last_s < _SILENT_S

    def close(self) -> None:
        streams, self._streams = self._streams, []
        for stream in streams:
            with contextlib.suppress(Exception):  # an unplugged device fails in its own way
                stream.close()

    def _listen(self, sounddevice: Any, device: Any, take: TakeFrame) -> Any:
        rate = _rate(sounddevice.check_input_settings, device, sounddevice)
        resampler = StreamResampler(rate, CONVERSATION_RATE)

        def callback(recorded: Any, _frames: int, _time: Any, _status: Any) -> None:
            self._last_s = now = time.monotonic()
            take(resampler.process(bytes(recorded)), now)

        return sounddevice.RawInputStream(callback=callback, **_how(device, rate))

    def _speak(self, sounddevice: Any, wanted: str, pull: PullSamples) -> list[Any]:
        try:
            device = _find(sounddevice, wanted, "output")
            rate = _rate(sounddevice.check_output_settings, device, sounddevice)
        except NoSound as error:
            self.description += f"; no loudspeaker: {error.message}"
            return []
        resampler = StreamResampler(CONVERSATION_RATE, rate)

        def callback(played: Any, _frames: int, _time: Any, _status: Any) -> None:
            played[:] = resampler.process(pull(FRAME_BYTES)).ljust(len(played), b"\0")[: len(played)]

        self.description += f", loudspeaker {device['name']}"
        return [sounddevice.RawOutputStream(callback=callback, **_how(device, rate))]


def fresh_portaudio() -> Any:
    """Sounddevice with the devices of this moment: PortAudio looks for them when it is initialised, and never again.

    No stream may be open. Raises NoSound where the library is missing.
    """
    try:
        sounddevice: Any = importlib.import_module("sounddevice")
    except (ImportError, OSError) as error:
        raise NoSound(f"PortAudio is missing ({error}): apt-get install libportaudio2") from error
    _hush_alsa()
    sounddevice._terminate()
    sounddevice._initialize()
    return sounddevice


def _find(sounddevice: Any, wanted: str, kind: str) -> Any:
    try:
        return sounddevice.query_devices(int(wanted) if wanted.isdigit() else wanted or None, kind)
    except (ValueError, sounddevice.PortAudioError) as error:
        names = sorted({d["name"] for d in sounddevice.query_devices() if d[f"max_{kind}_channels"]})
        there = f"there are: {', '.join(names)}" if names else "the system knows none"
        raise NoSound(f"no {kind} device{f' {wanted!r}' if wanted else ''}; {there}") from error


def _rate(check: Any, device: Any, sounddevice: Any) -> int:
    for rate in _RATES:
        with contextlib.suppress(sounddevice.PortAudioError):
            check(device=device["index"], channels=1, dtype="int16", samplerate=rate)
            return rate
    raise NoSound(f"{device['name']} offers neither {' nor '.join(str(rate) for rate in _RATES)} Hz")


def _how(device: Any, rate: int) -> dict[str, Any]:
    frames = rate * FRAME_MS // 1000
    return {
        "device": device["index"], "samplerate": rate, "blocksize": frames, "channels": 1, "dtype": "int16",
        "latency": "low",
    }  # fmt: skip


_ErrorHandler = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)
_silent = _ErrorHandler(lambda *_arguments: None)


def _hush_alsa() -> None:
    """ALSA would write a dozen lines to stderr about each device that is not there."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(_silent)
