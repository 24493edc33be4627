"""One call by script: dial, act when it is time, hang up, tell what happened."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from her_os.contracts.errors import CallEnded
from her_os.telephony.test_phone.phone import TestPhone
from her_os.telephony.test_phone.script import Action, Script, Situation
from her_os.telephony.test_phone.timeline import Note


@dataclass(slots=True)
class CallPlan:
    """Whom to call, what to say, and when to hang up.

    `duration_s`: that long after the answer. Without it: when the script is done and the assistant, having answered,
    was silent for `quiet_s`, or when it had nothing to say for `patience_s`.
    """

    uri: str
    actions: list[Action]
    duration_s: float | None = None
    quiet_s: float = 2.0
    patience_s: float = 15.0
    stay: bool = False
    """Stay on the line until `stop` is set or the far end hangs up (a microphone speaks)."""


@dataclass(slots=True)
class ScriptedCall:
    """Runs a plan on a phone. `notes` grow as things happen; `on_note` sees each at once."""

    phone: TestPhone
    plan: CallPlan
    on_note: Callable[[Note], None] = lambda note: None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    notes: list[Note] = field(default_factory=list[Note])

    async def run(self) -> None:
        """The whole call. Raises what `dial` raises, and CallEnded for a `stop` before the answer.

        An end by the far end is a note.
        """
        async with self.phone:
            await self._dial()
            try:
                self._note("line", "answered", self.phone.statistics().codec, self.phone.answered_at)
                await self._follow(Script(self.plan.actions), Situation(self.phone.answered_at))
            finally:
                await self.phone.hang_up()
                for at, digit in self.phone.digits:
                    self._note("assistant", "dtmf", digit, at)
                self._note("line", "ended", self.phone.ended_reason, self.phone.ended_at)

    async def _dial(self) -> None:
        dialling = asyncio.create_task(self.phone.dial(self.plan.uri))
        stopping = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({dialling, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            dialling.cancel()  # a CANCEL on the wire; nothing when it is done
            await asyncio.wait({dialling, stopping})
        if dialling.cancelled():
            raise CallEnded("given up before it was answered")
        dialling.result()

    async def _follow(self, script: Script, situation: Situation) -> None:
        seen = 0
        async with asyncio.TaskGroup() as speaking:
            while self.phone.in_call and not self._over(script, situation):
                seen = self._hear(situation, seen)
                for action in script.take_due(situation, time.monotonic()):
                    speaking.create_task(self._act(action, situation))
                due = script.next_at(situation)
                wait_s = 0.1 if due is None else min(0.1, max(0.0, due - time.monotonic()))
                await self.phone.wait_for_news(wait_s)
            await self.phone.hang_up()  # ends what is still being said

    def _hear(self, situation: Situation, seen: int) -> int:
        packets = self.phone.log.received
        count = len(packets)
        situation.audible += [packet.at for packet in packets[seen:count] if packet.audible]
        return count

    async def _act(self, action: Action, situation: Situation) -> None:
        """Digits are no speech: what the assistant says after them is no answer."""
        try:
            if action.digits:
                self._note("caller", "dtmf", action.digits)
                await self.phone.send_dtmf(action.digits)
            else:
                self._note("caller", "says", action.name)
                situation.speaking += 1
                situation.spoken_until = (await self.phone.say(action.pcm)).offset
        except CallEnded:
            return
        finally:
            situation.speaking -= not action.digits

    def _over(self, script: Script, situation: Situation) -> bool:
        now, plan = time.monotonic(), self.plan
        if self.stop.is_set():
            return True
        if plan.duration_s is not None:
            return now - situation.answered_at >= plan.duration_s
        if plan.stay or situation.speaking:
            return False
        since = situation.spoken_until or situation.answered_at
        last = situation.audible[-1] if situation.audible else 0.0
        if last > since and script.finished:
            return now - last >= plan.quiet_s
        return now - max(since, last) >= plan.patience_s

    def _note(self, who: str, event: str, detail: str = "", at: float | None = None) -> None:
        note = Note(time.monotonic() if at is None else at, who, event, detail)
        self.notes.append(note)
        self.on_note(note)
