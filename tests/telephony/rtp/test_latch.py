"""Who may be the peer. Addresses and time are arguments."""

from __future__ import annotations

from her_os.telephony.rtp.latch import MOVED_S, PROBATION, SETTLED, SourceLatch

SIGNALLED = ("10.0.0.5", 4_000)
OTHER_PORT = ("10.0.0.5", 4_777)
NAT = ("203.0.113.9", 31_000)
ATTACKER = ("198.51.100.66", 5_555)


def talk(latch: SourceLatch, source: tuple[str, int], count: int, *, ssrc: int = 7, first: int = 1, at: float = 0.0):
    return [latch.accept(source, ssrc, first + index, at + index * 0.02) for index in range(count)]


def test_before_anything_came_the_signalled_address_is_sent_to() -> None:
    latch = SourceLatch(SIGNALLED)
    assert not latch.latched
    assert latch.remote == SIGNALLED


def test_any_port_of_the_signalled_host_latches_at_once() -> None:
    latch = SourceLatch(SIGNALLED)
    assert talk(latch, OTHER_PORT, 1) == [True]
    assert latch.remote == OTHER_PORT


def test_another_host_latches_after_a_probation_in_sequence() -> None:
    latch = SourceLatch(SIGNALLED)
    assert talk(latch, NAT, PROBATION) == [False] * (PROBATION - 1) + [True]
    assert latch.remote == NAT


def test_random_packets_of_another_host_never_latch() -> None:
    latch = SourceLatch(SIGNALLED)
    assert not any(latch.accept(ATTACKER, ssrc, ssrc * 9_001 % 65_536, 0.0) for ssrc in range(50))
    assert not any(latch.accept(ATTACKER, 7, 100, 0.0) for _ in range(20)), "the same sequence again and again"
    assert latch.refused == 70


def test_the_signalled_host_takes_the_line_back_while_it_is_young() -> None:
    latch = SourceLatch(SIGNALLED)
    talk(latch, NAT, SETTLED - 2)
    assert talk(latch, SIGNALLED, 1, ssrc=9) == [True]
    assert latch.remote == SIGNALLED
    assert not any(talk(latch, NAT, 20, first=100))


def test_a_settled_source_cannot_be_hijacked() -> None:
    latch = SourceLatch(SIGNALLED)
    talk(latch, SIGNALLED, SETTLED)
    assert not any(talk(latch, ATTACKER, 100, ssrc=8, first=SETTLED + 1, at=0.5))
    assert not any(talk(latch, ATTACKER, 40, ssrc=7, first=SETTLED + 1, at=0.5)), "not even with its SSRC"
    assert not any(talk(latch, OTHER_PORT, 100, ssrc=8, first=SETTLED + 1, at=0.5)), "not even from its own host"
    assert latch.remote == SIGNALLED
    settled_nat = SourceLatch(SIGNALLED)
    talk(settled_nat, NAT, SETTLED + PROBATION)
    assert not any(talk(settled_nat, ATTACKER, 20, at=1.0))
    assert not any(settled_nat.accept(SIGNALLED, 9, 100, 1.0) for _ in range(20)), "one forged packet again and again"
    assert settled_nat.remote == NAT


def test_a_phone_that_speaks_late_gets_its_line_back_from_whoever_took_it() -> None:
    latch = SourceLatch(SIGNALLED)
    talk(latch, ATTACKER, 10 * SETTLED)
    taken: list[bool] = []
    for index in range(20):
        latch.accept(ATTACKER, 7, 1_000 + index, 5 + index * 0.02)
        taken.append(latch.accept(SIGNALLED, 9, 1 + index, 5 + index * 0.02))
    assert taken == [False] * (PROBATION - 1) + [True] * (21 - PROBATION)
    assert latch.remote == SIGNALLED
    assert not any(talk(latch, ATTACKER, 100, first=1_100, at=5.4)), "and keeps it"


def test_the_signalled_port_takes_the_line_back_from_another_of_its_host() -> None:
    """A stray packet of an earlier call between the same two hosts must not make a call deaf."""
    stray = SourceLatch(SIGNALLED)
    assert talk(stray, OTHER_PORT, 1) == [True]
    assert talk(stray, SIGNALLED, 1, ssrc=9) == [True]
    settled = SourceLatch(SIGNALLED)
    talk(settled, OTHER_PORT, SETTLED)
    assert talk(settled, SIGNALLED, PROBATION, ssrc=9, at=1.0)[-1]
    assert not any(talk(settled, OTHER_PORT, 30, first=SETTLED, at=1.1))


def test_a_silent_source_may_move_with_its_ssrc_only() -> None:
    latch = SourceLatch(SIGNALLED)
    talk(latch, SIGNALLED, SETTLED)
    later = SETTLED * 0.02 + MOVED_S
    assert not any(talk(latch, ATTACKER, 20, ssrc=8, first=SETTLED + 1, at=later))
    assert talk(latch, NAT, PROBATION, ssrc=7, first=SETTLED + 1, at=later)[-1]
    assert latch.remote == NAT


def test_a_silent_peer_may_come_back_from_another_port_of_its_host() -> None:
    latch = SourceLatch(SIGNALLED)
    talk(latch, SIGNALLED, SETTLED)
    assert not any(talk(latch, OTHER_PORT, 20, ssrc=99, at=2.0)), "not while it talks"
    assert talk(latch, OTHER_PORT, PROBATION, ssrc=99, at=9.0)[-1]
    assert latch.remote == OTHER_PORT


def test_a_new_signalled_address_opens_the_latch_and_the_same_does_not() -> None:
    latch = SourceLatch(SIGNALLED)
    talk(latch, OTHER_PORT, SETTLED)
    latch.signal(SIGNALLED)
    assert latch.remote == OTHER_PORT
    latch.signal(("10.0.0.8", 6_000))
    assert latch.remote == ("10.0.0.8", 6_000)
    assert talk(latch, ("10.0.0.8", 6_000), 1, ssrc=1) == [True]
    assert not any(talk(latch, OTHER_PORT, 9, at=1.0))


def test_reports_are_believed_from_the_peers_hosts_only() -> None:
    latch = SourceLatch(SIGNALLED)
    talk(latch, NAT, PROBATION)
    assert latch.is_peer_host(NAT[0])
    assert latch.is_peer_host(SIGNALLED[0])
    assert not latch.is_peer_host(ATTACKER[0])
