"""What the speech-to-text daemon counts, in Prometheus' terms."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LATENCY_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)


class SttMetrics:
    """Counters of one daemon; `sessions` is read when the metrics are asked for."""

    def __init__(self, registry: CollectorRegistry, *, sessions: Callable[[], int], session_cap: int) -> None:
        self.opened = Counter("her_os_stt_opened", "Sessions opened", registry=registry)
        self.ended = Counter("her_os_stt_ended", "Sessions by how they ended", ["how"], registry=registry)
        self.refused = Counter("her_os_stt_refused", "Connections refused, by reason", ["reason"], registry=registry)
        self.errors = Counter("her_os_stt_errors", "Errors told to clients, by code", ["code"], registry=registry)
        self.finalize = Histogram(
            "her_os_stt_finalize_seconds",
            "From a finalize message to its final, what was queued before it not included",
            buckets=_LATENCY_S,
            registry=registry,
        )
        self._audio_s = Counter("her_os_stt_audio_seconds", "Audio recognised", registry=registry)
        self._engine_s = Counter("her_os_stt_engine_seconds", "Time spent in the engine", registry=registry)
        self._audio_total_s = self._engine_total_s = 0.0
        rtf = Gauge("her_os_stt_real_time_factor", "Engine time over audio time, since the start", registry=registry)
        rtf.set_function(lambda: self._engine_total_s / self._audio_total_s if self._audio_total_s else 0.0)
        open_gauge = Gauge("her_os_stt_sessions", "Sessions whose state is held", registry=registry)
        open_gauge.set_function(lambda: float(sessions()))
        Gauge("her_os_stt_session_cap", "Sessions that may be open at once", registry=registry).set(session_cap)

    def count_audio(self, audio_s: float, engine_s: float) -> None:
        """Enter audio that went through the engine, and how long it took."""
        self._audio_s.inc(audio_s)
        self._engine_s.inc(engine_s)
        self._audio_total_s += audio_s
        self._engine_total_s += engine_s
