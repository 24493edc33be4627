"""The whole session on loopback sockets. Nothing here asserts how long anything took."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from her_os.contracts.errors import CallEnded, CapacityError, ConfigError, ProtocolError
from her_os.telephony.rtp.codecs import make_decoder, make_encoder
from her_os.telephony.rtp.ports import PortPool
from her_os.telephony.rtp.session import RtpSession
from her_os.telephony.rtp.wire import WirePacket
from tests.fakes.listener import Listener
from tests.telephony.rtp.listening import PAYLOAD_TYPES, POOL, Peer, Tap, answered_by, talking
from tests.telephony.signals import babble, best_match
from tests.waiting import until


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def stranger() -> Iterator[Peer]:
    stranger = Peer("127.0.0.7")
    yield stranger
    stranger.close()


class Watcher:
    """A `WireObserver`."""

    def __init__(self) -> None:
        self.sent: list[WirePacket] = []
        self.received: list[WirePacket] = []

    def on_sent(self, packet: WirePacket) -> None:
        self.sent.append(packet)

    def on_received(self, packet: WirePacket) -> None:
        self.received.append(packet)


@pytest.mark.parametrize("codec", ["G722", "PCMU", "PCMA"])
async def test_speech_crosses_in_each_codec(codec: str) -> None:
    speech = babble(1.0)
    async with talking(codec) as (left, hears_right, right, hears_left):
        left.playout.write(1, 0, speech)
        left.playout.finish(1, 0)
        await until(lambda: hears_right.played == [(1, 0)], "the chunk's end is told")
        enough = len(hears_left.frames) + 10
        await until(lambda: len(hears_left.frames) >= enough)
        assert right.statistics().codec == codec
        assert right.statistics().packets_lost == 0
    assert left.playout.sent_samples(1, 0) == 16_000
    assert best_match(hears_left.heard(), speech)[0] > 0.99
    assert best_match(b"".join(frame.pcm for frame in hears_left.arrived), speech)[0] > 0.99
    assert [frame.sample_index for frame in hears_left.frames] == [320 * n for n in range(len(hears_left.frames))]


async def test_arrival_and_frame_agree_on_the_media_clock() -> None:
    async with talking() as (left, _, _, hears_left):
        left.playout.write(1, 0, babble(0.6))
        await until(lambda: len(hears_left.frames) > 40)
        by_index = {frame.sample_index: frame.pcm for frame in hears_left.frames if not frame.concealed}
        same = [by_index[f.sample_index] == f.pcm for f in hears_left.arrived if f.sample_index in by_index]
    assert len(same) > 30
    assert np.mean(same) > 0.5, "all, unless the machine stalled meanwhile"


async def test_silence_is_sent_while_nothing_plays_and_after_a_flush(peer: Peer) -> None:
    async with answered_by(peer) as (session, _):
        packets = []
        session.playout.write(1, 0, babble(5))

        def sent() -> int:
            packets.extend(peer.received())
            return len(packets)

        await until(lambda: sent() >= 20)
        session.playout.flush(1)
        at_flush = sent()
        await until(lambda: sent() >= at_flush + 15)
    assert [packet.sequence for packet in packets] == [(packets[0].sequence + n) & 0xFFFF for n in range(len(packets))]
    steps = {(after.timestamp - before.timestamp) & 0xFFFF_FFFF for before, after in pairwise(packets)}
    assert all(step % 160 == 0 for step in steps)
    assert [packet.marker for packet in packets[:3]] == [True, False, False]
    decoder = make_decoder("G722")
    levels = [np.abs(np.frombuffer(decoder.decode(packet.payload), np.int16)).max() for packet in packets]
    assert max(levels[at_flush + 2 :]) < 40, "G.722 rings for a packet"


async def test_pause_resumes_at_the_very_sample(peer: Peer) -> None:
    speech, watcher = babble(1.2), Watcher()
    async with answered_by(peer, "PCMU", observer=watcher) as (session, _):
        session.playout.write(1, 0, speech)
        for _ in range(3):
            begun = session.playout.sent_samples(1, 0)
            await until(lambda begun=begun: session.playout.sent_samples(1, 0) > begun + 960)
            session.playout.pause()
            stopped, packets = session.playout.sent_samples(1, 0), len(watcher.sent)
            await until(lambda packets=packets: len(watcher.sent) > packets + 5)
            assert session.playout.sent_samples(1, 0) == stopped
            session.playout.resume()
        await until(lambda: session.playout.buffered_samples == 0)
        await until(lambda: sum(packet.turn == 1 for packet in watcher.sent) == 60)
    assert b"".join(packet.pcm for packet in watcher.sent if packet.turn == 1) == speech
    assert not any(packet.pcm.strip(b"\0") for packet in watcher.sent if packet.turn is None)


@pytest.mark.parametrize("ptime_ms", [10, 30, 40])
async def test_the_peers_packet_length_is_reframed(peer: Peer, ptime_ms: int) -> None:
    payload = make_encoder("G722").encode(babble(0.6))
    async with answered_by(peer) as (session, listener):
        for at in range(0, len(payload), 8 * ptime_ms):
            peer.send(session.local_port, payload[at : at + 8 * ptime_ms])
        await until(lambda: len(listener.arrived) == 30)
        await until(lambda: len(listener.frames) > 3)
    assert {len(frame.pcm) for frame in listener.frames + listener.arrived} == {640}
    assert b"".join(frame.pcm for frame in listener.arrived) == make_decoder("G722").decode(payload)


async def test_another_source_cannot_break_in(peer: Peer, stranger: Peer) -> None:
    voice, attack = make_encoder("G722").encode(babble(0.02)), make_encoder("G722").encode(babble(0.02, level=12_000))
    async with answered_by(peer) as (session, listener):
        for _ in range(30):
            peer.send(session.local_port, voice)
        await until(lambda: session.statistics().packets_received == 30)
        arrived = len(listener.arrived)
        peer.received()
        for _ in range(30):
            stranger.send(session.local_port, attack)
        await until(lambda: session.statistics().extra["packets_refused"] == 30)
        assert len(listener.arrived) == arrived
        await until(lambda: len(peer.received()) > 0, "we still send to the peer")
        assert stranger.received() == []


async def test_a_peer_behind_a_nat_is_found(peer: Peer, stranger: Peer) -> None:
    voice = make_encoder("G722").encode(babble(0.02))
    async with answered_by(peer) as (session, listener):
        for _ in range(10):
            stranger.send(session.local_port, voice)
        await until(lambda: len(stranger.received()) > 0)
        assert len(listener.arrived) > 0


async def test_rubbish_is_counted_and_harmless(peer: Peer) -> None:
    async with answered_by(peer) as (session, listener):
        for rubbish in (b"", b"\x80", b"x" * 500, b"\x80" * 2_500, b"\x90" + bytes(13), b"\x80\xc8\xff\xff" + bytes(8)):
            peer.send_raw(session.local_port, rubbish)
        peer.send(session.local_port, bytes(160), payload_type=77 - 5)
        peer.send(session.local_port, bytes(160), payload_type=33)
        await until(lambda: session.statistics().extra["packets_invalid"] >= 6)
        for _ in range(5):
            peer.send(session.local_port, make_encoder("G722").encode(babble(0.02)))
        await until(lambda: len(listener.arrived) == 5)


async def test_loss_is_counted_and_concealed(peer: Peer) -> None:
    encoder, speech = make_encoder("PCMA"), babble(1.0)
    async with answered_by(peer, "PCMA") as (session, listener):
        start = asyncio.get_running_loop().time()
        for index in range(50):
            payload = encoder.encode(speech[index * 640 : (index + 1) * 640])
            if index in (20, 35):
                peer.sequence += 1
                peer.timestamp += 160
            else:
                peer.send(session.local_port, payload, 8)
            await asyncio.sleep(max(0.0, start + (index + 1) * 0.02 - asyncio.get_running_loop().time()))
        await until(lambda: len(listener.frames) > 55)
        statistics = session.statistics()
    assert statistics.packets_lost == 2
    assert statistics.extra["frames_concealed"] >= 2


async def test_digits_in_with_their_ends_lost(peer: Peer) -> None:
    async with answered_by(peer) as (session, listener):
        for digit in (1, 11, 15):
            for repeat in range(1, 4):
                peer.send_event(session.local_port, digit, 160 * repeat, end=False, marker=repeat == 1)
            peer.timestamp += 2_000
        await until(lambda: len(listener.digits) == 3)
        assert listener.digits == "1#D"


async def test_digits_out_in_order_and_audio_goes_on() -> None:
    async with talking() as (left, _, _, hears_left):
        async with asyncio.TaskGroup() as group:
            group.create_task(left.send_dtmf("147*"))
            group.create_task(left.send_dtmf("0#"))
        await until(lambda: len(hears_left.digits) == 6)
        assert hears_left.digits == "147*0#"
        left.playout.write(1, 0, babble(0.2))
        await until(lambda: left.playout.buffered_samples == 0)


async def test_digits_are_refused_clearly(peer: Peer) -> None:
    async with answered_by(peer) as (session, _):
        with pytest.raises(ProtocolError, match="'x'"):
            await session.send_dtmf("x")
        session.configure(peer.address, "G722", 9, None, send=True, receive=True)
        with pytest.raises(ProtocolError, match="did not offer"):
            await session.send_dtmf("1")
    with pytest.raises(CallEnded):
        await session.send_dtmf("1")


async def test_a_call_that_ends_while_digits_are_sent_says_so(peer: Peer) -> None:
    async with answered_by(peer) as (session, _):
        sending = asyncio.create_task(session.send_dtmf("1" * 50))
        await until(lambda: len(peer.received()) > 0)
        session.stop()
        with pytest.raises(CallEnded):
            await sending


async def test_hold_keeps_the_playout_and_resume_goes_on(peer: Peer) -> None:
    async with answered_by(peer) as (session, listener):
        session.playout.write(1, 0, babble(3))
        await until(lambda: session.playout.sent_samples(1, 0) > 0)
        session.configure(peer.address, "G722", 9, 101, send=False, receive=False)
        await asyncio.sleep(0.05)
        held_at = session.playout.sent_samples(1, 0)
        peer.received()
        peer.send(session.local_port, bytes(160))
        await asyncio.sleep(0.1)
        assert peer.received() == []
        assert listener.arrived == []
        assert session.playout.sent_samples(1, 0) == held_at
        session.configure(peer.address, "G722", 9, 101, send=True, receive=True)
        await until(lambda: session.playout.sent_samples(1, 0) > held_at)
        assert peer.received()[0].marker
        peer.send(session.local_port, bytes(160))
        await until(lambda: len(listener.arrived) == 1)


async def test_the_codec_may_change_in_the_call(peer: Peer) -> None:
    async with answered_by(peer, "G722") as (session, listener):
        await until(lambda: len(peer.received()) > 0)
        session.configure(peer.address, "PCMU", 0, 101, send=True, receive=True)
        await until(lambda: any(packet.payload_type == 0 for packet in peer.received()))
        speech, encoder = babble(0.4), make_encoder("PCMU")
        for at in range(0, len(speech), 640):
            peer.send(session.local_port, encoder.encode(speech[at : at + 640]), 0)
        await until(lambda: len(listener.arrived) == 20)
        assert best_match(b"".join(frame.pcm for frame in listener.arrived), speech[:-640])[0] > 0.99


async def test_media_follows_a_newly_signalled_address(peer: Peer, stranger: Peer) -> None:
    async with answered_by(peer) as (session, _):
        peer.send(session.local_port, bytes(160))
        await until(lambda: session.statistics().packets_received == 1)
        session.configure(stranger.address, "G722", 9, 101, send=True, receive=True)
        await until(lambda: len(stranger.received()) > 0)


async def test_the_tap_gets_both_sides_of_every_tick(peer: Peer) -> None:
    tap = Tap()
    async with answered_by(peer, tap=tap) as (session, _):
        session.playout.write(1, 0, babble(0.2))
        await until(lambda: len(tap.ticks) > 25)
    assert {(len(caller), len(assistant)) for caller, assistant in tap.ticks} == {(640, 640)}
    assert babble(0.2) in b"".join(assistant for _, assistant in tap.ticks)
    assert not any(caller.strip(b"\0") for caller, _ in tap.ticks)


async def test_reports_measure_the_round_trip() -> None:
    async with talking() as (left, _, right, _):
        await until(lambda: left.statistics().round_trip_ms > 0 or right.statistics().round_trip_ms > 0)


async def test_a_faulty_listener_does_not_stop_the_line(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Listener):
        def on_arrival(self, frame: object) -> None:
            raise RuntimeError("boom")

    session, listener = RtpSession("127.0.0.1", POOL, call_id="faulty"), Faulty()
    session.configure(peer.address, "G722", 9, 101, send=True, receive=True)
    session.start(listener)
    for _ in range(8):
        peer.send(session.local_port, bytes(160))
    await until(lambda: len(listener.frames) > 5)
    session.stop()
    assert len(caplog.records) == 3, "told, but not for ever"


async def test_the_wire_may_be_watched(peer: Peer) -> None:
    watcher = Watcher()
    session = RtpSession("127.0.0.1", POOL, call_id="watched", observer=watcher)
    session.configure(peer.address, "G722", PAYLOAD_TYPES["G722"], 101, send=True, receive=True)
    session.start(Listener())
    session.playout.write(4, 0, babble(0.1))
    peer.send(session.local_port, bytes(160))
    await until(lambda: len(watcher.sent) > 10 and len(watcher.received) == 1)
    session.stop()
    assert [packet.turn for packet in watcher.sent if packet.turn is not None] == [4] * 5
    assert len(watcher.received[0].pcm) == 640
    assert [packet.at for packet in watcher.sent] == sorted(packet.at for packet in watcher.sent)


async def test_stop_is_idempotent_and_frees_the_ports() -> None:
    pool = PortPool(42_000, 42_001)
    session = RtpSession("127.0.0.1", pool, call_id="one")
    assert session.local_port == 42_000
    with pytest.raises(CapacityError, match="no free pair"):
        RtpSession("127.0.0.1", pool, call_id="two")
    session.stop()
    session.stop()
    RtpSession("127.0.0.1", pool, call_id="three").stop()


async def test_nothing_is_told_after_stop(peer: Peer) -> None:
    async with answered_by(peer) as (session, listener):
        for _ in range(5):
            peer.send(session.local_port, bytes(160))
        await until(lambda: len(listener.frames) > 2)
    told = len(listener.frames)
    await asyncio.sleep(0.1)
    assert len(listener.frames) == told


def test_ports_are_pairs_that_nobody_else_has() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 42_103))
        pool = PortPool(42_101, 42_107)
        first, second = pool.open("127.0.0.1"), pool.open("127.0.0.1")
        assert (first.port, second.port) == (42_104, 42_106)
        first.close()
        again = pool.open("127.0.0.1")
        assert again.port == 42_104
        again.close()
        second.close()


def test_bad_settings_are_told() -> None:
    with pytest.raises(ConfigError, match="has none"):
        PortPool(5_001, 5_002)
    with pytest.raises(ConfigError, match="numeric"):
        PortPool(42_200, 42_210).open("localhost.invalid")
    with pytest.raises(ConfigError, match=r"203\.0\.113\.1"):
        PortPool(42_200, 42_210).open("203.0.113.1")
    session = RtpSession("127.0.0.1", POOL, call_id="bad")
    with pytest.raises(ProtocolError, match="opus"):
        session.configure(("127.0.0.1", 9), "opus", 96, None, send=True, receive=True)
    with pytest.raises(ProtocolError, match="numeric"):
        session.configure(("phone.example", 9), "G722", 9, None, send=True, receive=True)
    session.stop()
