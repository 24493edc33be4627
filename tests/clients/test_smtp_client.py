"""Against a real SMTP server process: encryption, password, and what each refusal means."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest

from her_os.clients.smtp_client import SmtpClient, create_smtp_client
from her_os.contracts.errors import ConfigError, SidecarUnavailable
from her_os.contracts.mail import Mail, MailRefused
from her_os.settings import Secrets, Settings
from her_os.settings.schema import Mail as MailSettings
from tests.fakes.smtp_server import MailServer, mail_server

PASSWORD = "a secret of the mail server"


def client(server: MailServer, security: str = "starttls", password: str = "", **wishes: object) -> SmtpClient:
    settings = MailSettings(
        host="localhost",
        port=server.port,
        security=security,  # type: ignore[arg-type]
        user="house" if password else "",
        sender="house@example.org",
        recipients=("owner@example.org",),
        **wishes,  # type: ignore[arg-type]
    )
    return SmtpClient(settings, password, str(server.ca_file))


def mail(*recipients: str) -> Mail:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "house@example.org", "owner@example.org", "news"
    message.set_content("a line\n.\nand one after a dot\n")
    to = recipients or ("owner@example.org",)
    return Mail(id="<1@example.org>", sender="house@example.org", recipients=to, content=message.as_bytes())


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_encrypted_and_with_a_password(security: str, tmp_path: Path) -> None:
    with mail_server(tmp_path / "mail", "--security", security, "--password", PASSWORD) as server:
        await client(server, security, PASSWORD).send(mail("a@example.org", "b@example.org"))
        with pytest.raises(SidecarUnavailable, match="refuses user or password"):
            await client(server, security, "wrong").send(mail())
        (taken,) = server.taken()
        assert taken.get_content().splitlines() == ["a line", ".", "and one after a dot"]
        assert server.sessions() == [{"encrypted": True, "user": "house", "to": ["a@example.org", "b@example.org"]}]


async def test_a_stranger_in_the_middle_gets_nothing(tmp_path: Path) -> None:
    """Neither one with a certificate of his own nor one who says that there is no STARTTLS."""
    with mail_server(tmp_path / "mail", "--password", PASSWORD) as server:
        trusting_only_the_system = SmtpClient(client(server, "starttls", PASSWORD)._settings, PASSWORD)
        with pytest.raises(SidecarUnavailable, match=r"TLS fails .*mail\.ca_file"):
            await trusting_only_the_system.send(mail())
        assert server.taken() == []
    with mail_server(tmp_path / "mail", "--security", "none") as server:
        with pytest.raises(SidecarUnavailable, match="STARTTLS"):
            await client(server, "starttls", PASSWORD).send(mail())
        assert server.taken() == []


@pytest.mark.parametrize(
    ("refuse", "error", "words"),
    [
        ("451,1,data", SidecarUnavailable, "451 not now"),
        ("554,1,data", MailRefused, "554 not now"),
        ("450,1,rcpt", SidecarUnavailable, "450 not owner@example.org"),
        ("550,1,rcpt", MailRefused, "550 not owner@example.org"),
        ("0,0,silence", SidecarUnavailable, "no answer within 1 s"),
    ],
)
async def test_for_now_or_for_good(refuse: str, error: type[Exception], words: str, tmp_path: Path) -> None:
    with mail_server(tmp_path / "mail", "--security", "none", "--refuse", refuse) as server:
        with pytest.raises(error, match=words):
            await client(server, "none", timeout_s=1).send(mail())
        assert server.taken() == []


async def test_one_of_two_recipients_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with mail_server(tmp_path / "mail", "--security", "none", "--refuse", "550,1,rcpt") as server:
        await client(server, "none").send(mail("a@example.org", "b@example.org"))
        assert [session["to"] for session in server.sessions()] == [["b@example.org"]]
    assert "a@example.org is refused" in caplog.text


async def test_nobody_there_and_no_such_authority(tmp_path: Path) -> None:
    with mail_server(tmp_path / "mail") as server:
        pass
    with pytest.raises(SidecarUnavailable, match=f"mail server localhost:{server.port}"):
        await client(server).send(mail())
    wishes = MailSettings(host="localhost", sender="a@b", recipients=("a@b",), ca_file="nowhere.pem")
    with pytest.raises(ConfigError, match=r"mail\.ca_file: .*nowhere\.pem cannot be used"):
        create_smtp_client(Settings(mail=wishes), Secrets(*["-"] * 5))
