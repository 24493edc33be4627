"""Settings that are good each by itself and wrong together, and addresses that are none. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from her_os.contracts.errors import ConfigError
from her_os.settings.loader_agreement import find_loader_disagreements
from her_os.settings.schema import Conversation, Phone, Section, Settings

_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*")
_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_WIDE = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound


def find_disagreements(settings: Settings) -> Iterator[ConfigError]:
    """Every mistake of this kind; each names its field, not yet its line."""
    yield from _addresses(settings)
    yield from _equal_ports(settings)
    yield from _sound_ports(settings.phone)
    yield from _tls(settings.phone)
    yield from _codecs(settings.phone)
    yield from _allowlist(settings.phone)
    yield from _interruptions(settings.conversation)
    yield from find_loader_disagreements(settings)


def _addresses(settings: Settings) -> Iterator[ConfigError]:
    phone = settings.phone
    named = (
        ("llm.host", settings.llm.host),
        ("stt.host", settings.stt.host),
        ("stt_batch.host", settings.stt_batch.host),
        ("tts.host", settings.tts.host),
        ("wake.host", settings.wake.host),
        ("phone.api_host", phone.api_host),
        ("phone.sip_host", phone.sip_host),
        ("loader.host", settings.loader.host),
    )
    for field, host in named:
        if not _is_host(host):
            yield ConfigError(
                f"is {host!r}; expected an address of this machine: 127.0.0.1, 0.0.0.0 for all of them, or a name",
                field=field,
            )
    if phone.advertised_host and not _is_host(phone.advertised_host):
        yield ConfigError(
            f"is {phone.advertised_host!r}; expected the address that phones reach this machine by, or nothing",
            field="phone.advertised_host",
        )


def _is_host(text: str) -> bool:
    """An IP address, or a host name; a name that ends in a number would be taken for an address (RFC 1123)."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return bool(_NAME.fullmatch(text)) and not text.rpartition(".")[2].isdigit()
    return True


def _equal_ports(settings: Settings) -> Iterator[ConfigError]:
    seen: list[tuple[str, str, int]] = []
    usual = {field: port for field, _, port in _http_ports(Settings())}
    for field, host, port in _http_ports(settings):
        for other, other_host, other_port in seen:
            if port and port == other_port and (host == other_host or _WIDE & {host, other_host}):
                changed, kept = (field, other) if port != usual[field] else (other, field)
                yield ConfigError(f"is {port}, and so is {kept}; each daemon needs a port of its own", field=changed)
        seen.append((field, host, port))


def _http_ports(settings: Settings) -> tuple[tuple[str, str, int], ...]:
    return (
        ("llm.port", settings.llm.host, settings.llm.port),
        ("stt.port", settings.stt.host, settings.stt.port),
        ("stt_batch.port", settings.stt_batch.host, settings.stt_batch.port),
        ("tts.port", settings.tts.host, settings.tts.port),
        ("wake.port", settings.wake.host, settings.wake.port),
        ("phone.api_port", settings.phone.api_host, settings.phone.api_port),
        ("loader.port", settings.loader.host, settings.loader.port),
    )


def _sound_ports(phone: Phone) -> Iterator[ConfigError]:
    low, high, needed = phone.rtp_port_min, phone.rtp_port_max, 2 * phone.max_calls
    if high - low + 1 < needed:
        yield ConfigError(
            f"rtp_port_min..rtp_port_max is {low}..{high}; expected two ports a call, that is {needed} for max_calls "
            f"{phone.max_calls}: widen it, or lower max_calls",
            field=_changed("phone", phone, "rtp_port_max", "rtp_port_min", "max_calls"),
        )
    elif phone.sip_port and low <= phone.sip_port <= high:
        yield ConfigError(
            f"is {phone.sip_port}, which is among the ports for sound ({low}..{high}); choose one outside of them",
            field=_changed("phone", phone, "sip_port", "rtp_port_min", "rtp_port_max"),
        )


def _tls(phone: Phone) -> Iterator[ConfigError]:
    if phone.sip_tls_port and not phone.sip_tls_certificate:
        yield ConfigError(
            f"is {phone.sip_tls_port}, but phone.sip_tls_certificate names no certificate; name one, or set this to 0",
            field="phone.sip_tls_port",
        )
    elif phone.sip_tls_port and phone.sip_tls_port == phone.sip_port and phone.sip_tcp:
        yield ConfigError(
            f"is {phone.sip_tls_port}, which takes calls by TCP; choose another, or set phone.sip_tcp to false",
            field=_changed("phone", phone, "sip_tls_port", "sip_port"),
        )


def _codecs(phone: Phone) -> Iterator[ConfigError]:
    if not phone.codecs:
        yield ConfigError(
            "is empty, so no call could be answered; expected at least one of G722, PCMU, PCMA", field="phone.codecs"
        )
    elif len(set(phone.codecs)) < len(phone.codecs):
        yield ConfigError(f"names a codec twice: {', '.join(phone.codecs)}; keep one of each", field="phone.codecs")


def _allowlist(phone: Phone) -> Iterator[ConfigError]:
    """A name that no account can have would lock its phone out for good."""
    for index, name in enumerate(phone.allowlist):
        if not _ACCOUNT.fullmatch(name):
            yield ConfigError(
                f"is {name!r}, which is no account name; expected one as `her-os phone list` shows it: a-z, 0-9, dot, "
                "dash, underscore, no capitals",
                field=f"phone.allowlist.{index}",
            )


def _interruptions(talk: Conversation) -> Iterator[ConfigError]:
    if talk.confirm_speech_ms > talk.resume_after_ms:
        yield ConfigError(
            f"confirm_speech_ms is {talk.confirm_speech_ms}, but after resume_after_ms ({talk.resume_after_ms}) the "
            "assistant goes on, so no interruption would ever be confirmed; make confirm_speech_ms the smaller",
            field=_changed("conversation", talk, "confirm_speech_ms", "resume_after_ms"),
        )


def _changed(name: str, section: Section, *fields: str) -> str:
    """The first of these settings that the owner changed: it is the one to look at."""
    default = type(section)()
    changed = (field for field in fields if getattr(section, field) != getattr(default, field))
    return f"{name}.{next(changed, fields[0])}"
