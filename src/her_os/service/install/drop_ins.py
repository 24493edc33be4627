"""What `loader:` and `services:` say about spawning, in the words of systemd: one drop-in a unit. Pure.

Only what differs from the default is said, for the units' own values are the defaults there. What systemd cannot do
is refused by the loader, by name (`daemons/loader.py`). `port_hygiene` is read by each unit's first step itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from her_os.service.systemd_units import unit_of
from her_os.settings import Settings
from her_os.settings.loader_schema import NotifyReadiness, Service

NAME = "50-configuration.conf"
_HEADER = (
    "# Written by `her-os install` from the configuration; your own changes belong into `systemctl edit {unit}`.\n"
)
_PYTHON = "/opt/her-os/venv/bin/python"
_USE_CUDA = ("llm", "stt", "stt_batch", "tts")
_MAKES_CODE = ("faster-whisper", "chatterbox", "chatterbox-multilingual", "chatterbox-turbo", "nemotron")
"""CTranslate2, torch and numba make code at run time, into memory that is writable first and executable then."""
_RESTART = {"on-failure": "on-failure", "always": "always", "never": "no"}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class _DropIn:
    unit: list[str] = field(default_factory=list[str])
    service: list[str] = field(default_factory=list[str])

    def text(self, unit: str) -> str:
        sections = [("Unit", self.unit), ("Service", self.service)]
        parts = ["\n".join([f"[{name}]", *lines, ""]) for name, lines in sections if lines]
        return _HEADER.format(unit=unit) + "\n".join(parts)


def drop_ins(settings: Settings) -> dict[str, str]:
    """Text by path, relative to the folder of the units. A unit about which nothing is said has none."""
    found: dict[str, _DropIn] = {}
    for name in settings.services.__struct_fields__:
        found[unit_of(name)] = _of_service(settings, name)
    transcripts = settings.transcripts.engine or settings.stt.engine
    found[unit_of("transcripts")] = _DropIn(service=_may_make_code(transcripts))
    found[unit_of("loader")] = _DropIn(service=_listens_wider(settings.loader.host))
    if settings.llm.remote:  # it is asked by these; the phone's unit may reach other machines anyway
        for name in ("llm", "transcripts"):
            found[unit_of(name)].service += ["IPAddressDeny=", "IPAddressAllow=any"]
    if settings.loader.fail_fast_on_repeated_failures:
        found["her-os-failed@.service"] = _DropIn(
            service=["ExecStartPost=+/bin/systemctl --no-block stop her-os.target"]
        )
    return {f"{unit}.d/{NAME}": each.text(unit) for unit, each in found.items() if each.unit or each.service}


def _of_service(settings: Settings, name: str) -> _DropIn:
    loader, default = settings.loader, Settings().loader
    service: Service = getattr(settings.services, name)
    drop_in = _DropIn()
    policy, usual = loader.restart_policy, default.restart_policy
    if (policy.max_restarts, policy.window_sec) != (usual.max_restarts, usual.window_sec):
        drop_in.unit += [f"StartLimitBurst={policy.max_restarts + 1}", f"StartLimitIntervalSec={policy.window_sec:g}"]
    say = drop_in.service
    if policy.type != usual.type:
        say.append(f"Restart={_RESTART[policy.type]}")
    if policy.backoff != usual.backoff:
        initial, factor, most = policy.backoff.initial_sec, policy.backoff.factor, policy.backoff.max_sec
        say += [f"RestartSec={initial:g}", _environment("HER_OS_RESTART_BACKOFF", f"{initial:g} {factor:g} {most:g}")]
    ready_s = getattr(loader.timeouts, f"{name}_ready_sec")
    if ready_s != getattr(default.timeouts, f"{name}_ready_sec"):
        say.append(f"TimeoutStartSec={max(ready_s, policy.backoff.max_sec):g}")  # the pause before a restart is in it
    if loader.graceful_shutdown.kill_after_sec != default.graceful_shutdown.kill_after_sec:
        say.append(f"TimeoutStopSec={loader.graceful_shutdown.kill_after_sec:g}")
    if name in {"stt", "stt_batch", "tts"}:
        say += _may_make_code(getattr(settings, name).engine)
    say += _environment_of(settings, name, service)
    say += _program(service, getattr(Settings().services, name), name)
    if name != "phone":  # its unit reaches phones anyway
        section = getattr(settings, name, None)
        say += _listens_wider(getattr(section, "host", "127.0.0.1"))
    return drop_in


def _environment_of(settings: Settings, name: str, service: Service) -> list[str]:
    lines: list[str] = []
    if name in _USE_CUDA:
        cuda = settings.loader.cuda
        lines.append(_environment("CUDA_MODULE_LOADING", cuda.module_loading))
        lines.append(_environment("PYTORCH_CUDA_ALLOC_CONF", cuda.torch_alloc_conf))
    if service.threads:
        lines += [_environment(variable, str(service.threads)) for variable in THREAD_VARIABLES]
    return lines


def _program(service: Service, default: Service, name: str) -> list[str]:
    """Another program, and how systemd learns that it is ready."""
    lines: list[str] = []
    if service.cmd:
        program, *arguments = service.cmd
        program = _PYTHON if program in {"python", "python3"} else program
        # Nobody knows whether it feeds a watchdog; that it answers is what the loader looks at.
        lines += ["ExecStart=", f"ExecStart={_command([program, *arguments])}", "WatchdogSec=0"]
    if service.readiness == default.readiness:
        return lines
    if isinstance(service.readiness, NotifyReadiness):
        return [*lines, "Type=notify", "ExecStartPost="]
    wait = f"ExecStartPost={_PYTHON} -m her_os.cli wait-ready {name} --pid $MAINPID"
    return [*lines, "Type=exec", "NotifyAccess=all", "ExecStartPost=", wait]


def _may_make_code(engine: str) -> list[str]:
    return ["MemoryDenyWriteExecute=no"] if engine in _MAKES_CODE else []


def _listens_wider(host: str) -> list[str]:
    """The units know loopback only; a daemon that is configured to be reached from elsewhere must hear it."""
    try:
        wider = not ip_address(host).is_loopback
    except ValueError:
        wider = host != "localhost"
    return ["IPAddressDeny=", "IPAddressAllow=any"] if wider else []


def _environment(name: str, value: str) -> str:
    return f'Environment="{name}={_escaped(value)}"'


def _command(words: Sequence[str]) -> str:
    return " ".join('"' + _escaped(word).replace("$", "$$") + '"' for word in words)


def _escaped(text: str) -> str:
    """For double quotes in a unit file, see systemd.syntax(7); `%` begins a specifier."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
