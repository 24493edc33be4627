"""The help teaches: plain text of 80 columns, `-h` everywhere, examples that could be typed."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from her_os.cli.app import COMMANDS, app
from her_os.cli.examples import FIRST_STEPS

GROUPS = ("calls", "config", "mail", "phone", "recordings", "wake")


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")


def help_of(*words: str) -> str:
    result = CliRunner().invoke(app, [*words, "-h"], prog_name="her-os")
    assert result.exit_code == 0, result.output
    return result.output


def below(group: str) -> list[tuple[str, str]]:
    listed = help_of(group).partition("Commands:\n")[2].partition("\n\n")[0]
    return [(group, line.split()[0]) for line in listed.splitlines() if re.match(r"  \S", line)]


@pytest.mark.parametrize("words", [(), *((command.name,) for command in COMMANDS), *GROUPS])
def test_help_is_plain_and_fits_a_terminal(words: tuple[str, ...] | str) -> None:
    pages = [words] if isinstance(words, tuple) else below(words)
    assert pages
    for page in pages:
        text = help_of(*page)
        assert text.startswith(f"Usage: {' '.join(('her-os', *page))} ")
        assert max(map(len, text.splitlines())) <= 84
        assert "<bool>" not in text
        assert "─" not in text
        assert "-h, --help" in text


def test_a_newcomer_is_told_the_first_steps() -> None:
    text = help_of()
    for line in FIRST_STEPS:
        assert line in text


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.examples], ids=lambda c: c.name)
def test_examples_are_shown_and_name_options_that_there_are(command) -> None:
    text = help_of(command.name)
    pages = text + "".join(help_of(*page) for page in below(command.name)) if command.name in GROUPS else text
    typed = [line.strip() for line in command.examples if re.match(r"  (\w+=\w+ )*her-os ", line)]
    assert len(typed) >= 3
    for line in typed:
        assert line in text
        assert re.search(rf"her-os {command.name}\b", line)
        options = pages.partition("Options:")[2].partition("Examples:")[0] + pages.partition("Examples:")[2]
        for option in re.findall(r"--[\w-]+", line.split("   ")[0]):
            assert re.search(rf"{option}\b", options.replace(line, "")), option


def test_the_exit_statuses_are_told() -> None:
    run, call, check = help_of("run"), help_of("call"), help_of("config", "check")
    assert all(status in run for status in (" 0 ", " 1 ", "69", "78"))
    assert all(status in call for status in (" 0 ", " 1 ", "78"))
    assert "78" in check
