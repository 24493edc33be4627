"""Whether a frame holds nothing but the line's own noise, so that it may be dropped or repeated unheard."""

from __future__ import annotations

from her_os.audio.pcm import rms

_ALWAYS_QUIET_RMS = 50.0
"""-56 dBFS."""

_ABOVE_FLOOR = 2.0
"""6 dB."""

_FLOOR_RISE = 1.002
"""A frame: 0.9 dB a second."""

_LOUDEST_FLOOR_RMS = 1_000.0
"""-30 dBFS: what is louder is never taken for noise."""


class QuietDetector:
    """Follows the quietest level of late. One call a frame, in order."""

    def __init__(self) -> None:
        self._floor = _ALWAYS_QUIET_RMS

    def is_quiet(self, pcm: bytes) -> bool:
        level = rms(pcm)
        self._floor = min(max(level, _ALWAYS_QUIET_RMS / 2), self._floor * _FLOOR_RISE, _LOUDEST_FLOOR_RMS)
        return level <= max(_ALWAYS_QUIET_RMS, self._floor * _ABOVE_FLOOR)
