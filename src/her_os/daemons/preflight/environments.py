"""Gate 0.1: the interpreter, the packages of the base, an environment for each configured engine, llama-server."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import sys
from importlib import metadata

from her_os.daemons.preflight.gate import Finding, GateClosed, Machine
from her_os.engines.llama_server_command import find_server, read_help
from her_os.engines.recogniser_wishes import RecogniserWishes, SectionName

NUMBER, NAME, MEASURES = 1, "interpreter and environments", False
_SECTIONS: tuple[SectionName, ...] = ("stt", "stt_batch", "transcripts")
_MODULES = {
    "faster-whisper": "faster_whisper",
    "parakeet": "onnx_asr",
    "nemotron": "nemo",
    "sherpa": "sherpa_onnx",
    "chatterbox": "chatterbox",
}


async def check(machine: Machine) -> Finding:
    """Raises GateClosed."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] != (3, 11):
        raise GateClosed(f"this is Python {found}", "her-os is tested with Python 3.11: run ./start.sh, which uses it")
    if missing := _missing_packages():
        raise GateClosed(f"not installed: {', '.join(missing)}", "run ./start.sh (installed: scripts/install.sh)")
    if importlib.util.find_spec("torch") is not None:
        raise GateClosed(
            "torch is in the base environment, which does without it",
            "take it out with `python -m pip uninstall torch`; engines that need it have environments of their own",
        )
    engines = await _engine_environments(machine)
    remote = machine.settings.llm.remote
    server = None if remote else await asyncio.to_thread(find_server, machine.settings)
    if server is not None:
        await asyncio.to_thread(read_help, server)
    named = [f"{engine} in {python}" for engine, python in engines.items()]
    return Finding(
        f"Python {found}; {remote or server or 'the llama.cpp server of the xllamacpp wheel'}"
        + (f"; {', '.join(named)}" if named else ""),
        {"python": found, "llama_server": str(remote or server or "xllamacpp"), "engines": engines},
    )


def _missing_packages() -> list[str]:
    missing: list[str] = []
    for requirement in metadata.requires("her-os") or []:
        name = re.match(r"[\w.-]+", requirement)
        if name and "extra ==" not in requirement:
            try:
                metadata.version(name[0])
            except metadata.PackageNotFoundError:
                missing.append(name[0])
    return missing


async def _engine_environments(machine: Machine) -> dict[str, str]:
    """Interpreter by engine, of those that have an environment of their own."""
    found: dict[str, str] = {}
    for section in _SECTIONS:
        wishes = RecogniserWishes.of(machine.settings, section)
        if wishes.asked.python and wishes.engine not in found:
            found[wishes.engine] = wishes.interpreter()
    python = getattr(machine.settings.tts, "python", "")
    if python:
        found[machine.settings.tts.engine] = python
    for engine, interpreter in found.items():
        await _look_into(engine, interpreter)
    return found


async def _look_into(engine: str, python: str) -> None:
    module = _MODULES.get(engine, "her_os")
    code = f"import importlib.util as u, sys; sys.exit(3 if u.find_spec({module!r}) is None else 0)"
    process = await asyncio.create_subprocess_exec(
        python, "-c", code, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            status = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if status:
        what = f"has no {module}" if status == 3 else f"does not run (status {status})"
        raise GateClosed(f"{python}, for {engine}, {what}", f"run `her-os install --engine {engine}`")
