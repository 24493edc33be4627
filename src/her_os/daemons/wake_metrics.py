"""What the wake word daemon counts, in Prometheus' terms."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from her_os.audio.frame_queue import FrameQueue
from her_os.contracts.wake_word import RoomState

_HANDLING_S = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.5)


class WakeMetrics:
    """`queue` and `state` are read when the metrics are asked for."""

    def __init__(
        self,
        registry: CollectorRegistry,
        queue: FrameQueue,
        state: Callable[[], RoomState],
        has_sound: Callable[[], bool],
    ) -> None:
        self._handling = Histogram(
            "her_os_wake_frame_seconds", "Handling of one frame", buckets=_HANDLING_S, registry=registry
        )
        self._waiting = Histogram(
            "her_os_wake_frame_wait_seconds", "From a frame's arrival to its handling",
            buckets=_HANDLING_S, registry=registry,
        )  # fmt: skip
        self.wakes = Counter("her_os_wake_words", "Wake words heard", registry=registry)
        self.conversations = Counter(
            "her_os_wake_conversations", "Conversations, by how they ended", ["how"], registry=registry
        )
        taken = Gauge("her_os_wake_frames", "Frames the microphone gave", registry=registry)
        taken.set_function(lambda: float(queue.taken_in))
        dropped = Gauge("her_os_wake_frames_dropped", "Frames dropped: nobody kept up", registry=registry)
        dropped.set_function(lambda: float(queue.dropped))
        sound = Gauge("her_os_wake_sound", "1 while there is a microphone", registry=registry)
        sound.set_function(lambda: float(has_sound()))
        states = Gauge("her_os_wake_state", "1 for the state that the room is in", ["state"], registry=registry)
        for each in RoomState:
            states.labels(each.lower()).set_function(lambda each=each: float(state() is each))

    def handled(self, handling_s: float, waited_s: float) -> None:
        """One frame. On the thread of the ears."""
        self._handling.observe(handling_s)
        self._waiting.observe(max(0.0, waited_s))
