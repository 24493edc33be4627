"""The members of the family: where each listens, as the settings say."""

from __future__ import annotations

from dataclasses import dataclass

from her_os.service.port_owner import Transport
from her_os.settings import Settings


@dataclass(frozen=True)
class Endpoint:
    """A port that one daemon will bind. `setting` is the name an operator changes."""

    daemon: str
    host: str
    port: int
    transport: Transport
    setting: str


_DAEMONS = {"kwd": "wake"}


def daemon_of(service: str) -> str:
    """The daemon and unit that the loader knows as this service: `kwd` is `wake`, `stt_batch` is `stt-batch`."""
    return _DAEMONS.get(service, service).replace("_", "-")


def http_endpoints(settings: Settings) -> list[Endpoint]:
    """Where each daemon answers HTTP."""
    return [
        Endpoint("kwd", settings.wake.host, settings.wake.port, "tcp", "wake.port"),
        Endpoint("llm", settings.llm.host, settings.llm.port, "tcp", "llm.port"),
        Endpoint("stt", settings.stt.host, settings.stt.port, "tcp", "stt.port"),
        Endpoint("stt_batch", settings.stt_batch.host, settings.stt_batch.port, "tcp", "stt_batch.port"),
        Endpoint("tts", settings.tts.host, settings.tts.port, "tcp", "tts.port"),
        Endpoint("phone", settings.phone.api_host, settings.phone.api_port, "tcp", "phone.api_port"),
    ]


def loader_endpoint(settings: Settings) -> Endpoint:
    """Where the loader answers."""
    return Endpoint("loader", settings.loader.host, settings.loader.port, "tcp", "loader.port")


def all_endpoints(settings: Settings) -> list[Endpoint]:
    """Every fixed port of the family: SIP, the loader's own and what `port_hygiene.ports` adds included."""
    sip = Endpoint("phone", settings.phone.sip_host, settings.phone.sip_port, "udp", "phone.sip_port")
    extra = [
        Endpoint(name, "127.0.0.1", port, "tcp", f"loader.port_hygiene.ports.{name}")
        for name, port in settings.loader.port_hygiene.ports.items()
    ]
    return [*http_endpoints(settings), sip, loader_endpoint(settings), *extra]
