"""Which server is run, and with which flags; what a real one does not know is left out."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from her_os.contracts.errors import ConfigError
from her_os.engines.llama_server_command import (
    api_key_file,
    find_server,
    is_embedded,
    read_help,
    server_arguments,
    server_environment,
    server_options,
)
from her_os.settings import Settings, load_settings
from her_os.settings.schema import Environment, LanguageModel, Phone


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def settings(tmp_path: Path, **llm: Any) -> Settings:
    (tmp_path / "model.gguf").touch()
    return Settings(
        llm=LanguageModel(**{"model": "model.gguf", **llm}),
        phone=Phone(max_calls=3),
        source=str(tmp_path / "her-os.yaml"),
        environment=Environment(cache_dir=tmp_path / "cache"),
    )


def value_of(arguments: list[str], flag: str) -> str:
    return arguments[arguments.index(flag) + 1]


def test_the_flags(tmp_path: Path) -> None:
    options = server_options(settings(tmp_path, context_tokens=1000, threads=4, batch=32, extra_args=("--mlock",)))
    arguments = server_arguments(options)
    assert value_of(arguments, "-m") == str(tmp_path / "model.gguf")
    assert value_of(arguments, "--host") == "127.0.0.1"
    assert value_of(arguments, "-np") == "3"
    assert value_of(arguments, "-c") == "3000", "the server divides it over its slots"
    assert (value_of(arguments, "-b"), value_of(arguments, "-ub"), value_of(arguments, "-t")) == ("32", "32", "4")
    assert {"--slots", "--metrics", "--offline", "--no-ui"} <= set(arguments)
    assert arguments[-1] == "--mlock"
    assert value_of(arguments, "--device") == "none"
    assert "--api-key" not in arguments


def test_layers_on_the_gpu(tmp_path: Path) -> None:
    arguments = server_arguments(server_options(settings(tmp_path, gpu_layers=99)))
    assert value_of(arguments, "-ngl") == "99"
    assert "--device" not in arguments


def test_flags_that_an_older_server_does_not_know_are_left_out(tmp_path: Path) -> None:
    options = server_options(settings(tmp_path))
    help_text = "-m,    --model FNAME\n--cache-reuse N   reuse\n--no-ui-extra\n-fa, --flash-attn\n"
    arguments = server_arguments(options, help_text)
    assert value_of(arguments, "--cache-reuse") == "32"
    assert value_of(arguments, "-fa") == "auto"
    for flag in ("--cache-ram", "--no-ui", "--offline", "--reasoning-budget", "--device", "none"):
        assert flag not in arguments
    assert value_of(arguments, "-m") == str(tmp_path / "model.gguf")


def test_only_our_configuration_decides() -> None:
    asked = {"PATH": "/bin", "LLAMA_ARG_HOST": "0.0.0.0", "LLAMA_API_KEY": "another"}
    assert server_environment(asked) == {"PATH": "/bin"}


def test_the_key_lies_in_a_file_that_only_the_process_and_its_heir_can_open() -> None:
    file = api_key_file("secret")
    heir = subprocess.run(["cat", str(file)], pass_fds=[int(file.name)], capture_output=True, text=True, check=True)
    assert heir.stdout == "secret\n"
    assert os.get_inheritable(int(file.name))
    os.close(int(file.name))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org", ""])
def test_a_host_beyond_loopback_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="loopback only") as caught:
        server_options(settings(tmp_path, host=host))
    assert caught.value.field == "llm.host"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_loopback_is_accepted(tmp_path: Path, host: str) -> None:
    assert server_options(settings(tmp_path, host=host)).host == host


def test_a_missing_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file .*gone\.gguf; give the path of a GGUF file") as caught:
        server_options(settings(tmp_path, model="gone.gguf"))
    assert caught.value.field == "llm.model"


def test_the_embedded_model_is_inside_the_package(tmp_path: Path) -> None:
    asked = settings(tmp_path, model="embedded")
    assert is_embedded(asked)
    options = server_options(asked)
    assert options.model.name == "her-os-embedded.gguf"
    assert options.model.read_bytes()[:4] == b"GGUF"


def test_the_configured_server_comes_first(tmp_path: Path) -> None:
    ours = program(tmp_path / "bin" / "my-server")
    program(tmp_path / "path" / "llama-server")
    asked = settings(tmp_path, server_binary="bin/my-server")
    assert find_server(asked, search_path=str(tmp_path / "path")) == ours


def test_then_the_one_on_the_path_then_our_newest_build_then_none(tmp_path: Path) -> None:
    asked = settings(tmp_path)
    empty = str(tmp_path)
    assert find_server(asked, search_path=empty) is None
    program(tmp_path / "cache" / "llama-server" / "0.3.9" / "llama-server")
    newest = program(tmp_path / "cache" / "llama-server" / "0.3.36" / "llama-server")
    assert find_server(asked, search_path=empty) == newest
    on_path = program(tmp_path / "path" / "llama-server")
    assert find_server(asked, search_path=str(on_path.parent)) == on_path


def test_a_configured_server_that_cannot_run_is_refused(tmp_path: Path) -> None:
    asked = settings(tmp_path, server_binary="nothing")
    with pytest.raises(ConfigError, match="not a program"):
        find_server(asked)


def test_help_is_read_and_a_broken_program_is_told(tmp_path: Path) -> None:
    assert read_help(program(tmp_path / "good", "#!/bin/sh\necho --offline\n")) == "--offline\n"
    for text in ("#!/bin/sh\nexit 3\n", "no program"):
        with pytest.raises(ConfigError, match="does not run"):
            read_help(program(tmp_path / "bad", text))


def test_options_are_a_value(tmp_path: Path) -> None:
    asked = settings(tmp_path)
    assert server_options(asked) == server_options(msgspec.structs.replace(asked))


def test_a_model_that_guesses_ahead_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "big.gguf").write_text("GGUF")
    (tmp_path / "small.gguf").write_text("GGUF")
    file = tmp_path / "her-os.yaml"
    file.write_text("llm: {model: big.gguf, draft_model: small.gguf, draft_tokens: 8}\n")
    arguments = server_arguments(server_options(load_settings(file, {})))
    at = arguments.index("-md")
    assert arguments[at : at + 4] == ["-md", str(tmp_path / "small.gguf"), "--draft-max", "8"]
    file.write_text("llm: {model: big.gguf, draft_model: gone.gguf}\n")
    with pytest.raises(ConfigError, match=r"llm\.draft_model: there is no file .*gone\.gguf"):
        server_options(load_settings(file, {}))


def test_flags_of_one_model_count_for_that_one(tmp_path: Path) -> None:
    file = tmp_path / "her-os.yaml"
    text = "  per_model: {./big.gguf: {batch: 512, gpu_layers: -1, extra_args: [--mlock]}}\n"
    file.write_text(f"llm:\n  model: ./big.gguf\n  threads: 3\n{text}")
    llm = load_settings(file, {}).llm
    assert (llm.batch, llm.gpu_layers, llm.extra_args, llm.threads) == (512, -1, ("--mlock",), 3)
    file.write_text(f"llm:\n{text}")
    assert load_settings(file, {}).llm.batch == 64
    file.write_text("llm:\n  per_model:\n    big: {batches: 5}\n")
    with pytest.raises(ConfigError, match="batches"):
        load_settings(file, {})
