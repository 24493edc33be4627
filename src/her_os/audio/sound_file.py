"""Any sound file as 16 kHz int16 PCM, a channel at a time: WAV by ourselves, everything else through ffmpeg.

Each failure is a RecognitionError that says what is wrong with the file.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import wave
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from her_os.audio.resample import StreamResampler
from her_os.contracts.audio import CONVERSATION_RATE, SAMPLE_WIDTH
from her_os.contracts.errors import ConfigError, RecognitionError

BLOCK_BYTES = CONVERSATION_RATE * SAMPLE_WIDTH
"""A second."""
_FASTEST_PLAIN = 192_000
"""Samples a second: for a stranger rate our resampler's filter would grow without bound."""


@dataclass(frozen=True, slots=True)
class SoundFile:
    """What a file holds. `plain` WAV is read without ffmpeg."""

    path: Path
    channels: int
    duration_ms: int
    plain: bool


def probe(path: Path) -> SoundFile:
    """Look into the file. Raises RecognitionError (empty, no sound, not a sound file), ConfigError (no ffmpeg)."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise RecognitionError(f"{path.name} cannot be read: {error.strerror}") from error
    if not head:
        raise RecognitionError(f"{path.name} is empty")
    found = _plain_wav(path) if head[:4] == b"RIFF" and head[8:] == b"WAVE" else None
    found = found or _ask_ffprobe(path)
    if found.duration_ms <= 0:
        raise RecognitionError(f"{path.name} holds no sound: it is 0 seconds long")
    return found


def read_channel(sound: SoundFile, channel: int | None) -> Generator[bytes]:
    """The channel, or all of them mixed (None), in blocks of about a second. Close the generator to stop early."""
    return _read_wav(sound, channel) if sound.plain else _read_ffmpeg(sound, channel)


def _plain_wav(path: Path) -> SoundFile | None:
    """None for what only ffmpeg understands. A cut file is as long as what is there."""
    try:
        with wave.open(str(path)) as file:
            if file.getsampwidth() != SAMPLE_WIDTH:
                return None
            if file.getframerate() > _FASTEST_PLAIN:
                return None
            there = max(0, path.stat().st_size - 44) // (SAMPLE_WIDTH * file.getnchannels())
            frames = min(file.getnframes(), there)
            return SoundFile(path, file.getnchannels(), frames * 1000 // file.getframerate(), plain=True)
    except EOFError as error:
        raise RecognitionError(f"{path.name} is cut off within its header") from error
    except (wave.Error, ZeroDivisionError):
        return None


def _read_wav(sound: SoundFile, channel: int | None) -> Generator[bytes]:
    with wave.open(str(sound.path)) as file:
        resampler = StreamResampler(file.getframerate(), CONVERSATION_RATE, align=True)
        width = SAMPLE_WIDTH * sound.channels
        while block := file.readframes(file.getframerate()):
            block = block[: len(block) - len(block) % width]
            frames = np.frombuffer(block, dtype="<i2").reshape(-1, sound.channels)
            one = frames.mean(axis=1).astype(np.int16) if channel is None else frames[:, channel]
            yield resampler.process(one.tobytes())
        yield resampler.flush()


def _ask_ffprobe(path: Path) -> SoundFile:
    command = [
        _tool("ffprobe"), "-v", "error", "-of", "json", "-select_streams", "a:0",
        "-show_entries", "stream=channels,duration:format=duration", "-i", f"file:{path}",
    ]  # fmt: skip
    answer = subprocess.run(command, capture_output=True, timeout=60, check=False)  # noqa: S603
    complaint = answer.stderr.decode(errors="replace").strip().rpartition(": ")[2].splitlines()[-1:]
    try:
        told = json.loads(answer.stdout)
        stream = told["streams"][0]
        seconds = float(stream.get("duration") or told["format"].get("duration") or _measure(path))
        return SoundFile(path, int(stream["channels"]), round(seconds * 1000), plain=False)
    except IndexError:
        raise RecognitionError(f"{path.name} has no sound in it") from None
    except (ValueError, KeyError) as error:
        detail = f" ({complaint[0]})" if complaint else ""
        raise RecognitionError(f"{path.name} is not a sound file that can be read{detail}") from error


def _measure(path: Path) -> float:
    """Decode it all: for streams that do not say how long they are."""
    sound = SoundFile(path, 1, 0, plain=False)
    return sum(len(block) for block in _read_ffmpeg(sound, None)) / BLOCK_BYTES


def _read_ffmpeg(sound: SoundFile, channel: int | None) -> Generator[bytes]:
    pick = ["-ac", "1"] if channel is None else ["-af", f"pan=mono|c0=c{channel}"]
    command = [
        _tool("ffmpeg"), "-v", "error", "-nostdin", "-i", f"file:{sound.path}", "-map", "0:a:0",
        *pick, "-ar", str(CONVERSATION_RATE), "-f", "s16le", "-",
    ]  # fmt: skip
    heard = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:  # noqa: S603
        assert process.stdout is not None
        try:
            while block := process.stdout.read(BLOCK_BYTES):
                heard += len(block)
                yield block[: len(block) - len(block) % SAMPLE_WIDTH]
        except GeneratorExit:
            process.kill()
            raise
    if process.returncode and not heard:
        raise RecognitionError(f"{sound.path.name} could not be decoded (ffmpeg ended with {process.returncode})")


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ConfigError(f"{name} is needed for anything but 16-bit WAV files; install it (apt-get install ffmpeg)")
    return found
