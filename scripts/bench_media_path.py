"""What 20 ms of a call cost, and how the line behaves while the rest of the process is busy.

    .venv/bin/python scripts/bench_media_path.py [--calls 4] [--seconds 10] [--block-ms 100]

First table: CPU time of each step for one 20 ms frame. Second: sessions in pairs on loopback, while the event
loop is blocked again and again; how late packets were sent, and how soon the far end's wire is silent after a flush
(first packet after the flush that is not audible, see test_phone/audible.py, by the kernel's time of arrival; 10 ms
on average is the least that packets of 20 ms allow).
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable

import numpy as np

from her_os.audio.jitter_buffer import JitterBuffer
from her_os.audio.pcm import level_dbfs
from her_os.audio.resample import StreamResampler
from her_os.audio.voice_activity import FastVoiceGate, SileroVoiceActivity
from her_os.contracts.audio import InboundFrame
from her_os.telephony.rtp.codecs import make_decoder, make_encoder
from her_os.telephony.rtp.playout import PlayoutQueue
from her_os.telephony.rtp.ports import PortPool
from her_os.telephony.rtp.session import RtpSession
from her_os.telephony.test_phone.wire_log import WireLog

ROUNDS = 2_000
FRAME = (np.random.default_rng(0).normal(0, 3_000, 320)).astype(np.int16).tobytes()


def cost_us(step: Callable[[], object]) -> float:
    """CPU microseconds of one call, on average."""
    step()
    start = time.process_time()
    for _ in range(ROUNDS):
        step()
    return (time.process_time() - start) / ROUNDS * 1e6


def jitter_step() -> Callable[[], object]:
    """Put a packet and pull a frame."""
    buffer, index = JitterBuffer(), 0

    def step() -> None:
        nonlocal index
        now = index * 0.02
        buffer.put(1, 160 * index, FRAME, now)
        buffer.pull(now + 0.01)
        index += 1

    return step


def playout_step() -> Callable[[], object]:
    """Write 20 ms and take a frame."""
    queue = PlayoutQueue()

    def step() -> None:
        queue.write(1, 0, FRAME)
        queue.next_frame(0.0)

    return step


def steps() -> dict[str, Callable[[], object]]:
    """Every step of the path, by name."""
    found: dict[str, Callable[[], object]] = {}
    for codec in ("G722", "PCMU", "PCMA"):
        encoder, decoder = make_encoder(codec), make_decoder(codec)
        payload = encoder.encode(FRAME)
        found[f"{codec} encode"] = lambda encoder=encoder: encoder.encode(FRAME)
        found[f"{codec} decode"] = lambda decoder=decoder, payload=payload: decoder.decode(payload)
    resampler, synthesised = StreamResampler(22_050, 16_000), FRAME + FRAME[:242]
    gate, silero = FastVoiceGate(), SileroVoiceActivity()
    found["resample 22050 -> 16000"] = lambda: resampler.process(synthesised)
    found["jitter buffer"] = jitter_step()
    found["playout"] = playout_step()
    found["level"] = lambda: level_dbfs(FRAME)
    found["voice gate (webrtcvad)"] = lambda: gate.voiced_ms(FRAME)
    found["silero"] = lambda: silero.push(FRAME)
    return found


class Deaf:
    """A listener that does nothing."""

    def on_arrival(self, frame: InboundFrame) -> None: ...

    def on_frame(self, frame: InboundFrame) -> None: ...

    def on_chunk_played(self, turn: int, chunk: int) -> None: ...

    def on_dtmf(self, digit: str) -> None: ...

    def on_hold(self, held: bool) -> None: ...

    def on_ended(self, reason: str) -> None: ...


async def on_the_wire(calls: int, seconds: float, block_s: float) -> tuple[list[RtpSession], list[float]]:
    """Run the sessions; returns them (stopped) and the times from flush to silence in ms."""
    pool = PortPool(43_000, 43_999)
    pairs: list[tuple[RtpSession, RtpSession, WireLog]] = []
    for index in range(calls):
        log = WireLog()
        her = RtpSession("127.0.0.1", pool, call_id=f"her-{index}")
        caller = RtpSession("127.0.0.1", pool, call_id=f"caller-{index}", observer=log)
        for one, other in ((her, caller), (caller, her)):
            one.configure(("127.0.0.1", other.local_port), "G722", 9, 101, send=True, receive=True)
        her.start(Deaf())
        caller.start(Deaf())
        pairs.append((her, caller, log))
    silent: list[float] = []
    end, turn = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        turn += 1
        for her, _, _ in pairs:
            her.playout.write(turn, 0, FRAME * 200)
        await asyncio.sleep(0.3 + turn % 20 / 1000)
        flushed: list[float] = []
        for her, _, _ in pairs:
            flushed.append(time.monotonic())
            her.playout.flush(turn)
        time.sleep(block_s)  # noqa: ASYNC251 - a busy event loop is what is measured
        await asyncio.sleep(0.1)
        for (_, _, log), at in zip(pairs, flushed, strict=True):
            quiet = next((packet.at for packet in log.received if packet.at > at and not packet.audible), None)
            if quiet is not None:
                silent.append((quiet - at) * 1000)
    for her, caller, _ in pairs:
        her.stop()
        caller.stop()
    return [session for her, caller, _ in pairs for session in (her, caller)], silent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--block-ms", type=float, default=100)
    options = parser.parse_args()
    print("CPU of one 20 ms frame, us")
    for name, step in steps().items():
        print(f"  {name:<26}{cost_us(step):8.1f}")
    cpu, wall = time.process_time(), time.monotonic()
    sessions, silent = asyncio.run(on_the_wire(options.calls, options.seconds, options.block_ms / 1000))
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    extras = [session.statistics().extra for session in sessions]
    print(f"\n{options.calls} calls, both ends in this process, event loop blocked {options.block_ms:.0f} ms each turn")
    print(f"  CPU of one end of a call        {100 * cpu / wall / len(sessions):6.2f} % of a core")
    for name in ("tick_late_p50_ms", "tick_late_p99_ms", "tick_late_max_ms"):
        print(f"  {name:<30}  {max(extra[name] for extra in extras):6.1f} (worst end)")
    print(f"  ticks skipped                   {sum(extra['ticks_skipped'] for extra in extras):6.0f}")
    silent.sort()
    middle, last = statistics.median(silent), silent[-1]
    print(f"  flush to first silent packet    p50 {middle:.1f} ms, max {last:.1f} ms, n {len(silent)}")


if __name__ == "__main__":
    main()
