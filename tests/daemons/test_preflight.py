"""The gates of the preflight on this machine as it is, and each closed by what it looks for."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from her_os.daemons.preflight import (
    configuration,
    environments,
    fragmentation,
    graphics,
    model_check,
    ports,
    sound_path,
    tokens,
)
from her_os.daemons.preflight.gate import Finding, Gate, GateClosed, Machine
from her_os.daemons.preflight.gates import GATES, Result, exit_status, go_through
from her_os.service.cancel_floor import CancelFloor, Spread, cancel_floor_s, describe, write_floor
from her_os.service.cuda_largest_block import largest
from her_os.service.gpu_memory import GpuMemory
from her_os.settings import load_settings
from tests.cli.test_commands import her_os, write_secrets
from tests.ports import free_ports


def machine(tmp_path: Path, more: str = "") -> Machine:
    """This machine with a configuration whose ports are free."""
    first = free_ports(7)
    names = ("llm", "stt", "stt_batch", "tts", "wake", "loader")
    sections: dict[str, list[str]] = {name: [f"port: {first + n}"] for n, name in enumerate(names)}
    sections["phone"] = [f"api_port: {first + 6}", "sip_port: 0"]
    for line in filter(None, more.split("\n")):
        name, _, setting = line.partition(".")
        sections.setdefault(name, []).append(setting)
    file = tmp_path / "her-os.yaml"
    file.write_text("".join(f"{name}: {{{', '.join(settings)}}}\n" for name, settings in sections.items()))
    settings = load_settings(file)
    return Machine(settings, settings.environment.secrets_file, installed=False)


def has_card() -> bool:
    return GpuMemory(0)._find() != "none"


async def test_this_machine_passes_what_does_not_measure(tmp_path: Path) -> None:
    write_secrets()
    told: list[Result] = []
    quick = [gate for gate in GATES if not gate.MEASURES]
    results = await go_through(machine(tmp_path), quick, all_of_them=False, tell=told.append)
    assert [(result.gate, result.status) for result in told] == [(f"0.{n}", "passed") for n in range(1, 8)], told
    assert results == told
    assert exit_status(results) == 0


async def test_the_first_closed_gate_ends_it_and_is_the_exit_status(tmp_path: Path) -> None:
    gates = [environments, tokens, graphics]
    here = machine(tmp_path)  # no secrets were written
    stopped = await go_through(here, gates, all_of_them=False, tell=lambda _: None)  # pyright: ignore[reportArgumentType]
    assert [result.status for result in stopped] == ["passed", "closed"]
    assert exit_status(stopped) == 45
    went_on = await go_through(here, gates, all_of_them=True, tell=lambda _: None)  # pyright: ignore[reportArgumentType]
    assert [result.gate for result in went_on] == ["0.1", "0.5", "0.2"]
    assert exit_status(went_on) == 45
    assert "dev-setup.sh" in went_on[1].detail


@pytest.mark.skipif(has_card(), reason="this machine has a graphics card")
async def test_without_a_card_it_says_so_unless_the_configuration_asks_for_one(tmp_path: Path) -> None:
    assert await graphics.check(machine(tmp_path)) == Finding("no GPU; engines for the CPU", {"gpu": None})
    assert (await fragmentation.check(machine(tmp_path))).detail == "no GPU; nothing to fragment"
    wanting = machine(tmp_path, "llm.gpu_layers: 99\nstt_batch.device: cuda")
    with pytest.raises(GateClosed, match=r"llm\.gpu_layers, stt_batch\.device ask for one") as caught:
        await graphics.check(wanting)
    assert "gpu_layers: 0" in caught.value.remedy


@pytest.mark.parametrize(
    ("gate", "more", "says", "remedy"),
    [
        (
            environments,
            "stt_batch.engine: faster-whisper\nstt_batch.python: /bin/false",
            "/bin/false",
            "--engine faster",
        ),
        (
            model_check,
            "stt_batch.engine: faster-whisper\nstt_batch.python: /bin/sh",
            "model small.en is not",
            "pull faster",
        ),
        (
            model_check,
            "stt.engine: parakeet\nstt.model: ./nowhere\nstt.python: /bin/sh",
            "there is no .*nowhere",
            "put",
        ),
        (configuration, "stt.engine: dictaphone", "known engines", "config check"),
    ],
)
async def test_what_is_missing_closes_its_gate(tmp_path: Path, gate: Gate, more: str, says: str, remedy: str) -> None:
    with pytest.raises(GateClosed, match=says) as caught:
        await gate.check(machine(tmp_path, more))
    assert remedy in caught.value.remedy


async def test_a_damaged_model_of_the_store_closes_its_gate(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(
        f"models:\n  - {{name: mine, engine: llm, licence: MIT, repository: a/b, revision: '{'0' * 40}', "
        f"files: [{{path: mine.gguf, size: 4, sha256: '{'0' * 64}'}}]}}\n"
    )
    folder = tmp_path / "store" / "mine"
    folder.mkdir(parents=True)
    (folder / "her-os-model.json").write_text("{}")
    (folder / "mine.gguf").write_text("GGUF")
    with pytest.raises(GateClosed, match=r"mine: mine\.gguf is damaged") as caught:
        await model_check.check(machine(tmp_path, "llm.model: mine\nmodels.folder: ./store"))
    assert caught.value.remedy == "run `her-os models remove mine`, then `her-os models pull mine`"


async def test_a_port_that_a_stranger_has_closes_the_gate_and_names_it(tmp_path: Path) -> None:
    here = machine(tmp_path)
    holding = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print(1, flush=True); input()"
    )
    command = [sys.executable, "-c", holding, str(here.settings.tts.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stranger:  # noqa: ASYNC220
        assert stranger.stdout is not None
        stranger.stdout.readline()
        with pytest.raises(GateClosed, match=rf"tts\.port\) by pid {stranger.pid}: "):
            await ports.check(here)
        stranger.communicate(b"\n")
    assert (await ports.check(here)).facts["ours"] == []


async def test_a_call_to_ourselves_carries_sound_both_ways(tmp_path: Path) -> None:
    found = await sound_path.check(machine(tmp_path, "phone.codecs: [PCMA]"))
    assert found.facts["codec"] == "PCMA"
    with socket.create_server(("127.0.0.1", 0)):  # a gate leaves nothing open behind it
        pass


def test_the_floor_counts_only_for_what_it_was_measured_with(tmp_path: Path) -> None:
    settings = machine(tmp_path).settings
    assert cancel_floor_s(settings) == 0
    floor = CancelFloor("now", describe(settings), Spread(20, 1, 2, 9), Spread(20, 80, 150, 400), 1.0)
    write_floor(settings, floor)
    assert cancel_floor_s(settings) == 0.15
    assert cancel_floor_s(machine(tmp_path, "llm.batch: 32").settings) == 0


def test_the_largest_piece_is_found_by_halving() -> None:
    pieces = (100 << 20, 700 << 20, 50 << 20)
    found = largest(sum(pieces), lambda size: size <= max(pieces))
    assert 0 <= (700 << 20) - found <= 8 << 20
    assert largest(850 << 20, lambda _size: True) == 850 << 20


def test_the_command_tells_programs_and_people(tmp_path: Path) -> None:
    machine(tmp_path)
    done = her_os(
        "preflight", "--quick", "--json", "--only", "0.2", "--only", "0.5", "--config", str(tmp_path / "her-os.yaml")
    )
    told = json.loads(done.stdout)
    assert (done.returncode, told["passed"]) == (45, False)
    assert [(gate["gate"], gate["status"]) for gate in told["gates"]] == [("0.2", "passed"), ("0.5", "closed")]
