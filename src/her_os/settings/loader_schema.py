"""The `loader:` and `services:` sections: how the daemons are started, watched, restarted and stopped.

Only the services that exist can be named. What a service's own section says (`wake`, `stt`, `tts`, `llm`, ...) is not
said again here: an empty `cmd`, `url`, `backend`, ... stands for it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from her_os.settings.section import Port, Section

ServiceName = Literal["kwd", "llm", "stt", "stt_batch", "tts", "phone"]
"""`kwd` (keyword detection) is the loader's name for the wake word daemon, whose own section is `wake`."""
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Count = Annotated[int, Meta(ge=0)]


class ReadyTimeouts(Section, frozen=True):
    """How long each service may take until it is ready."""

    kwd_ready_sec: Seconds = 20
    llm_ready_sec: Seconds = 90
    stt_ready_sec: Seconds = 45
    stt_batch_ready_sec: Seconds = 60
    tts_ready_sec: Seconds = 25
    phone_ready_sec: Seconds = 20


class Backoff(Section, frozen=True):
    """Pauses before a restart."""

    initial_sec: Seconds = 2
    factor: Annotated[float, Meta(ge=1, le=100)] = 2.0
    max_sec: Seconds = 30


class RestartPolicySettings(Section, frozen=True):
    """When a service that ended is started again."""

    type: Literal["on-failure", "always", "never"] = "on-failure"
    max_restarts: Count = 3
    window_sec: Seconds = 600
    backoff: Backoff = field(default_factory=Backoff)


class PortHygiene(Section, frozen=True):
    """What is looked at before a start, and who may be ended for it."""

    enabled: bool = True
    ports: dict[ServiceName, Port] = field(default_factory=dict[ServiceName, Port])
    unix_sockets: tuple[str, ...] = ()
    pid_files: tuple[str, ...] = ()
    kill_orphans: bool | Literal["any"] = True


class GracefulShutdown(Section, frozen=True):
    """How a service is asked to end."""

    per_service_grace_sec: Seconds = 5
    kill_after_sec: Seconds = 10


class IoPrewarm(Section, frozen=True):
    """Which files the next service will read are brought into memory ahead."""

    enable_memmap: bool = True
    pre_touch_tokenizers: bool = True


class Cuda(Section, frozen=True):
    """Environment of the services that may use a graphics card."""

    module_loading: Literal["LAZY", "EAGER", "DEFAULT"] = "LAZY"
    torch_alloc_conf: str = "expandable_segments:True,max_split_size_mb:64"


class PostBootGreeting(Section, frozen=True):
    """What is said once when everything is ready."""

    enabled: bool = True
    text: str = "Hi Master. Ready to serve."
    kwd_pause_during_tts: bool = True
    kwd_resume_after_tts_ms: Annotated[int, Meta(ge=0, le=10_000)] = 150


class Loader(Section, frozen=True):
    """The loader itself."""

    host: str = "127.0.0.1"
    port: Port = 8780
    gpu_index: Count = 0
    vram_poll_interval_sec: Seconds = 2
    vram_log_deltas_only: bool = True
    startup_sequence: tuple[ServiceName, ...] = ("kwd", "stt", "llm", "tts", "stt_batch", "phone")
    shutdown_sequence: tuple[ServiceName, ...] = ("phone", "kwd", "stt_batch", "tts", "llm", "stt")
    timeouts: ReadyTimeouts = field(default_factory=ReadyTimeouts)
    autotune_timeouts: bool = True
    health_check_interval_sec: Seconds = 5
    readiness_poll_ms: Annotated[int, Meta(ge=1, le=60_000)] = 250
    restart_policy: RestartPolicySettings = field(default_factory=RestartPolicySettings)
    fail_fast_on_repeated_failures: bool = False
    port_hygiene: PortHygiene = field(default_factory=PortHygiene)
    graceful_shutdown: GracefulShutdown = field(default_factory=GracefulShutdown)
    prewarm_next_service: bool = True
    io_prewarm: IoPrewarm = field(default_factory=IoPrewarm)
    cuda: Cuda = field(default_factory=Cuda)
    post_boot_greeting: PostBootGreeting = field(default_factory=PostBootGreeting)


class HttpReadiness(Section, frozen=True, tag="http", tag_field="type"):
    """Ready when a GET is answered with the expected status."""

    url: str = ""
    expect_code: Annotated[int, Meta(ge=100, le=599)] = 200


class TcpReadiness(Section, frozen=True, tag="tcp", tag_field="type"):
    """Ready when the port accepts a connection."""

    host: str = ""
    port: Port = 0


class GrpcReadiness(Section, frozen=True, tag="grpc", tag_field="type"):
    """Ready when the standard health service says SERVING."""

    target: str = ""


class NotifyReadiness(Section, frozen=True, tag="notify", tag_field="type"):
    """Ready when the process has sent READY=1 (sd_notify)."""


Readiness = HttpReadiness | TcpReadiness | GrpcReadiness | NotifyReadiness


class Service(Section, frozen=True):
    """What every service can be told."""

    cmd: tuple[str, ...] = ()
    readiness: Readiness = field(default_factory=NotifyReadiness)
    prepare_async: bool = True
    threads: Count = 0


class LlmService(Service, frozen=True):
    """The language model server."""

    readiness: Readiness = field(default_factory=HttpReadiness)
    mmapped: bool = True
    kv_cache_tokens: Count = 0
    warmup_token: Count = 1


class SttService(Service, frozen=True):
    """The recogniser."""

    backend: str = ""
    compute_type: Literal["auto", "float16", "int8_float16"] = "auto"
    mmapped: bool = True
    warmup_encoder_ms: Annotated[int, Meta(ge=0, le=10_000)] = 300


class TtsService(Service, frozen=True):
    """The voice."""

    warmup: bool = True
    default_voice: str = ""


class Services(Section, frozen=True):
    """How each service is run."""

    kwd: Service = field(default_factory=Service)
    llm: LlmService = field(default_factory=LlmService)
    stt: SttService = field(default_factory=SttService)
    stt_batch: Service = field(default_factory=Service)
    tts: TtsService = field(default_factory=TtsService)
    phone: Service = field(default_factory=Service)
