"""Gate 0.8: how soon the language model is free after a cancel, in decode and while it reads a prompt.

Measured with the configured model: on the running server where ours is up and idle, else on one started for it. Each
reply streams with progress, and a release is seen as the phone loop sees it (`clients/slot_release`). The floor is the
95th percentile of the slower phase; it is written where the phone daemon reads its budget.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import string
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import yaml

from her_os.clients.llama_server_client import LlamaServerClient
from her_os.contracts.errors import HerOsError
from her_os.contracts.language_model import Message
from her_os.daemons.preflight.gate import Finding, GateClosed, Machine
from her_os.engines.llama_server_command import find_server, server_options
from her_os.service.cancel_floor import CancelFloor, Spread, describe, write_floor
from her_os.service.child_process import ChildProcess
from her_os.service.health_probe import ask_health
from her_os.settings import Settings, load_secrets
from her_os.settings.load import child_environment
from her_os.settings.schema import LanguageModel

NUMBER, NAME, MEASURES = 8, "cancel floor of the language model", True
RUNS = 20
_PROMPT_SHARE = 0.5
"""Of the context, in characters: random letters are about a token each or two."""
_LONGEST_WAIT_MS = 60_000
_START_S = 300.0
_ENDLESS = {"ignore_eos": True}
"""A reply that would be over before it can be cancelled measures nothing."""


async def check(machine: Machine) -> Finding:
    """Raises GateClosed, HerOsError."""
    settings = machine.settings
    if settings.llm.remote and settings.llm.remote_kind == "openai":
        return Finding(
            f"{settings.llm.remote} offers no way to see when a cancelled reply has stopped", {"floor_ms": None}
        )
    api_key = load_secrets(machine.secrets_file).llm_key(settings.llm.remote)
    async with _server(settings) as (llm, where):
        floor = await measure(settings, llm, api_key)
    path = write_floor(settings, floor)
    spreads = {"decode": floor.decode, "prompt": floor.prompt}
    facts = {"floor_ms": floor.floor_ms, "file": str(path), **msgspec.to_builtins(spreads)}
    late = sum(spread.late for spread in spreads.values() if spread)
    if late or not floor.floor_ms:
        raise GateClosed(
            f"{late} cancels were not seen to free the model within {_LONGEST_WAIT_MS / 1000:g} s ({where})",
            "set llm.batch to a smaller value (a cancelled prompt is given up after about two batches)",
            facts,
        )
    told = ", ".join(f"{name} {_in_words(each)}" for name, each in spreads.items() if each)
    budget = floor.floor_ms + settings.llm.release_budget_ms
    return Finding(f"{told} ({where}); a whole cancel may take {budget:.0f} ms{_busy()}", facts)


async def measure(settings: Settings, llm: LanguageModel, api_key: str, runs: int = RUNS) -> CancelFloor:
    """Cancel `runs` replies in decode and as many prompts, on the last slot. Raises HerOsError."""
    slot = -1 if llm.remote else settings.phone.max_calls - 1
    asked = msgspec.structs.replace(llm, max_tokens=llm.context_tokens, release_budget_ms=_LONGEST_WAIT_MS)
    seen = _Seen(slot)
    client = LlamaServerClient(asked, api_key, observer=seen, more=_ENDLESS)
    try:
        prompt_s = await _whole_prompt_s(client, slot, llm)
        decode = [await seen.after(_cancel_in_decode(client, slot)) for _ in range(runs)]
        prompt = [await seen.after(_cancel_in_prompt(client, slot, llm, prompt_s)) for _ in range(runs)]
    finally:
        await client.close()
    return CancelFloor(
        datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), describe(settings), _spread(decode), _spread(prompt), prompt_s
    )


def _in_words(spread: Spread) -> str:
    return f"p50 {spread.p50_ms:.0f}, p95 {spread.p95_ms:.0f}, at most {spread.max_ms:.0f} ms"


def _busy() -> str:
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    return f"; the load is {load:.1f} on {cores} cores, so measure again when it is quiet" if load > cores else ""


class _Seen:
    """A ReleaseObserver that is waited for."""

    def __init__(self, slot: int) -> None:
        self._slot = slot
        self._releases: asyncio.Queue[float | None] = asyncio.Queue()

    def on_slot_released(self, slot: int, seconds: float | None) -> None:
        if slot == self._slot:
            self._releases.put_nowait(seconds)

    async def after(self, cancelled: object) -> float | None:
        """Seconds from the cancel that `cancelled` carries out; None: not in time."""
        assert asyncio.iscoroutine(cancelled)
        await cancelled
        return await self._releases.get()


async def _whole_prompt_s(client: LlamaServerClient, slot: int, llm: LanguageModel) -> float:
    """How long a long prompt takes, read to its end."""
    begin = time.perf_counter()
    async with client.reply(_unheard_of(_prompt_size(llm)), [], slot=slot) as events:
        await anext(events)
        seconds = time.perf_counter() - begin
    await client.releases.settled()
    return seconds


async def _cancel_in_decode(client: LlamaServerClient, slot: int) -> None:
    async with client.reply(_unheard_of(30), [], slot=slot) as events:
        for _ in range(random.randint(3, 12)):  # noqa: S311 - no secret
            await anext(events)


async def _cancel_in_prompt(client: LlamaServerClient, slot: int, llm: LanguageModel, whole_s: float) -> None:
    async with client.reply(_unheard_of(_prompt_size(llm)), [], slot=slot):
        await asyncio.sleep(min(whole_s, 2.0) * random.uniform(0.1, 0.66))  # noqa: S311 - no secret


def _prompt_size(llm: LanguageModel) -> int:
    return int(llm.context_tokens * _PROMPT_SHARE)


def _unheard_of(characters: int) -> list[Message]:
    """A prompt that no cache holds."""
    return [Message("user", "".join(random.choices(string.ascii_lowercase + " ", k=characters)))]  # noqa: S311


def _spread(seconds: list[float | None]) -> Spread:
    good = sorted(1000 * each for each in seconds if each is not None)
    if not good:
        return Spread(len(seconds), 0.0, 0.0, 0.0, late=len(seconds))

    def at(share: float) -> float:
        return round(good[round(share * (len(good) - 1))], 1)

    return Spread(len(seconds), at(0.5), at(0.95), at(1.0), late=len(seconds) - len(good))


@asynccontextmanager
async def _server(settings: Settings) -> AsyncGenerator[tuple[LanguageModel, str]]:
    """Where to measure, and in words: our running server, or one that lives only for this."""
    llm = settings.llm
    if llm.remote:
        yield llm, f"on {llm.remote}"
        return
    if (await ask_health(llm.host, llm.port)).ready:
        yield llm, f"on the running server, port {llm.port}"
        return
    with tempfile.TemporaryDirectory(prefix="her-os-preflight-") as folder:
        alone = _private(settings, Path(folder))
        lines: deque[str] = deque(maxlen=3)
        command = [sys.executable, "-m", "her_os.cli", "daemon", "llm", "--config", str(Path(folder) / "her-os.yaml")]
        environment = child_environment(settings) | {"HER_OS_CONFIG": str(Path(folder) / "her-os.yaml")}
        child = ChildProcess(command, environment, lines.append)
        await child.start()
        try:
            await _wait_ready(child, alone, lines)
            yield alone, "on a server started for this"
        finally:
            await child.stop(grace_s=1.0)


def _private(settings: Settings, folder: Path) -> LanguageModel:
    """The same model and server on a free port, from a configuration of its own."""
    binary = find_server(settings)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    llm = msgspec.structs.replace(
        settings.llm,
        port=port,
        model="embedded" if settings.llm.model == "embedded" else str(server_options(settings).model),
        server_binary=str(binary) if binary else "",
        draft_model=str(server_options(settings).draft or ""),
    )
    content = {"llm": msgspec.to_builtins(llm), "phone": {"max_calls": settings.phone.max_calls}}
    (folder / "her-os.yaml").write_text(yaml.safe_dump(content))
    return llm


async def _wait_ready(child: ChildProcess, llm: LanguageModel, lines: deque[str]) -> None:
    deadline = time.monotonic() + _START_S
    while not (await ask_health(llm.host, llm.port)).ready:
        if child.pid is None:
            raise HerOsError(f"the language model server did not start: {'; '.join(lines)}")
        if time.monotonic() > deadline:
            raise HerOsError(f"the language model server was not ready after {_START_S:g} s")
        await asyncio.sleep(0.1)
