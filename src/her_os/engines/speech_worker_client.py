"""A recogniser in a process of its own: what the daemons hold of it."""

from __future__ import annotations

from her_os.contracts.speech_to_text import Final
from her_os.contracts.speech_worker import Inspect, Inspected, Recognise, Recognised
from her_os.engines.recogniser_wishes import RecogniserWishes
from her_os.service.worker_host import WorkerHost
from her_os.service.worker_spawn import WorkerProgram
from her_os.settings.load import child_environment
from her_os.settings.schema import SpeechToText, SpeechToTextBatch

_INSPECT_S = 5.0


class SpeechWorker:
    """One worker as a section asks for it, not yet started. Raises ConfigError for an interpreter that is not there."""

    def __init__(self, wishes: RecogniserWishes) -> None:
        asked = wishes.asked
        assert isinstance(asked, SpeechToText | SpeechToTextBatch), "recordings have workers of another kind"
        program = WorkerProgram(
            name=f"the {wishes.section.replace('_', '-')} worker",
            command=(wishes.interpreter(), "-m", "her_os.engines.speech_worker", wishes.section),
            environment=child_environment(wishes.settings),
            memory_mb=asked.worker_memory_mb,
            nice=asked.worker_nice if isinstance(asked, SpeechToTextBatch) else 0,
        )
        self.host = WorkerHost(program)

    def recognise(
        self, pcm: bytes, language: str, *, deadline_s: float, turn_s: float, ready_s: float
    ) -> tuple[Final, ...]:
        """What is said in 16 kHz int16 `pcm`. Blocks, at most the sum of the times. Raises as `WorkerHost.ask`."""
        request = Recognise(language=language)
        answer = self.host.ask(request, Recognised, pcm, deadline_s=deadline_s, turn_s=turn_s, ready_s=ready_s)
        return answer.finals

    def inspect(self) -> Inspected:
        """What it has imported, and its memory."""
        return self.host.ask(Inspect(), Inspected, deadline_s=_INSPECT_S, turn_s=_INSPECT_S, ready_s=_INSPECT_S)
