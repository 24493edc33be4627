"""The one greeting of a boot, and when the wake word listens.

It does not listen before SYSTEM_READY, nor while the greeting is heard, and it never stays deaf: whatever goes
wrong, it listens in the end. Echo cancellation is not touched.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Protocol

from her_os.contracts.errors import HerOsError

log = logging.getLogger(__name__)
BUDGET_S = 1.5
"""Longest a greeting should be, and longest that its synthesis may take."""
WATCHDOG_S = max(BUDGET_S, 2.0)
"""How long the end of a greeting may be overdue before nobody waits for it any more."""


class Voice(Protocol):
    """Speaks into the room."""

    async def synthesise(self, text: str) -> float:
        """Make the speech, and return how many milliseconds it lasts. Raises HerOsError."""
        ...

    async def play(self) -> bool:
        """Play what was made; returns at its end. False where there is no speaker. Raises HerOsError."""
        ...


@dataclass(frozen=True)
class GreetingPlan:
    """What is said, and what the wake word does meanwhile."""

    enabled: bool
    text: str
    pause_wake_word: bool
    resume_after_s: float


class Greeter:
    """Greets. `wake_word_paused` is what a wake word daemon asks for."""

    def __init__(self, plan: GreetingPlan, voice: Voice) -> None:
        self._plan, self._voice = plan, voice
        self.wake_word_paused = True
        self.speak_ms: float | None = None
        self.resume_after_ms: float | None = None
        self.greetings = 0
        self.heard = 0

    async def greet(self, *, first: bool) -> None:
        """Let the wake word listen, after the greeting where there is one. `first`: nobody greeted in this boot yet."""
        try:
            if first and self._plan.enabled:
                self.wake_word_paused = self._plan.pause_wake_word
                await self._say()
        finally:
            self.wake_word_paused = False

    async def _say(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(BUDGET_S):
                speech_ms = await self._voice.synthesise(self._plan.text)
            if speech_ms > BUDGET_S * 1000:
                log.warning("the greeting lasts %.1f s; its budget is %.1f s", speech_ms / 1000, BUDGET_S)
            async with asyncio.timeout(speech_ms / 1000 + WATCHDOG_S):
                heard = await self._voice.play()
        except (HerOsError, OSError) as error:  # TimeoutError is an OSError
            log.warning("no greeting (%s); it is not tried again", str(error) or "it took too long")
            return
        ended = loop.time()
        self.greetings += 1
        self.heard += heard
        self.speak_ms = round((ended - began) * 1000, 1)
        log.info(
            "greeting: %.1f s of speech%s", speech_ms / 1000, "" if heard else "; no speaker here, nobody heard it"
        )
        await asyncio.sleep(self._plan.resume_after_s)
        self.resume_after_ms = round((loop.time() - ended) * 1000, 1)
