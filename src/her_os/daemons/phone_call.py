"""Holds calls: joins line, ears, mind and mouth to an orchestrator, runs it, and puts everything back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from her_os.audio.recording import StereoRecorder
from her_os.audio.voice_activity import FastVoiceGate, SileroVoiceActivity
from her_os.clients.llama_server_client import LlamaServerClient
from her_os.clients.stt_client import SttClient
from her_os.clients.tts_client import TtsClient
from her_os.contracts.call_line import CallLine
from her_os.contracts.errors import CapacityError
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
from her_os.conversation.tools.build import build_tools
from her_os.conversation.tools.contacts import ContactBook
from her_os.conversation.tools.registry import ToolRegistry
from her_os.conversation.tools.timers import TimerBook
from her_os.conversation.turn import TurnEpoch
from her_os.engines.llama_server_command import is_embedded
from her_os.household.call_log import CallLog, CallRecord, SilentJournal
from her_os.service.call_context import working_for
from her_os.settings import Settings

log = logging.getLogger(__name__)
_LEG_HANGS_S = 1.0
"""A leg of the cancel chain that takes longer is given up, unless the language model is known to need longer."""

STUCK_MS = 5_000.0
"""A media thread that owes a packet for so long will never send it."""
GOODBYE_S = 2.0
"""How long a farewell may take when the daemon stops."""

SYSTEM_MESSAGE = (
    "You are {name}, a warm voice assistant at home. Answer in one or two short sentences. Use a tool when one fits."
)


@dataclass(frozen=True)
class House:
    """What all calls of this process share."""

    settings: Settings
    model: LlamaServerClient
    synthesizer: TtsClient
    contacts: ContactBook
    open_recogniser: Callable[[str], SttClient]
    apology_pcm: bytes
    call_log: CallLog | None
    cancel_promise_s: float = 0.5
    """The measured floor of the language model and `llm.release_budget_ms`: what a whole cancel may take."""


class CallDesk:
    """Holds the calls of this process, one llama-server slot each."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._free_slots = list(range(house.settings.phone.max_calls))
        self._talking: dict[CallLoop, CallLine] = {}
        self._closing = False
        self._all_gone = asyncio.Event()

    @property
    def busy(self) -> bool:
        """Whether another call would have to be refused."""
        return self._closing or not self._free_slots

    @property
    def calls(self) -> int:
        """Calls in progress."""
        return self._house.settings.phone.max_calls - len(self._free_slots)

    def alive(self) -> bool:
        """Whether the media thread of every call makes progress."""
        overdue = (line.statistics().extra.get("tick_overdue_ms", 0.0) for line in self._talking.values())
        return all(milliseconds < STUCK_MS for milliseconds in overdue)

    async def say_goodbye(self) -> None:
        """Take no more calls, say goodbye to the callers, and give that a bounded time."""
        self._closing = True
        for conversation in list(self._talking):
            conversation.say_goodbye(self._house.settings.assistant.farewell or "Goodbye.")
        if self._talking:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._all_gone.wait()

    async def hold(self, line: CallLine, answer: Callable[[], Awaitable[None]]) -> str:
        """Hold one call to its end; returns why it ended. It is answered (`answer`) once we can hear the caller.

        Raises CapacityError when all slots are taken, SidecarUnavailable when the recogniser is away.
        """
        if not self._free_slots:
            raise CapacityError("all lines are in use")
        slot = self._free_slots.pop(0)
        try:
            with working_for(line.call_id):
                async with AsyncExitStack() as stack:
                    return await self._hold(line, answer, slot, stack)
        finally:
            self._free_slots.append(slot)

    async def _hold(
        self, line: CallLine, answer: Callable[[], Awaitable[None]], slot: int, stack: AsyncExitStack
    ) -> str:
        house, phone = self._house, self._house.settings.phone
        mode = "full duplex" if house.settings.environment.enable_barge_in else "half duplex"
        recogniser = house.open_recogniser(line.call_id)
        stack.push_async_callback(recogniser.close)
        await recogniser.open()
        await answer()
        recorder = _open_recorder(house.settings, line.call_id) if phone.record_calls else None
        if recorder is not None:
            stack.push_async_callback(asyncio.to_thread, recorder.close)
        journal = _open_journal(house, line, mode, str(recorder.path) if recorder else "")
        orchestrator, timers = _assemble(house, line, slot, journal, recogniser, recorder)
        stack.callback(timers.close)
        self._talking[orchestrator] = line
        stack.callback(self._left, orchestrator)
        who = line.caller.display_name or line.caller.uri
        log.info("call %s from %s (%s), language model slot %d", line.call_id, who, mode, slot)
        reason = "failed"
        try:
            reason = await orchestrator.run()
        finally:
            journal.end(reason, line.statistics().codec)
            log.info("call %s ended: %s", line.call_id, reason)
        return reason

    def _left(self, conversation: CallLoop) -> None:
        self._talking.pop(conversation, None)
        if self._closing and not self._talking:
            self._all_gone.set()


def _assemble(
    house: House,
    line: CallLine,
    slot: int,
    journal: CallRecord | SilentJournal,
    recogniser: SttClient,
    recorder: StereoRecorder | None,
) -> tuple[CallLoop, TimerBook]:
    settings, limits = house.settings, house.settings.conversation
    orchestrator: CallLoop
    timers = TimerBook(asyncio.get_running_loop(), lambda timer: orchestrator.announce(timer.announcement))
    tools = build_tools(
        now=lambda: datetime.now().astimezone(),
        timers=timers,
        contacts=house.contacts,
        hang_up=lambda: orchestrator.request_hang_up(),
    )
    in_room = line.caller.kind == "room"
    epoch, detector, barge_in = TurnEpoch(), SileroVoiceActivity(), settings.environment.enable_barge_in
    thinker = Thinker(
        house.model,
        ToolRegistry(tools),
        slot=slot,
        token_budget=limits.history_tokens,
        say_results=is_embedded(settings),
    )
    phrases = Phrases(
        apology=settings.assistant.apology,
        busy_cue=settings.assistant.busy_cue,
        busy_cue_after_s=limits.thinking_cue_after_ms / 1000,
        apology_pcm=house.apology_pcm,
    )
    parts = CallParts(
        line=line,
        ears=Ears(recogniser, detector, settings.stt.replay_before_onset_ms),
        endpointer=Endpointer(
            EndpointLimits(
                finished_ms=limits.end_of_turn_full_duplex_ms if barge_in else limits.end_of_turn_ms,
                unfinished_ms=limits.end_of_turn_unfinished_ms,
                max_ms=limits.max_utterance_ms,
            ),
            detector.window_ms,
        ),
        history=History(
            SYSTEM_MESSAGE.format(name=settings.assistant.name),
            timers.open_tasks,
            [name for contact in house.contacts.contacts() for name in (contact.name, *contact.aliases)],
            alternating=not is_embedded(settings),
        ),
        replier=Replier(line.call_id, line.playout, house.synthesizer, thinker, phrases, epoch),
        journal=journal,
        epoch=epoch,
        tap=recorder,
        # In the room an earcon has greeted, and a conversation that has died down ends without a word.
        greeting="" if in_room else settings.assistant.greeting,
        farewell="" if in_room else settings.assistant.farewell,
        idle_hangup_s=(settings.wake.idle_ms if in_room else limits.idle_hangup_ms) / 1000,
        open_tasks=timers.open_tasks,
        log_speech=settings.phone.log_speech,
    )
    orchestrator = _strategy(settings, parts, house, detector.window_ms)
    return orchestrator, timers


def _strategy(settings: Settings, parts: CallParts, house: House, window_ms: int) -> CallLoop:
    in_room, full_duplex = parts.line.caller.kind == "room", settings.environment.enable_barge_in
    limits = settings.conversation
    judge = InterruptionJudge(
        JudgeLimits(confirm_ms=limits.confirm_speech_ms, decide_within_ms=limits.resume_after_ms), window_ms
    )
    quick, pause = FastVoiceGate(mode=2), PauseDetector(limits.pause_voiced_ms)
    hangs_s = max(_LEG_HANGS_S, house.cancel_promise_s)
    barge_in = BargeIn(quick, pause, judge, house.synthesizer, cancel_budget_s=hangs_s)
    if full_duplex or in_room:
        from her_os.audio.echo import LineEcho, ReferenceTap  # 10 MB, 0.3 s that a phone in half duplex need not pay

        barge_in.echo = LineEcho()
        parts.tap = ReferenceTap(barge_in.echo, parts.tap)
    return (FullDuplexOrchestrator if full_duplex else HalfDuplexOrchestrator)(parts, barge_in)


def _open_recorder(settings: Settings, call_id: str) -> StereoRecorder | None:
    """A recording that cannot be made is a warning, not a call refused."""
    name = f"{datetime.now():%Y%m%d-%H%M%S}-{call_id[:12]}.wav"
    path: Path = settings.environment.state_dir / "recordings" / name
    try:
        return StereoRecorder(path)
    except OSError as error:
        log.warning("call %s is not recorded: %s: %s", call_id, path, error.strerror)
        return None


def _open_journal(house: House, line: CallLine, mode: str, recording: str) -> CallRecord | SilentJournal:
    if house.call_log is None:
        return SilentJournal()
    return house.call_log.begin(
        line.call_id, line.caller, mode=mode, recording=recording, codec=line.statistics().codec
    )
