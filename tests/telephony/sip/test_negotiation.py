"""Offer and answer: codec choice, refused streams, hold in both styles, direction, dynamic payload types."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.errors import NotAcceptable
from her_os.telephony.sip.negotiation import Negotiator
from her_os.telephony.sip.sdp import parse_sdp

ALL = ("G722", "PCMU", "PCMA")


def sdp(media: str, host: str = "192.0.2.7") -> bytes:
    return f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n{media}".encode()


def test_our_preference_wins_and_payload_types_are_theirs() -> None:
    offer = sdp("m=audio 4000 RTP/AVP 8 0 9 96\r\na=rtpmap:96 telephone-event/8000\r\na=ptime:30\r\n")
    answer, session = Negotiator("192.0.2.1", 5000, ALL).answer(offer)
    assert (session.codec, session.payload_type, session.dtmf_payload_type) == ("G722", 9, 96)
    assert session.remote == ("192.0.2.7", 4000)
    assert (session.send, session.receive, session.held, session.ptime_ms) == (True, True, False, 30)
    (stream,) = parse_sdp(answer)
    assert stream.codecs == ((9, "G722"), (96, "TELEPHONE-EVENT"))
    assert (stream.port, stream.host, stream.direction) == (5000, "192.0.2.1", "sendrecv")


def test_only_configured_codecs_are_taken() -> None:
    _, session = Negotiator("h", 1, ("PCMA",)).answer(sdp("m=audio 4000 RTP/AVP 9 0 8\r\n"))
    assert session.codec == "PCMA"
    with pytest.raises(NotAcceptable):
        Negotiator("h", 1, ("PCMA",)).answer(sdp("m=audio 4000 RTP/AVP 9 0\r\n"))


def test_dynamic_payload_types_and_other_clocks() -> None:
    media = (
        "m=audio 4000 RTP/AVP 96 97 98 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 pcmu/8000/1\r\n"
        "a=rtpmap:98 telephone-event/48000\r\na=rtpmap:101 Telephone-Event/8000\r\n"
    )
    _, session = Negotiator("h", 1, ALL).answer(sdp(media))
    assert (session.codec, session.payload_type, session.dtmf_payload_type) == ("PCMU", 97, 101)


def test_a_phone_without_telephone_events() -> None:
    answer, session = Negotiator("h", 1, ALL).answer(sdp("m=audio 4000 RTP/AVP 0\r\n"))
    assert session.dtmf_payload_type is None
    assert b"telephone-event" not in answer


def test_refused_streams_are_answered_with_port_zero_in_order() -> None:
    media = (
        "m=video 4002 RTP/AVP 31 34\r\nm=audio 4010 RTP/SAVP 0\r\n"
        "m=audio 4000 RTP/AVP 0\r\nm=image 4004 udptl t38\r\nm=audio 4020 RTP/AVP 0\r\n"
    )
    answer, session = Negotiator("h", 5000, ALL).answer(sdp(media))
    assert session.remote[1] == 4000
    assert [(stream.kind, stream.port) for stream in parse_sdp(answer)] == [
        ("video", 0),
        ("audio", 0),
        ("audio", 5000),
        ("image", 0),
        ("audio", 0),
    ]
    assert b"m=video 0 RTP/AVP 31 34\r\n" in answer


def test_our_later_offer_keeps_refused_streams_in_their_places() -> None:
    """RFC 3264, section 8: a media line is never taken out of a session, nor moved."""
    negotiator = Negotiator("192.0.2.1", 5000, ALL)
    negotiator.answer(sdp("m=video 4002 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 0\r\nm=image 4004 udptl t38\r\n"))
    offer = negotiator.offer(hold=True)
    assert [(stream.kind, stream.port) for stream in parse_sdp(offer)] == [("video", 0), ("audio", 5000), ("image", 0)]
    refused = "m=video 0 RTP/AVP 31\r\n", "m=image 0 udptl t38\r\n"
    session = negotiator.accept(sdp(f"{refused[0]}m=audio 4000 RTP/AVP 0\r\na=recvonly\r\n{refused[1]}"))
    assert session.remote == ("192.0.2.7", 4000)


def test_connection_line_of_the_stream_wins() -> None:
    _, session = Negotiator("h", 1, ALL).answer(sdp("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 198.51.100.9/127\r\n"))
    assert session.remote[0] == "198.51.100.9"


@pytest.mark.parametrize(
    ("theirs", "host", "answered", "send", "receive", "held"),
    [
        ("sendrecv", "192.0.2.7", "sendrecv", True, True, False),
        ("sendonly", "192.0.2.7", "recvonly", False, True, True),
        ("recvonly", "192.0.2.7", "sendonly", True, False, False),
        ("inactive", "192.0.2.7", "inactive", False, False, True),
        ("sendrecv", "0.0.0.0", "recvonly", False, True, True),
    ],
)
def test_directions(theirs: str, host: str, answered: str, send: bool, receive: bool, held: bool) -> None:
    offer = sdp(f"m=audio 4000 RTP/AVP 0\r\na={theirs}\r\n", host)
    answer, session = Negotiator("h", 1, ALL).answer(offer)
    assert parse_sdp(answer)[0].direction == answered
    assert (session.send, session.receive, session.held) == (send, receive, held)


def test_session_level_direction() -> None:
    offer = sdp("m=audio 4000 RTP/AVP 0\r\n").replace(b"t=0 0\r\n", b"t=0 0\r\na=sendonly\r\n")
    assert Negotiator("h", 1, ALL).answer(offer)[1].held


def test_offer_and_answer_between_two_of_us() -> None:
    caller, callee = Negotiator("192.0.2.1", 4000, ("PCMU", "G722")), Negotiator("192.0.2.2", 5000, ALL)
    answer, theirs = callee.answer(caller.offer())
    ours = caller.accept(answer)
    assert ours.codec == theirs.codec == "G722"
    assert ours.remote == ("192.0.2.2", 5000)
    assert theirs.remote == ("192.0.2.1", 4000)
    assert ours.dtmf_payload_type == theirs.dtmf_payload_type == 101

    hold_answer, theirs = callee.answer(caller.offer(hold=True))
    ours = caller.accept(hold_answer)
    assert theirs.held
    assert not ours.held
    assert not ours.receive
    assert not theirs.send
    _, theirs = callee.answer(caller.offer())
    assert not theirs.held
    assert theirs.send


def test_while_we_hold_their_new_offer_does_not_reopen_the_line() -> None:
    ours, theirs = Negotiator("192.0.2.1", 4000, ALL), Negotiator("192.0.2.2", 5000, ALL)
    ours.accept(theirs.answer(ours.offer())[0])
    ours.accept(theirs.answer(ours.offer(hold=True))[0])
    _, session = ours.answer(theirs.offer())
    assert not session.receive


def test_the_version_grows_only_with_a_change() -> None:
    negotiator = Negotiator("192.0.2.1", 4000, ALL)
    offer = sdp("m=audio 4000 RTP/AVP 0\r\n")
    first, second = negotiator.answer(offer)[0], negotiator.answer(offer)[0]
    assert first == second
    held, _ = negotiator.answer(sdp("m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n"))
    assert first.split(b"\r\n")[1].split()[2] == b"1"
    assert held.split(b"\r\n")[1].split()[2] == b"2"


def test_a_refused_offer_changes_nothing() -> None:
    negotiator = Negotiator("h", 1, ALL)
    negotiator.answer(sdp("m=audio 4000 RTP/AVP 0\r\n"))
    agreed = negotiator.agreed
    with pytest.raises(NotAcceptable):
        negotiator.answer(sdp("m=audio 4000 RTP/AVP 18\r\n"))
    assert negotiator.agreed is agreed


def test_an_answer_without_audio() -> None:
    negotiator = Negotiator("h", 1, ALL)
    negotiator.offer()
    with pytest.raises(NotAcceptable):
        negotiator.accept(sdp("m=audio 0 RTP/AVP 0\r\n"))


def test_ipv6() -> None:
    offer = b"v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 2001:db8::7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
    answer, session = Negotiator("2001:db8::1", 1, ALL).answer(offer)
    assert session.remote == ("2001:db8::7", 4000)
    assert b"c=IN IP6 2001:db8::1\r\n" in answer


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"v=0\r\nm=audio x RTP/AVP 0\r\n", b"v=0\r\nm=audio 1\r\n", b"v=0\r\n" + b"m=a 1 b 0\r\n" * 20],
)
def test_bad_descriptions(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_sdp(body)


@pytest.mark.parametrize(
    "line",
    [
        "a=rtpmap:\u00b2 PCMU/8000",
        "a=rtpmap:" + "1" * 5000 + " PCMU/8000",
        "a=ptime:000100" + "9" * 5000,
        "a=ptime:\u00b2",
        "m=audio 4000 RTP/AVP \u00b2 " + "9" * 5000,
    ],
)
def test_numbers_that_are_none_are_passed_over(line: str) -> None:
    _, session = Negotiator("h", 1, ALL).answer(sdp(f"m=audio 4000 RTP/AVP 0\r\n{line}\r\n"))
    assert (session.codec, session.ptime_ms) == ("PCMU", 20)


@pytest.mark.parametrize("port", ["\u00b2", "9" * 5000, "70000", "-1"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(ProtocolError):
        parse_sdp(sdp(f"m=audio {port} RTP/AVP 0\r\n"))


GOOD = sdp(
    "m=audio 4000 RTP/AVP 0 9 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\na=ptime:20\r\na=sendonly\r\nm=video 4002/2 RTP/AVP 31\r\nc=IN IP4 192.0.2.8\r\n"
).decode()
PIECES = ("", " ", "/", ":", "=", "\r\n", "\0", "\u00b2", "\u0663", "9" * 5000, "-1", "a=rtpmap:", "m=audio ", "c=IN ")
CUT = st.tuples(st.integers(0, len(GOOD)), st.integers(0, 6), st.sampled_from(PIECES))


@given(st.lists(CUT, max_size=5))
def test_a_damaged_description_is_read_or_refused(cuts: list[tuple[int, int, str]]) -> None:
    text = GOOD
    for at, length, piece in cuts:
        text = text[:at] + piece + text[at + length :]
    with contextlib.suppress(ProtocolError, NotAcceptable):
        Negotiator("h", 1, ALL).answer(text.encode())


@given(st.binary(max_size=300))
def test_never_crashes(noise: bytes) -> None:
    for body in (noise, sdp("m=audio 4000 RTP/AVP 0\r\n") + noise, b"v=0\r\nc=" + noise + b"\r\nm=audio 1 RTP/AVP 0"):
        with contextlib.suppress(ProtocolError, NotAcceptable):
            Negotiator("h", 1, ALL).answer(body)
