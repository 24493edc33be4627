"""Callers: flite's voices by the engine that ships, as 16 kHz PCM."""

from __future__ import annotations

import asyncio
import threading
from functools import cache

from her_os.audio.resample import StreamResampler
from her_os.contracts.audio import CONVERSATION_RATE
from her_os.engines.tts_flite import FliteEngine

_lock = threading.Lock()


async def speak(text: str, voice: str = "slt") -> bytes:
    """`text` in a voice, with a little silence on both sides as a person leaves."""
    return await asyncio.to_thread(_speak, text, voice)


@cache
def _engine() -> FliteEngine:
    engine = FliteEngine()
    engine.load()
    return engine


@cache
def _speak(text: str, voice: str) -> bytes:
    with _lock:
        engine, chunks = _engine(), list[bytes]()
        engine.synthesize(text, voice, threading.Event(), chunks.append)
        resampler = StreamResampler(engine.sample_rate, CONVERSATION_RATE, align=True)
        return resampler.process(b"".join(chunks)) + resampler.flush()
