"""WAV files in, as 16 kHz mono; a call's two sides out, as stereo."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from her_os.audio.pcm import samples
from her_os.audio.resample import StreamResampler
from her_os.contracts.audio import CONVERSATION_RATE
from her_os.contracts.errors import ConfigError
from her_os.telephony.test_phone.wire_log import LoggedPacket

_RTP_CLOCK = 8_000
_LEAP_S = 0.5
"""A packet this far from where its timestamp puts it begins a new stretch at its own time."""
_OUT_OF_STEP_S = 0.06
_OUT_OF_STEP_PACKETS = 25
"""So does one of so many in a row that are a little off: a sender that stalled, and did not catch up."""


def read_wav(path: Path) -> bytes:
    """The first channel of a 16-bit WAV file, at 16 kHz. Raises ConfigError for any other file."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise ConfigError(f"has {8 * file.getsampwidth()}-bit samples, 16-bit is needed", file=str(path))
            rate, channels = file.getframerate(), file.getnchannels()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise ConfigError(f"is no WAV file that can be read: {error}", file=str(path)) from error
    mono = np.ascontiguousarray(samples(data)[::channels]).tobytes()
    resampler = StreamResampler(rate, CONVERSATION_RATE, align=True)
    return resampler.process(mono) + resampler.flush()


def write_call(path: Path, sent: Sequence[LoggedPacket], received: Sequence[LoggedPacket], start: float) -> None:
    """A stereo WAV of a call: left what we sent, right what we received, as it was on the wire.

    It begins at `start`, or with the first packet where one came before it.
    A packet lies where its RTP timestamp puts it, so jitter makes no holes; where the stream leaps, where it
    arrived. What was lost or not sent is silence. Raises OSError.
    """
    start = min([start, *(packet.at for packets in (sent, received) for packet in packets[:1])])
    left, right = _lay_out(sent, start), _lay_out(received, start)
    size = max(left.size, right.size)
    stereo = np.zeros((size, 2), dtype=np.int16)
    stereo[: left.size, 0], stereo[: right.size, 1] = left, right
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(CONVERSATION_RATE)
        file.writeframes(stereo.tobytes())


def _lay_out(packets: Sequence[LoggedPacket], start: float) -> NDArray[np.int16]:
    voiced = [packet for packet in packets if packet.pcm]
    placed = zip(_media_times(voiced), voiced, strict=True)
    pieces = [(round((at - start) * CONVERSATION_RATE), samples(packet.pcm)) for at, packet in placed]
    out = np.zeros(max((index + piece.size for index, piece in pieces), default=0), dtype=np.int16)
    for index, piece in pieces:
        first = max(0, -index)
        out[index + first : index + piece.size] = piece[first:]
    return out


def _media_times(packets: Sequence[LoggedPacket]) -> list[float]:
    """When each packet's audio began, by its RTP timestamp, held to the times on the wire."""
    times: list[float] = []
    anchor: LoggedPacket | None = None
    astray = 0
    for packet in packets:
        anchor = anchor or packet
        elapsed = (packet.timestamp - anchor.timestamp + 0x8000_0000) % 0x1_0000_0000 - 0x8000_0000
        at = anchor.at + elapsed / _RTP_CLOCK
        off = abs(at - packet.at)
        astray = astray + 1 if off > _OUT_OF_STEP_S else 0
        if off > _LEAP_S or astray >= _OUT_OF_STEP_PACKETS:
            anchor, at, astray = packet, packet.at, 0
        times.append(at)
    return times
