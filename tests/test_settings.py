"""Every kind of mistake in the configuration names file, line and field, says what was expected, and loses nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from her_os.contracts.errors import ConfigError
from her_os.settings import Settings, load_secrets, load_settings
from her_os.settings.yaml_file import parse_yaml

SHIPPED = Path(__file__).resolve().parents[1] / "config" / "her-os.yaml"
NOT_IN_FILE = {"source", "environment"}


def refused(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, Settings, file="her-os.yaml")
    return caught.value


def test_the_shipped_file_is_the_embedded_defaults() -> None:
    shipped = load_settings(SHIPPED, {})
    defaults = Settings()
    assert msgspec.structs.replace(shipped, source="", environment=defaults.environment) == defaults


def test_the_shipped_file_names_and_explains_every_setting() -> None:
    values = yaml.safe_load(SHIPPED.read_text())
    assert not _unnamed(Settings, values)
    uncommented = [
        line
        for line in SHIPPED.read_text().splitlines()
        if ":" in line and "#" not in line and line.split(":")[0].strip() not in SELF_EXPLAINING
    ]
    assert not uncommented


SELF_EXPLAINING = {"api_port", "sip_port", "host", "port", "language", "rtp_port_max"}


def _unnamed(kind: type[msgspec.Struct], values: dict[str, Any], path: str = "") -> list[str]:
    missing: list[str] = []
    for field in msgspec.structs.fields(kind):
        if field.name in NOT_IN_FILE and not path:
            continue
        if field.name not in values:
            missing.append(f"{path}{field.name}")
        elif isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            missing += _unnamed(field.type, values[field.name], f"{path}{field.name}.")
    return missing


@pytest.mark.parametrize(
    ("text", "line", "field", "hint"),
    [
        ("phone:\n  sip_prot: 5060\n", 2, "phone.sip_prot", "did you mean `sip_port`?"),
        ("fone:\n  sip_port: 1\n", 1, "fone", "did you mean `phone`?"),
        ("stt:\n  zzzzzz: 1\n", 2, "stt.zzzzzz", "known here: compute_type, device, domain_phrases, engine"),
        ("\n\nphone:\n  api_host: 127.0.0.1\n  sip_port: five\n", 5, "phone.sip_port", "expected `int`, got `str`"),
        ("phone: {sip_port: 70000}\n", 1, "phone.sip_port", "<= 65535"),
        ("phone:\n  max_calls: 0\n", 2, "phone.max_calls", ">= 1"),
        ("phone:\n  codecs:\n    - G722\n    - OPUS\n", 4, "phone.codecs.1", "'OPUS'; expected G722, PCMU, PCMA"),
        ("phone:\n  record_calls: maybe\n", 2, "phone.record_calls", "expected `bool`"),
        ("stt:\n  domain_phrases: 5\n", 2, "stt.domain_phrases", "expected a path, got 5"),
        ("stt:\n  domain_phrases: ''\n", 2, "stt.domain_phrases", "expected a path"),
        ("llm:\n  temperature: hot\n", 2, "llm.temperature", "expected `float`"),
        ("phone: 5\n", 1, "phone", "expected `object`, got `int`"),
        ("phone:\n  sip_port: 1\nphone:\n  sip_port: 2\n", 3, "phone", "given twice"),
        ("phone:\n  sip_port: 1\n  sip_port: 2\n", 3, "phone.sip_port", "given twice"),
        ("phone:\n  sip_port: [1\n", 3, "", "not valid YAML"),
        ("phone:\n\tsip_port: 1\n", 2, "", "not valid YAML"),
        ("conversation:\n  pause_voiced_ms: -1\n", 2, "conversation.pause_voiced_ms", ">= 0"),
    ],
)
def test_a_mistake_is_named_with_file_line_field_and_hint(text: str, line: int, field: str, hint: str) -> None:
    error = refused(text)
    assert (error.file, error.line, error.field) == ("her-os.yaml", line, field)
    assert hint in str(error)
    assert str(error).startswith(f"her-os.yaml:{line}: ")


@pytest.mark.parametrize(
    "text", ["- 1\n- 2\n", "just words\n", "42\n", "a: &x 1\n? [1, 2]\n: 3\n", "\x00", "a: 2024-99-99", "&a [*a]"]
)
def test_a_file_that_is_something_else_altogether_is_refused(text: str) -> None:
    assert "her-os.yaml" in str(refused(text))


def test_an_empty_file_is_the_defaults() -> None:
    for text in ("", "# nothing\n", "phone: {}\n"):
        assert parse_yaml(text, Settings, file="x") == Settings()


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["phone", "stt", "port", "host", "x"]), inner)
        ),
        max_leaves=8,
    )
)
def test_no_file_gives_a_traceback(value: Any) -> None:
    with contextlib.suppress(ConfigError):
        parse_yaml(yaml.safe_dump(value), Settings, file="f")


def test_missing_and_unreadable_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read \(No such file"):
        load_settings(tmp_path / "nowhere.yaml", {})
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory"):
        load_settings(tmp_path, {})
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"assistant: {name: \xe9}\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_settings(latin, {})


@pytest.mark.parametrize("field", sorted(NOT_IN_FILE))
def test_what_comes_from_the_environment_is_refused_in_the_file(tmp_path: Path, field: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("source: x\n" if field == "source" else "environment: {enable_barge_in: true}\n")
    with pytest.raises(ConfigError, match=f"{field}: cannot be set in the file"):
        load_settings(file, {})


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        (
            "phone:\n  rtp_port_min: 20000\n  rtp_port_max: 20002\n",
            3,
            "phone.rtp_port_max",
            "expected two ports a call",
        ),
        ("phone:\n  max_calls: 2\n  rtp_port_min: 16583\n", 3, "phone.rtp_port_min", "16583..16583; expected two"),
        ("phone:\n  max_calls: 101\n", 2, "phone.max_calls", "that is 202 for max_calls 101"),
        ("phone:\n  sip_port: 16500\n", 2, "phone.sip_port", "among the ports for sound"),
        ("stt:\n  port: 9000\ntts:\n  port: 9000\n", 4, "tts.port", "is 9000, and so is stt.port"),
        ("tts:\n\n  port: 8770\n", 3, "tts.port", "is 8770, and so is phone.api_port"),
        ("llm: {port: 9000}\nstt: {port: 9000, host: 0.0.0.0}\n", 2, "stt.port", "a port of its own"),
        ("phone:\n  sip_tls_port: 5061\n", 2, "phone.sip_tls_port", "sip_tls_certificate names no certificate"),
        ("phone:\n  sip_tls_port: 5060\n  sip_tls_certificate: a.pem\n", 2, "phone.sip_tls_port", "by TCP; choose"),
        ("phone:\n  codecs: []\n", 2, "phone.codecs", "at least one of G722, PCMU, PCMA"),
        ("phone:\n  codecs: [G722, G722]\n", 2, "phone.codecs", "names a codec twice"),
        (
            "phone:\n  allowlist:\n    - hall\n    - Nobody\n",
            4,
            "phone.allowlist.1",
            "'Nobody', which is no account name",
        ),
        ("phone:\n  sip_host: 300.1.1.1\n", 2, "phone.sip_host", "is '300.1.1.1'; expected an address of this machine"),
        ("phone:\n  sip_host: ''\n", 2, "phone.sip_host", "is ''; expected an address"),
        ("phone:\n  sip_host: 0.0.0.0:5060\n", 2, "phone.sip_host", "expected an address"),
        ("phone:\n  advertised_host: my house\n", 2, "phone.advertised_host", "expected the address that phones"),
        ("stt:\n  host: http://localhost\n", 2, "stt.host", "expected an address"),
        (
            "conversation:\n  confirm_speech_ms: 500\n",
            2,
            "conversation.confirm_speech_ms",
            "make confirm_speech_ms the",
        ),
        ("conversation:\n  resume_after_ms: 100\n", 2, "conversation.resume_after_ms", "ever be confirmed"),
    ],
)
def test_settings_that_do_not_agree_are_refused_with_their_place(
    tmp_path: Path, text: str, line: int, field: str, words: str
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(file, {})
    assert (caught.value.file, caught.value.line, caught.value.field) == (str(file), line, field)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "phone: {sip_host: 'fe80::1'}\n",
        "phone: {sip_host: localhost, advertised_host: my-house.example.net}\n",
        "llm: {port: 9000}\nstt: {port: 9000, host: 127.0.0.2}\n",
        "llm: {port: 0}\nstt: {port: 0}\nphone: {sip_port: 0}\n",
        "phone: {sip_port: 8770}\n",
        "conversation: {confirm_speech_ms: 400, resume_after_ms: 400}\n",
    ],
)
def test_settings_that_agree(tmp_path: Path, text: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    assert load_settings(file, {}).source == str(file)


def test_where_the_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(None, {}).source == str(SHIPPED)
    (tmp_path / "config").mkdir()
    local, named = tmp_path / "config" / "her-os.yaml", tmp_path / "named.yaml"
    local.write_text("assistant: {name: local}\n")
    named.write_text("assistant: {name: named}\n")
    assert load_settings(None, {}).assistant.name == "local"
    assert load_settings(None, {"HER_OS_CONFIG": str(named)}).assistant.name == "named"
    assert load_settings(local, {"HER_OS_CONFIG": str(named)}).assistant.name == "local"


def test_a_relative_path_is_taken_from_the_file_s_folder(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("contacts: people.yaml\n")
    settings = load_settings(file, {})
    assert settings.resolve(settings.contacts) == tmp_path / "people.yaml"
    assert settings.resolve(Path("/etc/x")) == Path("/etc/x")


@pytest.mark.parametrize(("value", "on"), [("1", True), ("true", True), ("0", False), ("", False), ("OFF", False)])
def test_the_barge_in_flag(value: str, on: bool) -> None:
    assert load_settings(SHIPPED, {"ENABLE_BARGE_IN": value}).environment.enable_barge_in is on


def test_barge_in_is_off_unless_asked_for() -> None:
    assert load_settings(SHIPPED, {}).environment.enable_barge_in is False


@pytest.mark.parametrize(("name", "value"), [("ENABLE_BARGE_IN", "perhaps"), ("HER_OS_LOG_LEVEL", "loud")])
def test_a_wrong_flag_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"environment: {name}: is '{value}'; expected"):
        load_settings(SHIPPED, {name: value})


NAMES = ["HER_OS_STT_TOKEN", "HER_OS_TTS_TOKEN", "HER_OS_LLM_API_KEY", "HER_OS_PHONE_TOKEN", "HER_OS_LOADER_TOKEN"]
TOKEN = "0123456789abcdef"


def write_secrets(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "secrets.env"
    file.write_text(text)
    file.chmod(mode)
    return file


GOOD = "# tokens\n\n" + "".join(f"{name}='{TOKEN}{i}'\n" for i, name in enumerate(NAMES))


def test_secrets_are_read_and_never_shown(tmp_path: Path) -> None:
    secrets = load_secrets(write_secrets(tmp_path, GOOD), {})
    assert secrets.tts_token == TOKEN + "1"
    assert TOKEN not in repr(secrets)


@pytest.mark.parametrize(
    ("text", "mode", "complaint"),
    [
        (GOOD, 0o644, "readable by others; run: chmod 600"),
        (GOOD.replace(f"'{TOKEN}1'", "''"), 0o600, "HER_OS_TTS_TOKEN: is missing or shorter"),
        (GOOD.replace(f"'{TOKEN}1'", "short"), 0o600, "HER_OS_TTS_TOKEN: is missing or shorter"),
        (GOOD.replace(f"'{TOKEN}1'", "change-me-please-now"), 0o600, "HER_OS_TTS_TOKEN: is an example, not a secret"),
        (GOOD.replace(f"'{TOKEN}1'", "<your token here>"), 0o600, "is an example, not a secret; run config/dev-setup"),
        (GOOD.replace(f"'{TOKEN}1'", "x" * 32), 0o600, "is an example, not a secret"),
        ("nonsense\n", 0o600, ":1: expected NAME=value"),
        ("", 0o600, "HER_OS_STT_TOKEN: is missing"),
    ],
)
def test_bad_secrets_are_refused_without_showing_them(tmp_path: Path, text: str, mode: int, complaint: str) -> None:
    file = write_secrets(tmp_path, text, mode)
    with pytest.raises(ConfigError) as caught:
        load_secrets(file, {})
    assert complaint in str(caught.value)
    assert str(file) in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_missing_secrets_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config/dev-setup\.sh"):
        load_secrets(tmp_path / "none", {})


def test_systemd_credentials_win_over_the_file(tmp_path: Path) -> None:
    write_secrets(tmp_path, GOOD.replace("1'", "2'"), 0o440)
    assert load_secrets(tmp_path / "none", {"CREDENTIALS_DIRECTORY": str(tmp_path)}).tts_token == TOKEN + "2"


@pytest.mark.parametrize(
    ("text", "line", "field", "hint"),
    [
        ("supervision:\n  poll_ms: 5\n", 1, "supervision", "is now part of `loader`"),
        ("loader:\n  startup_sequence: [llm, ears]\n", 2, "loader.startup_sequence.1", "invalid enum value 'ears'"),
        (
            "loader:\n  timeouts: {kws_ready_sec: 20}\n",
            2,
            "loader.timeouts.kws_ready_sec",
            "did you mean",
        ),
        (
            "loader:\n  port_hygiene:\n    kill_orphans: some\n",
            3,
            "loader.port_hygiene.kill_orphans",
            "invalid enum",
        ),
        ("loader:\n  port_hygiene:\n    ports: {x: 5}\n", 3, "loader.port_hygiene.ports", "invalid enum value 'x'"),
        ("services:\n  stt:\n    readiness: {type: tcp, url: x}\n", 3, "services.stt.readiness.url", "known here"),
        (
            "services:\n  stt:\n    readiness: {type: smoke}\n",
            3,
            "services.stt.readiness.type",
            "invalid value 'smoke'",
        ),
        ("services:\n  tts:\n    mmapped: true\n", 3, "services.tts.mmapped", "unknown field"),
        ("loader: {startup_sequence: [stt, llm]}\n", 1, "loader.shutdown_sequence", "must name the same services"),
        ("loader:\n\n  startup_sequence: [stt, stt]\n", 3, "loader.startup_sequence", "each once"),
        (
            "loader:\n  startup_sequence: [phone, kwd, llm, stt, stt_batch, tts]\n",
            2,
            "loader.startup_sequence",
            "the phone starts last and stops first",
        ),
        ("loader: {graceful_shutdown: {kill_after_sec: 1}}", 1, "loader.graceful_shutdown.kill_after_sec", "less than"),
        ("loader: {restart_policy: {backoff: {max_sec: 1}}}", 1, "loader.restart_policy.backoff.max_sec", "less than"),
        (
            "services: {stt: {compute_type: float16}}\n",
            1,
            "services.stt.compute_type",
            "has no such choice",
        ),
        ("services: {stt: {mmapped: false}}\n", 1, "services.stt.mmapped", "pocketsphinx always maps"),
        ("tts: {voice: a}\nservices: {tts: {default_voice: b}}\n", 2, "services.tts.default_voice", "keep one"),
        ("services: {llm: {cmd: [x], mmapped: false}}\n", 1, "services.llm.mmapped", "put it into cmd"),
    ],
)
def test_a_key_of_the_loader_that_cannot_be_honoured_is_refused(
    tmp_path: Path, text: str, line: int, field: str, hint: str
) -> None:
    file = tmp_path / "her-os.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(file, {})
    error = caught.value
    assert (error.file, error.line, error.field) == (str(file), line, field)
    assert hint in str(error)


def test_second_names_of_the_loader_s_example_mean_the_daemons_own_settings(tmp_path: Path) -> None:
    file = tmp_path / "her-os.yaml"
    file.write_text(
        "services:\n  stt: {backend: faster-whisper, compute_type: int8_float16}\n"
        "  tts: {default_voice: slt}\n  llm: {kv_cache_tokens: 1024}\n"
    )
    settings = load_settings(file, {})
    assert (settings.stt.engine, settings.stt.compute_type) == ("faster-whisper", "int8_float16")
    assert settings.tts.voice == "slt"
    assert settings.llm.context_tokens == 1024


def test_the_wake_word_is_kwd_to_the_loader(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "loader:\n  startup_sequence: [kwd, stt, llm, tts]\n  shutdown_sequence: [kwd, tts, llm, stt]\n"
        "  timeouts: {kwd_ready_sec: 21}\n  port_hygiene: {ports: {kwd: 5002}}\n"
        "services:\n  kwd: {cmd: [python, -m, x], readiness: {type: tcp}, threads: 2}\n"
    )
    settings = load_settings(file, {})
    assert settings.loader.timeouts.kwd_ready_sec == 21
    assert (settings.services.kwd.threads, settings.wake.port) == (2, 5001)
