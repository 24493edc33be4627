"""A whole call of fakes around a real orchestrator, on virtual time."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from her_os.contracts.call_journal import TurnRecord
from her_os.contracts.language_model import ToolCall, ToolSpec
from her_os.conversation.barge_in_policy import InterruptionJudge, JudgeLimits, PauseDetector
from her_os.conversation.call_loop import CallLoop
from her_os.conversation.ears import Ears
from her_os.conversation.endpointing import Endpointer, EndpointLimits
from her_os.conversation.full_duplex import FullDuplexOrchestrator
from her_os.conversation.going_on import BargeIn
from her_os.conversation.half_duplex import HalfDuplexOrchestrator
from her_os.conversation.history import History
from her_os.conversation.orchestrator import CallParts
from her_os.conversation.replier import Phrases, Replier
from her_os.conversation.thinking import Thinker
from her_os.conversation.turn import TurnEpoch
from tests.fakes.hearing import LevelDetector, LevelGate, ScriptedRecogniser
from tests.fakes.line import ScriptedLine
from tests.fakes.speaking import ScriptedModel, ToneSynthesizer

VIRTUAL_TIME = pytest.mark.looptime(noop_cycles=1)
"""No thread and no socket takes part, so time need not wait for any (by default it does, for 42 rounds of the loop)."""


@dataclass
class ListJournal:
    """CallJournal in two lists."""

    turns: list[TurnRecord] = field(default_factory=list[TurnRecord])
    notes: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    begun: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def turn_begun(self, turn: int, caller_text: str) -> None:
        self.begun.append((turn, caller_text))

    def turn_finished(self, record: TurnRecord) -> None:
        self.turns.append(record)

    def note(self, kind: str, text: str) -> None:
        self.notes.append((kind, text))


@dataclass
class OneTool:
    """Toolbox that takes `tool_s` seconds."""

    tool_s: float = 0.0
    ran: list[ToolCall] = field(default_factory=list[ToolCall])
    specs: Sequence[ToolSpec] = ()

    async def run(self, call: ToolCall) -> str:
        self.ran.append(call)
        await asyncio.sleep(self.tool_s)
        return '{"say": "It is noon."}'


@dataclass
class FakeCall:
    """One call and everything around it."""

    line: ScriptedLine
    orchestrator: CallLoop
    recogniser: ScriptedRecogniser
    model: ScriptedModel
    synthesizer: ToneSynthesizer
    toolbox: OneTool
    journal: ListJournal
    history: History
    apology_pcm: bytes

    async def run_for(self, seconds: float) -> str:
        """Hold the call until it ends, at most for `seconds` of virtual time; returns why it ended."""
        timer = asyncio.create_task(self._hang_up_after(seconds))
        try:
            return await self.orchestrator.run()
        finally:
            timer.cancel()
            await asyncio.wait({timer})

    async def _hang_up_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.line.hang_up("time is up")


def make_call(
    line: ScriptedLine,
    texts: Sequence[str],
    replies: Sequence[Sequence[str | ToolCall | Exception]],
    *,
    word_s: float = 0.01,
    tool_s: float = 0.0,
    full_duplex: bool = True,
    greeting: str = "",
    token_budget: int = 1000,
    say_results: bool = False,
    confirm_ms: int = 160,
    idle_hangup_s: float = 0.0,
    open_tasks: Sequence[str] = (),
    alternating: bool = False,
    partials: Sequence[str] = (),
) -> FakeCall:
    """A call with a scripted caller. Must be called on the event loop."""
    clock = asyncio.get_running_loop().time
    recogniser, model, synthesizer = (
        ScriptedRecogniser(texts, partials=partials),
        ScriptedModel(replies, word_s=word_s),
        ToneSynthesizer(),
    )
    toolbox, journal, history, epoch = (
        OneTool(tool_s),
        ListJournal(),
        History("You are her.", alternating=alternating),
        TurnEpoch(),
    )
    apology_pcm = struct.pack("<h", 321) * 3200
    thinker = Thinker(model, toolbox, slot=0, token_budget=token_budget, say_results=say_results)
    phrases = Phrases("Sorry.", "One moment.", 1.5, apology_pcm)
    parts = CallParts(
        line=line,
        ears=Ears(recogniser, LevelDetector(), preroll_ms=300),
        endpointer=Endpointer(EndpointLimits(), window_ms=20),
        history=history,
        replier=Replier(line.call_id, line.playout, synthesizer, thinker, phrases, epoch),
        journal=journal,
        epoch=epoch,
        greeting=greeting,
        farewell="Goodbye.",
        idle_hangup_s=idle_hangup_s,
        open_tasks=lambda: open_tasks,
        clock=clock,
    )
    judge = InterruptionJudge(JudgeLimits(confirm_ms=confirm_ms), window_ms=20)
    strategy = FullDuplexOrchestrator if full_duplex else HalfDuplexOrchestrator
    orchestrator = strategy(parts, BargeIn(LevelGate(), PauseDetector(40), judge, synthesizer))
    return FakeCall(line, orchestrator, recogniser, model, synthesizer, toolbox, journal, history, apology_pcm)
