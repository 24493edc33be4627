"""Digest sums against the RFCs' own examples; the server's judgement; the client's answer; nonces and counts."""

from __future__ import annotations

import pytest

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.authenticator import AuthResult, DigestAuthenticator
from her_os.telephony.sip.digest import Credentials, answer_challenge, digest_response, ha1, parse_digest
from her_os.telephony.sip.headers import Headers
from her_os.telephony.sip.message import SipRequest
from her_os.telephony.sip.nonces import NonceBook

URI = "sip:her@house.example"


def test_rfc_2617_example() -> None:
    secret = ha1("MD5", "Mufasa", "testrealm@host.com", "Circle Of Life")
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    response = digest_response(
        "MD5", secret, "GET", "/dir/index.html", nonce, qop="auth", nc="00000001", cnonce="0a4f113b"
    )
    assert response == "6629fae49393a05397450978507c4ef1"


def test_rfc_2069_style_without_qop() -> None:
    secret = ha1("MD5", "Mufasa", "testrealm@host.com", "CircleOfLife")
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    assert digest_response("MD5", secret, "GET", "/dir/index.html", nonce) == "1949323746fe6a43ef61f9606e7febea"


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616_examples(algorithm: str, expected: str) -> None:
    secret = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
    response = digest_response(
        algorithm,
        secret,
        "GET",
        "/dir/index.html",
        "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        qop="auth",
        nc="00000001",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert response == expected


def test_parsing_tolerates_spaces_commas_and_escapes() -> None:
    parsed = parse_digest('digest realm = "a,\\"b\\"" ,qop="auth,auth-int", algorithm=md5 ,, Nonce=abc')
    assert parsed == {"realm": 'a,"b"', "qop": "auth,auth-int", "algorithm": "md5", "nonce": "abc"}
    with pytest.raises(ProtocolError):
        parse_digest("Basic dXNlcjpwYXNz")


class Server:
    """An authenticator with one account, and a clock the test moves."""

    def __init__(self, *algorithms: str) -> None:
        self.now = 1000.0
        self.algorithms = algorithms or ("MD5",)
        stored = {name: ha1(name, "kitchen", "her-os", "right") for name in ("MD5", "SHA-256")}
        self.authenticator = DigestAuthenticator(
            "her-os",
            {"kitchen": stored}.get,
            algorithms=self.algorithms,
            nonces=NonceBook(lifetime_s=60, clock=lambda: self.now),
        )

    def challenges(self) -> list[str]:
        return [value for _, value in self.authenticator.challenges()]

    def answer(self, password: str = "right", name: str = "kitchen", uri: str = URI) -> str:
        return answer_challenge(self.challenges(), "INVITE", uri, Credentials(name, password))

    def verify(self, *authorizations: str, method: str = "INVITE", uri: str = URI) -> AuthResult:
        headers = Headers([("Authorization", value) for value in authorizations])
        return self.authenticator.verify(SipRequest(headers=headers, method=method, uri=uri))


@pytest.mark.parametrize("algorithms", [("MD5",), ("SHA-256",), ("SHA-256", "MD5"), ("MD5", "SHA-256")])
def test_right_password(algorithms: tuple[str, ...]) -> None:
    server = Server(*algorithms)
    answer = server.answer()
    assert server.verify(answer).username == "kitchen"
    strongest = "SHA-256" if "SHA-256" in algorithms else "MD5"
    assert f"algorithm={strongest}" in answer


@pytest.mark.parametrize(("name", "password"), [("kitchen", "wrong"), ("nobody", "right"), ("", "")])
def test_wrong_password_or_name(name: str, password: str) -> None:
    server = Server()
    result = server.verify(server.answer(password, name))
    assert (result.username, result.stale, result.problem) == ("", False, "wrong name or password")


def test_the_same_count_again_is_a_replay_and_called_stale() -> None:
    server = Server()
    answer = server.answer()
    assert server.verify(answer).username
    again = server.verify(answer)
    assert not again.username
    assert again.stale


def test_a_higher_count_with_the_same_nonce_is_fine() -> None:
    server = Server()
    answer = server.answer()
    assert server.verify(answer).username
    given = parse_digest(answer)
    secret = ha1("MD5", "kitchen", "her-os", "right")
    response = digest_response(
        "MD5", secret, "INVITE", URI, given["nonce"], qop="auth", nc="00000002", cnonce=given["cnonce"]
    )
    second = answer.replace("nc=00000001", "nc=00000002").replace(given["response"], response)
    assert server.verify(second).username == "kitchen"
    assert server.verify(answer).stale


def test_an_old_nonce_is_stale_and_only_with_the_right_password() -> None:
    server = Server()
    good, bad = server.answer(), server.answer("wrong")
    server.now += 61
    assert server.verify(good).stale
    assert not server.verify(bad).stale


def test_a_nonce_of_another_server_or_a_forged_one() -> None:
    answer = Server().answer()
    assert Server().verify(answer).problem == "a nonce that is not ours"
    nonce = parse_digest(answer)["nonce"]
    assert Server().verify(answer.replace(nonce, "ffff.abc.def")).problem == "a nonce that is not ours"
    assert Server().verify(answer.replace(nonce, "")).problem == "a nonce that is not ours"


def test_a_client_without_qop_has_one_use_of_a_nonce() -> None:
    server = Server()
    challenge = server.challenges()[0].replace(', qop="auth"', "")
    answer = answer_challenge([challenge], "INVITE", URI, Credentials("kitchen", "right"))
    assert "qop" not in answer
    assert server.verify(answer).username == "kitchen"
    assert server.verify(answer).stale


def test_credentials_bind_method_and_address() -> None:
    server = Server()
    assert not server.verify(server.answer(), method="REGISTER").username
    assert server.verify(server.answer(uri="sip:her@elsewhere.example")).problem == "credentials for another address"
    assert server.verify(server.answer(uri=URI + ";transport=udp")).username


def test_other_schemes_realms_and_qualities() -> None:
    server = Server()
    assert server.verify().problem == "no credentials"
    assert not server.verify("Basic abc").username
    other = server.answer().replace('realm="her-os"', 'realm="elsewhere"')
    assert server.verify(other).problem == "no credentials"
    assert server.verify(other, server.answer()).username == "kitchen"
    assert not server.verify(server.answer().replace("qop=auth", "qop=auth-int")).username
    assert not server.verify(server.answer().replace("nc=00000001", "nc=1")).username
    assert not server.verify(server.answer().replace("algorithm=MD5", "algorithm=SHA-256")).username


def test_the_client_chooses_auth_from_a_list_and_ignores_unknown_algorithms() -> None:
    challenges = [
        'Digest realm="r", nonce="n1", algorithm=SHA-512-256, qop="auth"',
        'Digest realm="r", nonce="n2", qop="auth-int,auth", opaque="o\\"p"',
    ]
    answer = parse_digest(answer_challenge(challenges, "REGISTER", "sip:r", Credentials("u", "p")))
    assert (answer["nonce"], answer["qop"], answer["opaque"], answer["algorithm"]) == ("n2", "auth", 'o"p', "MD5")


def test_the_client_tries_again_only_when_stale() -> None:
    credentials = Credentials("u", "p")
    plain, stale = 'Digest realm="r", nonce="n"', 'Digest realm="r", nonce="n", stale=TRUE'
    assert not answer_challenge([plain], "INVITE", URI, credentials, only_stale=True)
    assert answer_challenge([stale], "INVITE", URI, credentials, only_stale=True)
    assert not answer_challenge(['Digest realm="r", nonce="n", qop="auth-int"'], "INVITE", URI, credentials)


def test_passwords_do_not_print() -> None:
    assert "hunter2" not in repr(Credentials("u", "hunter2"))
