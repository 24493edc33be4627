"""Keys in session descriptions."""

from __future__ import annotations

import base64

import pytest

from her_os.telephony.rtp.protection import MediaKeys
from her_os.telephony.sip.crypto_lines import KEY_BYTES, CryptoLine, best_of, new_line, parse_crypto_lines
from her_os.telephony.sip.errors import NotAcceptable
from her_os.telephony.sip.negotiation import Negotiator
from her_os.telephony.sip.sdp import parse_sdp

KEY = base64.b64encode(bytes(range(30))).decode()
SHA80, GCM = "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"


@pytest.mark.parametrize("suite", KEY_BYTES)
def test_a_line_of_ours_is_read_back(suite: str):
    line = new_line(7, suite)
    assert parse_crypto_lines([line.format().strip()]) == (line,)
    assert base64.b64encode(line.key).decode() not in repr(line), "keys do not get into logs"


@pytest.mark.parametrize(
    "text",
    [
        f"1 {SHA80} inline:{KEY}|2^31",
        f"1 {SHA80} inline:{KEY} KDR=1",
    ],
)
def test_what_phones_add_is_borne(text: str):
    assert parse_crypto_lines([f"a=crypto:{text}"]) == (CryptoLine(1, SHA80, bytes(range(30))),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"1 {SHA80}",
        f"x {SHA80} inline:{KEY}",
        f"1 F8_128_HMAC_SHA1_80 inline:{KEY}",
        f"1 {SHA80} inline:{KEY}|2^20|1:4",
        f"1 {SHA80} inline:{KEY[:-4]}",
        f"1 {SHA80} inline:***",
        f"1 {SHA80} inline:{KEY};inline:{KEY}",
        f"1 {SHA80} inline:{KEY} UNENCRYPTED_SRTP",
        f"1 {SHA80} uri:{KEY}",
    ],
)
def test_what_we_cannot_use_is_left_out(text: str):
    assert parse_crypto_lines([f"a=crypto:{text}"]) == ()


def test_the_best_suite_is_taken():
    weak, strong = new_line(1, "AES_CM_128_HMAC_SHA1_32"), new_line(2, GCM)
    assert best_of([weak, strong]) == strong
    assert best_of([]) is None


def agreed(caller: Negotiator, callee: Negotiator) -> tuple[MediaKeys | None, MediaKeys | None]:
    answer, session = callee.answer(caller.offer())
    return caller.accept(answer).keys, session.keys


def negotiator(*, secure: bool = False) -> Negotiator:
    return Negotiator("192.0.2.1", 4000, ["G722"], secure=secure)


def test_both_sides_end_with_each_others_keys_and_keep_them():
    caller, callee = negotiator(secure=True), negotiator()
    first, second = agreed(caller, callee)
    assert first is not None
    assert second is not None
    assert (first.suite, first.ours, first.theirs) == (second.suite, second.theirs, second.ours)
    assert agreed(caller, callee) == (first, second), "a re-INVITE"
    assert agreed(callee, caller) == (second, first), "and one from the other side"


def test_sound_in_the_open_stays_so():
    assert agreed(negotiator(), negotiator()) == (None, None)


def test_where_protection_is_required_nothing_else_is_agreed():
    with pytest.raises(NotAcceptable):
        negotiator(secure=True).answer(negotiator().offer())
    secure = negotiator(secure=True)
    plain_answer, _ = negotiator().answer(negotiator().offer())
    secure.offer()
    with pytest.raises(NotAcceptable, match="does not protect"):
        secure.accept(plain_answer)


def test_an_offer_without_a_key_we_can_use_is_refused():
    offer = negotiator(secure=True).offer().replace(b"a=crypto", b"a=x-crypto")
    assert parse_sdp(offer)[0].crypto == ()
    with pytest.raises(NotAcceptable):
        negotiator().answer(offer)
