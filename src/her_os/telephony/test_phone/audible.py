"""What counts as audible: defined here once, for the test phone and every benchmark."""

from __future__ import annotations

from her_os.audio.pcm import SILENCE_DBFS, level_dbfs
from her_os.contracts.audio import CONVERSATION_RATE, SAMPLE_WIDTH

AUDIBLE_DBFS = -50.0
"""A packet is audible when its level (`packet_level_dbfs`) is above this. Speech lies at -35 to -15 dBFS; the codecs'
own noise on silence is below -70."""

_CARRIED_OVER_MS = 5
_CARRIED_OVER_BYTES = CONVERSATION_RATE * _CARRIED_OVER_MS // 1000 * SAMPLE_WIDTH


def packet_level_dbfs(pcm: bytes) -> float:
    """RMS of a packet's audio at 16 kHz without its first 5 ms, in dB below full scale; -96 for none.

    The filters of encoder and decoder (resampling for G.711, the two bands of G.722) carry up to 4 ms of sound over
    into the packet behind it: a packet with nothing else in it is silence that has begun. Speech that begins in a
    packet goes on to its end, so its onset is never seen late.
    """
    return level_dbfs(pcm[_CARRIED_OVER_BYTES:]) if pcm else SILENCE_DBFS


def is_audible(pcm: bytes) -> bool:
    """Whether a person on the phone would hear something in this packet's audio."""
    return packet_level_dbfs(pcm) > AUDIBLE_DBFS
