"""What a configuration asks for and cannot get: engines nobody has, files that are not there, foreign addresses.

Two tables of checks by daemon. `her-os config check` runs both. A daemon runs its own of `BEFORE_START` first, so that
a mistake ends it with the line to mend and not with what the mistake led to; the rest it finds by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from her_os.contracts.errors import ConfigError
from her_os.service.port_owner import Transport, why_not_ours
from her_os.settings import Settings
from her_os.settings.agreement import find_disagreements
from her_os.settings.positions import located

Check = Callable[[Settings], None]
"""Raises ConfigError with the field. Imports what it needs itself: a daemon loads nothing that belongs to another."""

_GGUF_MAGIC = b"GGUF"


def find_mistakes(settings: Settings) -> list[ConfigError]:
    """Every mistake, one for each field; each names file, line and field. What does not agree comes first."""
    found = [located(error, settings.source) for error in find_disagreements(settings)]
    for checks in (*BEFORE_START.values(), *BY_ITSELF.values()):
        for check in checks:
            try:
                check(settings)
            except ConfigError as error:
                found.append(located(error, settings.source))
    by_place: dict[tuple[str, str], ConfigError] = {}
    for error in found:
        by_place.setdefault((error.file, error.field), error)
    return list(by_place.values())


def refuse_mistakes(settings: Settings, daemon: str) -> None:
    """Raise the first mistake that this daemon would not find by itself."""
    for check in BEFORE_START[daemon]:
        try:
            check(settings)
        except ConfigError as error:
            raise located(error, settings.source) from error


def _address(section: str, field: str, transport: Transport) -> Check:
    def check(settings: Settings) -> None:
        host: str = getattr(getattr(settings, section), field)
        if reason := why_not_ours(host, transport):
            raise ConfigError(
                f"is {host!r}, where this machine cannot listen ({reason}); expected one of its own addresses: "
                "127.0.0.1, or 0.0.0.0 for all of them",
                field=f"{section}.{field}",
            )

    return check


def _model(settings: Settings) -> None:
    from her_os.engines.llama_server_command import server_options

    if settings.llm.remote:
        if settings.llm.remote_kind == "vllm" and not settings.llm.remote_model:
            raise ConfigError("is empty; vLLM answers only to the name of its model", field="llm.remote_model")
        return
    model = server_options(settings).model
    try:
        with model.open("rb") as file:
            is_gguf = file.read(len(_GGUF_MAGIC)) == _GGUF_MAGIC
    except OSError as error:
        raise ConfigError(
            f"{model} cannot be read ({error.strerror}); check its permissions", field="llm.model"
        ) from error
    if not is_gguf:
        raise ConfigError(f"{model} is not a GGUF file; give the path of one, or `embedded`", field="llm.model")


def _llama_server(settings: Settings) -> None:
    from her_os.engines.llama_server_command import find_server

    if not settings.llm.remote:
        find_server(settings)


def _recogniser(settings: Settings) -> None:
    from her_os.daemons.engine_interpreter import interpreter_of
    from her_os.engines.stt_registry import create_stt_engine

    interpreter_of(settings, "stt")
    known: Sequence[str] = getattr(create_stt_engine(settings), "languages", ())
    language = settings.stt.language
    if known and language.split("-")[0].lower() not in known:
        raise ConfigError(
            f"is {language!r}; {settings.stt.engine} knows: {', '.join(known)}",
            field="stt.language",
        )


def _batch_recogniser(settings: Settings) -> None:
    from her_os.engines.recogniser_wishes import RecogniserWishes
    from her_os.engines.transcript_engines import create_recogniser

    wishes = RecogniserWishes.of(settings, "stt_batch")
    wishes.interpreter()
    create_recogniser(wishes)


def _phrases(settings: Settings) -> None:
    from her_os.engines.stt_domain_phrases import read_domain_phrases
    from her_os.engines.stt_registry import domain_phrases_file

    file = domain_phrases_file(settings)
    _must_be_a_file(file, "stt.domain_phrases", "write one phrase a line, or take the setting out")
    read_domain_phrases(file)


def _voice(settings: Settings) -> None:
    from her_os.daemons.engine_interpreter import interpreter_of
    from her_os.daemons.tts import default_voice
    from her_os.engines.tts_registry import create_tts_engine

    interpreter_of(settings, "tts")
    default_voice(settings.tts.voice, settings.tts.engine, create_tts_engine(settings))


def _contacts(settings: Settings) -> None:
    from her_os.household.contacts import read_contacts

    if settings.contacts != Settings().contacts:
        _must_be_a_file(settings.resolve(settings.contacts), "contacts", "write it, or take the setting out")
    read_contacts(settings)


def _transcript_engine(settings: Settings) -> None:
    from her_os.daemons.transcript_recogniser import create_diariser, create_recogniser

    create_recogniser(settings)
    create_diariser(settings)


def _wake_word(settings: Settings) -> None:
    from her_os.engines.wake_registry import find_model

    if settings.wake.enabled:
        find_model(settings)


def _must_be_a_file(path: Path, field: str, what_to_do: str) -> None:
    if not path.is_file():
        raise ConfigError(f"there is no file {path}; {what_to_do}", field=field)


BEFORE_START: dict[str, tuple[Check, ...]] = {
    "llm": (_address("llm", "host", "tcp"), _model),
    "stt": (_address("stt", "host", "tcp"), _recogniser, _phrases),
    "stt_batch": (_address("stt_batch", "host", "tcp"), _batch_recogniser),
    "tts": (_address("tts", "host", "tcp"),),
    "wake": (_address("wake", "host", "tcp"), _wake_word),
    "phone": (_address("phone", "api_host", "tcp"), _address("phone", "sip_host", "udp"), _contacts),
    "transcripts": (_contacts,),
    "loader": (_address("loader", "host", "tcp"),),
}
BY_ITSELF: dict[str, tuple[Check, ...]] = {
    "llm": (_llama_server,),
    "tts": (_voice,),
    "transcripts": (_transcript_engine,),
}
