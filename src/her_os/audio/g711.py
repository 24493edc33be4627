"""G.711 (ITU-T): mu-law and A-law, one byte a sample at 8 kHz, as table look-ups.

The standard library's `audioop` did this until Python 3.12; these tables are bit-exact with it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from her_os.audio.pcm import samples

_ULAW_BIAS = 132
_ULAW_CLIP = 32_635
_ALAW_SEGMENT_ENDS = (0x1F, 0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF)


def _ulaw_decode_table() -> NDArray[np.int16]:
    code = ~np.arange(256) & 0xFF
    exponent, mantissa = (code >> 4) & 7, code & 0xF
    magnitude = (((mantissa << 3) + _ULAW_BIAS) << exponent) - _ULAW_BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _ulaw_encode_table() -> NDArray[np.uint8]:
    # Indexed by the sample seen as uint16. The two low bits are dropped first, as the 14-bit law has it.
    linear = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int64) >> 2 << 2
    sign = np.where(linear < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(linear), _ULAW_CLIP) + _ULAW_BIAS
    exponent = np.floor(np.log2(magnitude)).astype(np.int64) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0xF
    return (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8)


def _alaw_decode_table() -> NDArray[np.int16]:
    code = np.arange(256) ^ 0x55
    segment, mantissa = (code >> 4) & 7, (code & 0xF) << 4
    magnitude = np.where(segment == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _alaw_encode_table() -> NDArray[np.uint8]:
    linear = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int64) >> 3
    mask = np.where(linear >= 0, 0xD5, 0x55)
    magnitude = np.where(linear >= 0, linear, -linear - 1)
    segment = np.searchsorted(np.array(_ALAW_SEGMENT_ENDS), magnitude)
    mantissa = (magnitude >> np.maximum(segment, 1)) & 0xF
    return ((segment << 4 | mantissa) ^ mask).astype(np.uint8)


_ULAW_TO_LINEAR = _ulaw_decode_table()
_LINEAR_TO_ULAW = _ulaw_encode_table()
_ALAW_TO_LINEAR = _alaw_decode_table()
_LINEAR_TO_ALAW = _alaw_encode_table()


def encode_ulaw(pcm: bytes) -> bytes:
    """8 kHz int16 PCM to mu-law (PCMU)."""
    return _LINEAR_TO_ULAW[samples(pcm).view(np.uint16)].tobytes()


def decode_ulaw(payload: bytes) -> bytes:
    """Mu-law (PCMU) to 8 kHz int16 PCM."""
    return _ULAW_TO_LINEAR[np.frombuffer(payload, dtype=np.uint8)].tobytes()


def encode_alaw(pcm: bytes) -> bytes:
    """8 kHz int16 PCM to A-law (PCMA)."""
    return _LINEAR_TO_ALAW[samples(pcm).view(np.uint16)].tobytes()


def decode_alaw(payload: bytes) -> bytes:
    """A-law (PCMA) to 8 kHz int16 PCM."""
    return _ALAW_TO_LINEAR[np.frombuffer(payload, dtype=np.uint8)].tobytes()
