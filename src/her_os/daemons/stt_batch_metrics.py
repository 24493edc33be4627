"""What the daemon of whole utterances counts, in Prometheus' terms."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)


class SttBatchMetrics:
    """Counters of one daemon; the functions are asked when the metrics are."""

    def __init__(
        self, registry: CollectorRegistry, *, requests: Callable[[], int], restarts: Callable[[], int]
    ) -> None:
        self.ended = Counter("her_os_stt_batch_requests", "Requests by how they ended", ["how"], registry=registry)
        self.seconds = Histogram(
            "her_os_stt_batch_seconds",
            "From the end of the upload to the transcript, the wait included",
            buckets=_SECONDS,
            registry=registry,
        )
        self.audio_s = Counter("her_os_stt_batch_audio_seconds", "Sound recognised", registry=registry)
        self.reloads = Counter("her_os_stt_batch_reloads", "Reloads asked for", registry=registry)
        waiting = Gauge("her_os_stt_batch_waiting", "Requests in the line, the present one included", registry=registry)
        waiting.set_function(lambda: float(requests()))
        worker_restarts = Gauge("her_os_stt_batch_worker_restarts", "Fresh workers since the start", registry=registry)
        worker_restarts.set_function(lambda: float(restarts()))
