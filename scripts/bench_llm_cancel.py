"""How soon a cancelled reply frees its slot: in decode, while the prompt is read, and beside another call.

    .venv/bin/python scripts/bench_llm_cancel.py [--server wheel|binary|both] [--runs 40] [--out benchmark-results]

Each cancel is timed twice from the same instant: by the server's own log (its `release:` line, tailed every half
millisecond, so nothing is asked of the server), and by the client as the phone loop runs it (`slot_release`).
Models are random weights that never end by themselves: only the speed matters. The smaller one is like the
embedded model, the larger one like a small real model on this kind of machine.
"""

import argparse
import asyncio
import math
import os
import platform
import random
import string
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from her_os.clients.llama_log_watch import parse_release
from her_os.clients.llama_server_client import LlamaServerClient
from her_os.contracts.language_model import Message
from llama_server_process import LlamaServerProcess, built_binary
from random_gguf import write_random_gguf

MODES = ("decode", "prompt", "decode beside a call", "prompt beside a call")
PROMPT_CHARACTERS = 3000
GIVE_UP_S = 30.0


@dataclass
class Row:
    """The measured releases of one mode, in milliseconds."""

    server: str
    model: str
    batch: int
    mode: str
    logged: list[float] = field(default_factory=list)
    seen: list[float | None] = field(default_factory=list)

    def cells(self) -> list[str]:
        seen = [value for value in self.seen if value is not None]
        late = len(self.seen) - len(seen)
        return [
            self.server, self.model, str(self.batch), self.mode, str(len(self.logged)),
            _percentiles(self.logged), _percentiles(seen), str(late),
        ]  # fmt: skip


class Client:
    """A client whose releases can be waited for one by one."""

    def __init__(self, server: LlamaServerProcess) -> None:
        self.released: asyncio.Queue[float | None] = asyncio.Queue()
        self.llm = LlamaServerClient(server.with_llm(max_tokens=3900).llm, server.api_key, observer=self)

    def on_slot_released(self, slot: int, seconds: float | None) -> None:
        if slot == 0:
            self.released.put_nowait(seconds)


class LogTail:
    """Waits for the next release of slot 0 in a growing log."""

    def __init__(self, path: Path) -> None:
        self._file = path.open(encoding="utf-8", errors="replace")

    def skip(self) -> None:
        self._file.seek(0, os.SEEK_END)

    async def released(self, since: float) -> float:
        """Seconds from `since` to the release."""
        rest = ""
        while (now := time.perf_counter()) - since < GIVE_UP_S:
            rest += self._file.read()
            *lines, rest = rest.split("\n")
            if any(release.slot == 0 for line in lines if (release := parse_release(line))):
                return now - since
            await asyncio.sleep(0.0005)
        return math.inf

    def close(self) -> None:
        self._file.close()


def unheard_of(characters: int) -> list[Message]:
    """A prompt that no cache holds."""
    text = "".join(random.choices(string.ascii_lowercase + " ", k=characters))
    return [Message("user", text)]


@asynccontextmanager
async def another_call(client: Client) -> AsyncIterator[None]:
    """Slot 1 decodes all the while."""

    async def talk() -> None:
        while True:
            async with client.llm.reply(unheard_of(20), [], slot=1) as events:
                async for _ in events:
                    pass

    task = asyncio.create_task(talk())
    try:
        await asyncio.sleep(0.5)
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def cancel_in_decode(client: Client) -> float:
    """Walk away after a few words. Returns the instant."""
    async with client.llm.reply(unheard_of(30), [], slot=0) as events:
        for _ in range(random.randint(5, 20)):
            await anext(events)
        return time.perf_counter()


async def cancel_in_prompt(client: Client, whole_s: float) -> float:
    """Walk away somewhere in the first two thirds of the prompt, or of two seconds. Returns the instant."""
    async with client.llm.reply(unheard_of(PROMPT_CHARACTERS), [], slot=0):
        await asyncio.sleep(min(whole_s, 2.0) * random.uniform(0.1, 0.66))
        return time.perf_counter()


async def prompt_seconds(client: Client) -> float:
    """How long a whole prompt takes."""
    begin = time.perf_counter()
    async with client.llm.reply(unheard_of(PROMPT_CHARACTERS), [], slot=0) as events:
        async for _ in events:
            seconds = time.perf_counter() - begin
            break
    await client.released.get()
    return seconds


async def measure(server: LlamaServerProcess, kind: str, model: str, runs: int) -> list[Row]:
    """All modes on one running server."""
    client, tail = Client(server), LogTail(server.log_file)
    batch = server.settings.llm.batch
    prompt_s = await prompt_seconds(client)
    print(f"{kind} {model} -b {batch}: a prompt of {PROMPT_CHARACTERS} characters takes {prompt_s:.2f} s", flush=True)
    rows: list[Row] = []
    for mode in MODES:
        row = Row(kind, model, batch, mode)
        beside = another_call(client) if "beside" in mode else _alone()
        async with beside:
            for _ in range(runs):
                tail.skip()
                in_prompt = mode.startswith("prompt")
                at = await (cancel_in_prompt(client, prompt_s) if in_prompt else cancel_in_decode(client))
                row.logged.append(1000 * await tail.released(at))
                seconds = await client.released.get()
                row.seen.append(None if seconds is None else 1000 * seconds)
                await client.llm.releases.settled()  # a late one would send the next reply to another slot
                await asyncio.sleep(0.02)
        await client.llm.releases.settled()
        print(" | ".join(row.cells()), flush=True)
        rows.append(row)
    tail.close()
    await client.llm.close()
    return rows


@asynccontextmanager
async def _alone() -> AsyncIterator[None]:
    yield


def _percentiles(values: list[float]) -> str:
    if not values:
        return "-"
    ordered = sorted(values)
    picked = (ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))] for share in (0.5, 0.95, 1.0))
    return " / ".join(f"{value:.1f}" for value in picked)


def write_report(rows: list[Row], out: Path, command: str) -> Path:
    """A Markdown table under `out`."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"llm-cancel-{datetime.now(UTC):%Y-%m-%d}.md"
    heads = ["server", "model", "batch", "mode", "n", "log p50 / p95 / max", "client p50 / p95 / max", "late"]
    lines = [
        "# From the cancel of a reply to its slot being free, in milliseconds",
        "",
        f"`{command}`",
        "",
        f"{os.cpu_count()} cores ({platform.machine()}), load average {os.getloadavg()[0]:.1f} at the end, one thread "
        "for the model, two slots. *log*: the server's own `release:` line. *client*: what the phone loop measures, "
        "in the same runs. *late*: past the budget of `llm.release_budget_ms`.",
        "",
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
        *("| " + " | ".join(row.cells()) + " |" for row in rows),
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


async def bench(arguments: argparse.Namespace, folder: Path) -> list[Row]:
    """Every server with every model."""
    models = {
        "5 M": write_random_gguf(folder / "small.gguf", width=256, layers=6),
        "41 M": write_random_gguf(folder / "large.gguf", width=512, layers=12),
    }
    plan = [(name, batch) for name in models for batch in arguments.batch]
    rows: list[Row] = []
    for kind in ("wheel", "binary") if arguments.server == "both" else (arguments.server,):
        for name, batch in plan:
            llm = {"model": str(models[name]), "batch": batch, "release_budget_ms": 500}
            binary = built_binary() if kind == "binary" else None
            server = LlamaServerProcess(folder / f"{kind}-{name}-{batch}".replace(" ", "-"), llm, binary=binary)
            try:
                server.wait_ready()
                rows += await measure(server, kind, name, arguments.runs)
            finally:
                server.stop()
    return rows


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=["wheel", "binary", "both"], default="both")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--batch", type=int, nargs="+", default=[64])
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    arguments = parser.parse_args()
    batches = " ".join(map(str, arguments.batch))
    command = f"scripts/bench_llm_cancel.py --server {arguments.server} --runs {arguments.runs} --batch {batches}"
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(bench(arguments, Path(folder)))
    print(write_report(rows, arguments.out, command))


if __name__ == "__main__":
    main()
