"""What the text-to-speech daemon counts, in Prometheus' terms."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from her_os.contracts.text_to_speech import CancelReport

_LATENCY_S = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)


class TtsMetrics:
    """Counters of one daemon; `waiting` and `open_requests` are read when the metrics are asked for."""

    def __init__(
        self, registry: CollectorRegistry, *, waiting: Callable[[], int], open_requests: Callable[[], int]
    ) -> None:
        self.first_chunk = Histogram(
            "her_os_tts_first_chunk_seconds",
            "From the arrival of a request to its first audio",
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.requests = Counter(
            "her_os_tts_requests", "Synthesis requests by how they ended", ["outcome"], registry=registry
        )
        self.audio = Counter("her_os_tts_audio_seconds", "Audio synthesised", registry=registry)
        self._cancels = Counter("her_os_tts_cancels", "Cancels by the session's state", ["state"], registry=registry)
        self._stop = Histogram(
            "her_os_tts_stop_seconds",
            "From the arrival of a cancel to the exit of the synthesis thread, running sessions only",
            buckets=_LATENCY_S,
            registry=registry,
        )
        self._steps_after_cancel = Counter(
            "her_os_tts_steps_after_cancel", "Engine steps begun after a cancel", registry=registry
        )
        waiting_gauge = Gauge("her_os_tts_queue_depth", "Requests with text left to speak", registry=registry)
        waiting_gauge.set_function(lambda: float(waiting()))
        open_gauge = Gauge("her_os_tts_open_requests", "Requests not yet answered in full", registry=registry)
        open_gauge.set_function(lambda: float(open_requests()))

    def count_cancel(self, report: CancelReport) -> None:
        """Enter one answered cancel."""
        self._cancels.labels(report.state).inc()
        self._steps_after_cancel.inc(report.steps_after_cancel)
        if report.state == "running":
            self._stop.observe(report.stopped_after_ms / 1000)
