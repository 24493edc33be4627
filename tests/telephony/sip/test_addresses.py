"""URIs, name-addr values and Via: the parts of a message that say where things go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.lexing import quote, split_outside, unquote
from her_os.telephony.sip.uri import format_name_address, parse_name_address, parse_uri
from her_os.telephony.sip.via import parse_via, reply_address, stamp_via


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("sip:her@house.example", "her", "house.example", 0),
        ("SIP:her:secret@10.0.0.1:5070;transport=udp?X=%20", "her", "10.0.0.1", 5070),
        ("sips:user;par=u%40example.net@example.com", "user;par=u@example.net", "example.com", 0),
        ("sip:[2001:db8::1]:5090", "", "2001:db8::1", 5090),
        ("sip:+49%2030@[::1];lr", "+49 30", "::1", 0),
    ],
)
def test_uris(text: str, user: str, host: str, port: int) -> None:
    uri = parse_uri(text)
    assert (uri.user, uri.host, uri.port) == (user, host, port)
    assert uri.address == (host, port or 5060)


@pytest.mark.parametrize("text", ["", "sip:", "tel:123", "sip:a@", "sip:a@b:99999", "sip:a@b:x", "sip:[::1", "sip:a b"])
def test_bad_uris(text: str) -> None:
    with pytest.raises(ProtocolError):
        parse_uri(text)


@pytest.mark.parametrize(
    ("text", "uri", "display", "tag"),
    [
        ("<sip:a@b>;tag=x", "sip:a@b", "", "x"),
        ("sip:a@b;tag=x", "sip:a@b", "", "x"),
        ('"A; <b>, \\"c\\"" <sip:a@b;p=1>;Tag=x;y', "sip:a@b;p=1", 'A; <b>, "c"', "x"),
        ("caller<sip:caller@example.com>;tag=323", "sip:caller@example.com", "caller", "323"),
        ("<sip:a@b?Replaces=1;to-tag=2>", "sip:a@b?Replaces=1;to-tag=2", "", ""),
    ],
)
def test_name_addresses(text: str, uri: str, display: str, tag: str) -> None:
    address = parse_name_address(text)
    assert (address.uri, address.display_name, address.tag) == (uri, display, tag)


@given(st.text(max_size=30).filter(lambda text: "\r" not in text and "\n" not in text))
def test_display_names_survive_quoting(name: str) -> None:
    assert unquote(quote(name)) == name
    if name:
        assert parse_name_address(format_name_address("sip:a@b", name, "t")).display_name == name


def test_splitting_respects_quotes_and_brackets() -> None:
    assert split_outside('"a,b" <x,y>, c', ",") == ['"a,b" <x,y>', " c"]
    with pytest.raises(ProtocolError):
        split_outside('"never closed', ",")


@pytest.mark.parametrize(
    ("line", "stamped"),
    [
        ("SIP/2.0/UDP 1.2.3.4:5060;branch=z", "SIP/2.0/UDP 1.2.3.4:5060;branch=z"),
        ("SIP/2.0/UDP phone.local;branch=z", "SIP/2.0/UDP phone.local;branch=z;received=1.2.3.4"),
        ("SIP/2.0/UDP 1.2.3.4;rport;branch=z", "SIP/2.0/UDP 1.2.3.4;branch=z;received=1.2.3.4;rport=7777"),
        (
            "SIP/2.0/UDP h;rport=1;received=6.6.6.6;branch=a+b=c, SIP/2.0/UDP p2;branch=y",
            "SIP/2.0/UDP h;branch=a+b=c;received=1.2.3.4;rport=7777, SIP/2.0/UDP p2;branch=y",
        ),
    ],
)
def test_via_is_stamped_and_otherwise_untouched(line: str, stamped: str) -> None:
    assert stamp_via(line, ("1.2.3.4", 7777)) == stamped


def test_where_an_answer_goes() -> None:
    source = ("1.2.3.4", 7777)
    assert reply_address(parse_via("SIP/2.0/UDP h:5070;branch=z"), source) == ("1.2.3.4", 5070)
    assert reply_address(parse_via("SIP/2.0/UDP h;branch=z"), source) == ("1.2.3.4", 5060)
    assert reply_address(parse_via("SIP/2.0/UDP h:5070;rport;branch=z"), source) == source


@pytest.mark.parametrize("text", ["", "SIP/2.0/UDP", "HTTP/1.1/UDP h", "SIP/2.0 h", "SIP/2.0/UDP h:70000"])
def test_bad_vias(text: str) -> None:
    with pytest.raises(ProtocolError):
        parse_via(text)
