"""What the configuration asks for and cannot get is told with file, line, field and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from her_os.contracts.errors import ConfigError
from her_os.daemons.mistakes import BEFORE_START, find_mistakes, refuse_mistakes
from her_os.settings import Settings, load_settings

NOT_OURS = "240.0.0.1"
"""Reserved (RFC 1112): no machine has it."""


def settings(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    return load_settings(file, {})


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        (
            "tts:\n  engine: festival\n",
            2,
            "tts.engine",
            "is 'festival'; known engines: chatterbox, chatterbox-multilingual, ",
        ),
        ("tts:\n  engine: espeak\n  voice: bob\n", 3, "tts.voice", "espeak has no voice 'bob'; known: en-us"),
        ("stt:\n  engine: ear\n", 2, "stt.engine", "is 'ear'; known engines: faster-whisper, nemotron, "),
        ("stt_batch:\n  engine: ear\n", 2, "stt_batch.engine", "is 'ear'; known engines: faster-whisper"),
        ("stt_batch:\n  python: ./gone\n", 2, "stt_batch.python", "gone is no program; run `her-os install"),
        ("stt:\n  engine: parakeet\n", 2, "stt.engine", "run `her-os install --engine parakeet`"),
        ("stt:\n  language: de\n", 2, "stt.language", "is 'de'; pocketsphinx knows: en"),
        ("\ntranscripts:\n  engine: ear\n", 3, "transcripts.engine", "is 'ear'; known engines"),
        ("stt:\n  domain_phrases: gone.txt\n", 2, "stt.domain_phrases", "gone.txt; write one phrase a line"),
        ("contacts: gone.yaml\n", 1, "contacts", "gone.yaml; write it, or take the setting out"),
        ("llm:\n  model: gone.gguf\n", 2, "llm.model", "gone.gguf; give the path of a GGUF file, a name"),
        ("llm:\n  model: c.yaml\n", 2, "llm.model", "c.yaml is not a GGUF file; give the path of one"),
        ("llm:\n  server_binary: gone\n", 2, "llm.server_binary", "gone is not a program that can be run"),
        ("llm:\n  host: 0.0.0.0\n", 2, "llm.host", "listens on loopback only, use 127.0.0.1"),
        (f"phone:\n  sip_host: {NOT_OURS}\n", 2, "phone.sip_host", "where this machine cannot listen"),
        (f"phone:\n  api_host: {NOT_OURS}\n", 2, "phone.api_host", "expected one of its own addresses: 127.0.0.1"),
        (f"stt: {{host: {NOT_OURS}}}\n", 1, "stt.host", "Cannot assign requested address"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, line: int, field: str, words: str) -> None:
    [mistake] = find_mistakes(settings(tmp_path, text))
    assert (mistake.file, mistake.line, mistake.field) == (str(tmp_path / "c.yaml"), line, field)
    assert words in str(mistake)


def test_what_is_shipped_has_none() -> None:
    assert not find_mistakes(load_settings(None, {}))


def test_every_mistake_is_told_not_only_the_first(tmp_path: Path) -> None:
    wrong = settings(tmp_path, "llm: {model: gone, server_binary: gone}\ntts: {voice: bob}\n")
    assert [error.field for error in find_mistakes(wrong)] == ["llm.model", "llm.server_binary", "tts.voice"]


def test_a_mistake_inside_a_file_that_is_named_has_the_place_in_that_file(tmp_path: Path) -> None:
    (tmp_path / "people.yaml").write_text("- {name: A, phone: '112'}\n- {name: B}\n")
    [mistake] = find_mistakes(settings(tmp_path, "contacts: people.yaml\n"))
    assert (mistake.file, mistake.line) == (str(tmp_path / "people.yaml"), 2)


def test_a_daemon_is_refused_for_its_own_mistakes_only(tmp_path: Path) -> None:
    wrong = settings(tmp_path, "contacts: gone.yaml\n")
    for daemon in sorted(BEFORE_START.keys() - {"phone", "transcripts"}):
        refuse_mistakes(wrong, daemon)
    with pytest.raises(ConfigError, match=r"c\.yaml:1: contacts: there is no file"):
        refuse_mistakes(wrong, "phone")
