#!/usr/bin/env python3
"""How well and how fast the embedded recogniser hears: word error rate, cost, finalize latency, memory.

Speech is made by flite in four voices at random levels, and sent through the codec that the line says (our own G.722
and mu-law). Phrases: a sample of the household's file (they are in the language model), `bench_stt_phrases.txt` (they
are not), and, where Debian's asterisk-core-sounds-en is installed, prompts spoken by a person. Each utterance is a
session of its own, so nothing is learnt from one to the next. The latency part runs the real daemon as a process and
two calls at once in real time.

    .venv/bin/python scripts/bench_stt.py            # some minutes; writes benchmark-results/stt-DATE.md
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import os
import platform
import random
import re
import socket
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import aiohttp
import numpy as np
import psutil

from her_os.audio.g711 import decode_ulaw, encode_ulaw
from her_os.audio.g722 import G722Decoder, G722Encoder
from her_os.audio.resample import StreamResampler
from her_os.clients.stt_client import SttClient
from her_os.contracts.errors import SidecarUnavailable
from her_os.engines.stt_domain_phrases import read_domain_phrases
from her_os.engines.stt_pocketsphinx import PocketsphinxEngine
from her_os.engines.tts_flite import VOICES, FliteEngine
from her_os.settings.load import embedded_config_dir
from her_os.settings.schema import SpeechToText

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from scripts.measures import word_distance  # noqa: E402

SOUNDS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
TRANSCRIPT = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
FRAME_BYTES = 640
END_OF_TURN_MS = 320


@dataclass
class Score:
    """Errors and costs of a group of utterances."""

    wrong: int = 0
    words: int = 0
    exact: int = 0
    utterances: int = 0
    audio_s: float = 0.0
    cpu_s: float = 0.0
    finalize_cpu_ms: list[float] = field(default_factory=list)
    finalize_ms: list[float] = field(default_factory=list)

    @property
    def wer(self) -> float:
        return 100 * self.wrong / max(1, self.words)


def g722(pcm: bytes) -> bytes:
    """16 kHz PCM through G.722."""
    return G722Decoder().decode(G722Encoder().encode(pcm))


def pcmu(pcm: bytes) -> bytes:
    """16 kHz PCM through 8 kHz mu-law."""
    narrow = StreamResampler(16_000, 8_000).process(pcm)
    return StreamResampler(8_000, 16_000).process(decode_ulaw(encode_ulaw(narrow)))


CODECS: dict[str, Callable[[bytes], bytes]] = {"G722": g722, "PCMU": pcmu}


def in_a_room(pcm: bytes, rng: np.random.Generator) -> bytes:
    """Speech at a random level between quiet noise, cut to whole frames."""
    wave = np.frombuffer(pcm, dtype=np.int16).astype(np.float64)
    wave *= 32_768 * rng.uniform(0.15, 0.5) / max(1.0, np.abs(wave).max())
    wave = np.concatenate([np.zeros(8_000), wave, np.zeros(END_OF_TURN_MS * 16)])
    wave = wave[: len(wave) // 320 * 320]
    return np.clip(wave + rng.normal(0, 4, len(wave)), -32_768, 32_767).astype(np.int16).tobytes()


def say(engine: FliteEngine, text: str, voice: str) -> bytes:
    """Synthesised speech at 16 kHz."""
    spoken = bytearray()
    engine.synthesize(text, voice, threading.Event(), spoken.extend)
    return bytes(spoken)


def phrases(domain_file: Path, count: int) -> list[tuple[str, str]]:
    """(kind, text): a sample of the household's phrases, and those of our own that are not among them."""
    known = {" ".join(phrase.words) for phrase in read_domain_phrases(domain_file).phrases}
    sample = random.Random(2).sample(sorted(text for text in known if " " in text), count)
    own = [line for line in (HERE / "bench_stt_phrases.txt").read_text().splitlines() if line and line[0] != "#"]
    words = {word for text in known for word in text.split()}
    kinds = [("same words, other phrase" if set(text.split()) <= words else "other words", text) for text in own]
    return [("in the file", text) for text in sample] + [pair for pair in kinds if pair[1] not in known]


def prompts(count: int) -> Iterator[tuple[str, bytes, bytes]]:
    """A person's prompts: text, G.722 and (8 kHz) narrowband, both as 16 kHz PCM between silences."""
    if not TRANSCRIPT.exists():
        return
    found: list[tuple[str, Path]] = []
    for line in gzip.decompress(TRANSCRIPT.read_bytes()).decode(errors="replace").splitlines():
        name, _, text = line.strip().partition(":")
        text = " ".join(re.sub(r"[^a-z' ]", " ", text.lower().replace("\u2019", "'")).split())
        path = SOUNDS / f"{name}.g722"
        if not re.search(r"[\[\d;/]", line) and 4 <= len(text.split()) <= 16 and path.exists():
            found.append((text, path))
    for text, path in random.Random(3).sample(found, min(count, len(found))):
        wave = np.frombuffer(G722Decoder().decode(path.read_bytes()), dtype=np.int16)
        noise = np.random.default_rng(4).normal(0, 4, len(wave) + 16 * (500 + END_OF_TURN_MS))
        noise[8_000 : 8_000 + len(wave)] += wave
        pcm = np.clip(noise, -32_768, 32_767).astype(np.int16).tobytes()
        yield text, pcm, pcmu(pcm)


def hear(engine: PocketsphinxEngine, pcm: bytes, text: str, scores: list[Score]) -> None:
    """One utterance in a session of its own, entered into every score."""
    session = engine.open_session("bench", "en")
    began = time.process_time()
    for at in range(0, len(pcm), FRAME_BYTES):
        session.accept(pcm[at : at + FRAME_BYTES])
    cpu, wall = time.process_time(), time.perf_counter()
    heard = session.finalize().text
    finalize_ms, done = 1e3 * (time.perf_counter() - wall), time.process_time()
    session.close()
    wrong = word_distance(text.split(), heard.split())
    for score in scores:
        score.wrong += wrong
        score.words += len(text.split())
        score.exact += wrong == 0
        score.utterances += 1
        score.audio_s += len(pcm) / 32_000
        score.cpu_s += done - began
        score.finalize_cpu_ms.append(1e3 * (done - cpu))
        score.finalize_ms.append(finalize_ms)


def accuracy(engine: PocketsphinxEngine, domain_file: Path, count: int) -> dict[str, dict[str, Score]]:
    """Scores by codec, and within by voice and by kind of phrase."""
    flite, rng = FliteEngine(), np.random.default_rng(0)
    flite.load()
    table: dict[str, dict[str, Score]] = {codec: defaultdict(Score) for codec in CODECS}
    texts = phrases(domain_file, count)
    for voice in VOICES:
        for kind, text in texts:
            clean = in_a_room(say(flite, text, voice), rng)
            for codec, through in CODECS.items():
                names = (f"voice {voice}", kind, "all flite voices")
                hear(engine, through(clean), text, [table[codec][name] for name in names])
        print(f"  {voice} done", flush=True)
    for text, wide, narrow in prompts(count):
        hear(engine, wide, text, [table["G722"]["a person (prompts of a telephone exchange)"]])
        hear(engine, narrow, text, [table["PCMU"]["a person (prompts of a telephone exchange)"]])
    return {codec: {name: score for name, score in rows.items() if score.utterances} for codec, rows in table.items()}


def mebibytes() -> float:
    """Memory that is this process's alone."""
    return psutil.Process().memory_full_info().uss / 2**20


def loading(domain_file: Path, cache: Path) -> tuple[PocketsphinxEngine, list[str]]:
    """Load cold and warm, then open four sessions. Returns the engine and lines for the report."""
    lines = ["| step | seconds | memory of its own, MiB |", "|---|---|---|"]

    def step(name: str, work: Callable[[], object]) -> None:
        before, began = mebibytes(), time.perf_counter()
        work()
        lines.append(f"| {name} | {time.perf_counter() - began:.2f} | +{mebibytes() - before:.0f} |")

    step("first start: compile the phrases and the dictionary, load", PocketsphinxEngine(domain_file, cache).load)
    engine = PocketsphinxEngine(domain_file, cache)
    step("any later start: load and warm", engine.load)
    sessions = []
    for number in range(1, 5):
        step(f"open session {number}", lambda: sessions.append(engine.open_session("bench", "en")))
    for session in sessions:
        session.close()
    before = mebibytes()
    for _ in range(100):
        session = engine.open_session("bench", "en")
        session.accept(bytes(3_200))
        session.close()
    lines.append(f"| 100 sessions more | | {mebibytes() - before:+.1f} |")
    return engine, lines


async def latency(cache: Path, domain_file: Path, calls: int, utterances: int) -> list[str]:
    """The daemon as a process, `calls` at once in real time: finalize at the client, /health meanwhile."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder, token = Path(tempfile.mkdtemp()), "t" * 32
    (folder / "her-os.yaml").write_text(f"stt:\n  port: {port}\n  domain_phrases: {domain_file}\n")
    names = ("STT_TOKEN", "TTS_TOKEN", "LLM_API_KEY", "PHONE_TOKEN", "LOADER_TOKEN")
    (folder / "secrets.env").write_text("".join(f"HER_OS_{name}={token}\n" for name in names))
    (folder / "secrets.env").chmod(0o600)
    environ = {**os.environ, "HER_OS_CACHE_DIR": str(cache), "HER_OS_SECRETS_FILE": str(folder / "secrets.env")}
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "her_os.cli", "daemon", "stt", "--config", str(folder / "her-os.yaml"), env=environ
    )
    flite, rng = FliteEngine(), np.random.default_rng(1)
    flite.load()
    texts = [text for _, text in phrases(domain_file, utterances)]
    speech = [g722(in_a_room(say(flite, text, VOICES[n % 4]), rng)) for n, text in enumerate(texts[:utterances])]
    finals: list[float] = []
    healths: list[float] = []

    async def call(number: int) -> None:
        client, sample = SttClient(SpeechToText(port=port), token, f"bench-{number}"), 0
        while not client.available:
            try:
                await client.open()
            except SidecarUnavailable:
                await asyncio.sleep(0.2)
        loop = asyncio.get_running_loop()
        for pcm in speech[number::calls]:
            due = loop.time()
            for at in range(0, len(pcm), FRAME_BYTES):
                client.push(pcm[at : at + FRAME_BYTES], sample)
                sample += FRAME_BYTES // 2
                due += 0.02
                await asyncio.sleep(max(0.0, due - loop.time()))
            began = time.perf_counter()
            await client.finalize()
            finals.append(1e3 * (time.perf_counter() - began))
        await client.close()

    async def ask_health() -> None:
        async with aiohttp.ClientSession() as http:
            while True:
                began = time.perf_counter()
                try:
                    async with http.get(f"http://127.0.0.1:{port}/health") as response:
                        if response.status == 200:
                            healths.append(1e3 * (time.perf_counter() - began))
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)

    asking = asyncio.create_task(ask_health())
    try:
        await asyncio.gather(*(call(number) for number in range(calls)))
        busy = psutil.Process(daemon.pid).cpu_times()
        cpu_s = busy.user + busy.system
    finally:
        asking.cancel()
        await asyncio.wait({asking})
        daemon.terminate()
        await daemon.wait()
    audio_s = sum(map(len, speech)) / 32_000
    return [
        f"| {calls} | {row(finals)} | {row(healths)} | {cpu_s / audio_s:.2f} |",
    ]


def row(values: list[float]) -> str:
    """Median, 95th percentile and maximum, as they stand in the tables."""
    p50, p95 = np.percentile(values, [50, 95])
    return f"{p50:.0f} / {p95:.0f} / {max(values):.0f}"


def report(table: dict[str, dict[str, Score]], load_lines: list[str], latency_lines: list[str]) -> str:
    """The Markdown of the results."""
    load = os.getloadavg()[1]
    lines = [
        f"# The embedded recogniser, {date.today()}",
        "",
        f"`scripts/bench_stt.py` on {platform.machine()}, {os.cpu_count()} CPUs (load of the machine over the last",
        f"five minutes: {load:.1f}; wall times suffer from it, CPU times hardly).",
        "",
        "## Words wrong",
        "",
        "Every utterance is the first of a call. Finalize: from the end of the audio to the final, in the engine.",
        "",
        "| line | speech | utterances | words wrong | all right | CPU s / audio s | finalize CPU ms p50 / p95 / max |",
        "|---|---|---|---|---|---|---|",
    ]
    for codec, rows in table.items():
        lines += [
            f"| {codec} | {name} | {score.utterances} | {score.wer:.1f} % | {score.exact} "
            f"| {score.cpu_s / score.audio_s:.3f} | {row(score.finalize_cpu_ms)} |"
            for name, score in rows.items()
        ]
    lines += ["", "## Start and memory", "", *load_lines, "", "## Latency over the socket, in real time", ""]
    lines += ["Milliseconds, p50 / p95 / max. `finalize` is awaited 320 ms after the last speech.", ""]
    lines += ["| calls at once | finalize at the client | /health meanwhile | CPU s / audio s |", "|---|---|---|---|"]
    return "\n".join([*lines, *latency_lines, ""])


def main() -> None:
    """Run everything and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phrases", type=int, default=40, help="how many of the household's phrases, and prompts")
    parser.add_argument("--utterances", type=int, default=24, help="for the latency, over all calls")
    parser.add_argument("--domain", type=Path, default=embedded_config_dir() / "domain-phrases.txt")
    parser.add_argument("--out", type=Path, default=HERE.parent / "benchmark-results" / f"stt-{date.today()}.md")
    options = parser.parse_args()
    domain = options.domain.resolve()
    with tempfile.TemporaryDirectory() as cache:
        engine, load_lines = loading(domain, Path(cache))
        table = accuracy(engine, domain, options.phrases)
        engine.unload()
        latency_lines: list[str] = []
        for calls in (1, 2):
            latency_lines += asyncio.run(latency(Path(cache), domain, calls, options.utterances))
    text = report(table, load_lines, latency_lines)
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
