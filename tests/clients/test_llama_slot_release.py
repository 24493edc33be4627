"""What is made of a cancelled stream's slot: timed, told, counted, and kept out of the way when it is late."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from her_os.clients.http_exchange import HttpExchange, open_exchange
from her_os.clients.llama_log_watch import Release, parse_release
from her_os.clients.llama_server_client import LlamaServerClient
from her_os.clients.slot_release import ReleaseMetrics, SlotReleaseWatch
from her_os.contracts.errors import SidecarUnavailable
from her_os.contracts.language_model import Message
from her_os.settings.schema import LanguageModel

from .conftest import Releases
from .scripted_server import OK, chunk, delta, end, scripted

KEY = "k" * 20


class Slots:
    """`/slots`, whose answers the test chooses: busy for so many looks."""

    def __init__(self, busy_looks: float, error: Exception | None = None) -> None:
        self.busy_looks, self.looks, self.error = busy_looks, 0, error

    async def is_busy(self, slot: int) -> bool:
        self.looks += 1
        if self.error:
            raise self.error
        return self.looks <= self.busy_looks


class Observer:
    """Hands on to `told`."""

    def __init__(self, told: Callable[[int, float | None], object]) -> None:
        self.told = told

    def on_slot_released(self, slot: int, seconds: float | None) -> None:
        self.told(slot, seconds)


class Bench:
    """A watch over one cancelled stream on a scripted server."""

    def __init__(self, slots: Slots, budget_s: float = 30.0) -> None:
        self.registry, self.releases = CollectorRegistry(), Releases()
        self.observer = Observer(self.releases.on_slot_released)
        self.watch = SlotReleaseWatch(
            slots.is_busy, budget_s=budget_s, metrics=ReleaseMetrics(self.registry), observer=self.observer
        )

    def sample(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"her_os_llm_slot_release_{name}")

    async def cancel(self, meanwhile: Callable[[], None] = lambda: None, *, slot: int = 1) -> None:
        async with scripted([OK], hold=True) as server:
            exchange = await self._stream(server.port)
            self.watch.watch(slot, exchange)
            await server.left.wait()
            meanwhile()
            await self.watch.settled()

    async def _stream(self, port: int) -> HttpExchange:
        exchange = await open_exchange("test", "127.0.0.1", port)
        exchange.send("POST", "test", "/", KEY, b"{}", 5)
        assert await exchange.status() == 200
        return exchange


async def test_a_release_is_timed_and_told() -> None:
    bench = Bench(slots := Slots(busy_looks=2))
    await bench.cancel()
    ((slot, seconds),) = bench.releases.seen
    assert slot == 1
    assert seconds is not None
    assert slots.looks == 3
    assert bench.sample("seconds_count") == 1
    assert bench.sample("late_total") == 0


async def test_a_new_reply_in_the_slot_proves_that_it_was_free() -> None:
    bench = Bench(Slots(busy_looks=float("inf")))
    await bench.cancel(meanwhile=lambda: bench.watch.taken(1))
    assert [slot for slot, seconds in bench.releases.seen if seconds is not None] == [1]


async def test_another_slots_reply_proves_nothing() -> None:
    bench = Bench(slots := Slots(busy_looks=3))
    await bench.cancel(meanwhile=lambda: bench.watch.taken(0))
    assert slots.looks == 4


async def test_a_server_that_died_is_no_release() -> None:
    bench = Bench(Slots(0, SidecarUnavailable("language model", "gone")))
    await bench.cancel()
    assert bench.releases.seen == []
    assert bench.sample("seconds_count") == 0


async def test_a_late_slot_is_told_counted_and_avoided_until_it_is_free(caplog: pytest.LogCaptureFixture) -> None:
    slots = Slots(busy_looks=float("inf"))
    bench = Bench(slots, budget_s=0.01)
    bench.watch.looks_every_s = 0.001

    def free_it_now(slot: int, seconds: float | None) -> None:
        assert bench.watch.is_overdue(slot)
        bench.releases.seen.append((slot, seconds))
        slots.busy_looks = 0

    bench.observer.told = free_it_now
    await bench.cancel()
    assert bench.releases.seen == [(1, None)]
    assert bench.sample("late_total") == 1
    assert not bench.watch.is_overdue(1)
    assert "still busy" in caplog.text


async def test_a_slot_that_never_frees_stays_avoided(caplog: pytest.LogCaptureFixture) -> None:
    slots = Slots(busy_looks=100)
    bench = Bench(slots, budget_s=0.01)
    bench.watch.looks_every_s = 0
    bench.observer.told = lambda slot, seconds: setattr(slots, "looks", 0)
    await bench.cancel()
    assert slots.looks == 101
    assert caplog.text.count("should be restarted") == 1
    assert not bench.watch.is_overdue(1)


async def test_closing_ends_the_watch() -> None:
    bench = Bench(Slots(busy_looks=float("inf")))
    async with scripted([OK], hold=True) as server:
        exchange = await open_exchange("test", "127.0.0.1", server.port)
        exchange.send("POST", "test", "/", KEY, b"{}", 5)
        bench.watch.watch(0, exchange)
        await server.left.wait()
        await bench.watch.close()
        await bench.watch.close()


async def test_a_reply_avoids_a_slot_that_is_late() -> None:
    async with scripted([OK, chunk(delta(content="x")), chunk(end())]) as server:
        client = LlamaServerClient(LanguageModel(port=server.port), KEY)
        client.releases.is_overdue = lambda slot: slot == 1  # type: ignore[method-assign]
        for slot in (0, 1):
            async with client.reply([Message("user", "hello")], [], slot=slot) as events:
                async for _ in events:
                    pass
        await client.close()
    assert [request["id_slot"] for request in server.requests] == [0, -1]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "1.03.985.974 I slot      release: id  0 | task 311 | stop processing: n_tokens = 64, truncated = 0",
            Release(0, 311, 64, 63.985974),
        ),
        ("slot release: id  1 | task 5 | stop processing: n_tokens = 7, truncated = 0", Release(1, 5, 7, None)),
        ("0.00.001.000 I srv  update_slots: all slots are idle", None),
    ],
)
def test_the_servers_log_tells_releases(line: str, expected: Release | None) -> None:
    assert parse_release(line) == expected
