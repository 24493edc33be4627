"""A real SMTP server (aiosmtpd) as a process: keeps what it takes as files, and misbehaves as it is told.

Prints its port when it listens. `--refuse CODE,COUNT,AFTER` answers DATA (or RCPT) with CODE for the first COUNT.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class MailServer:
    """A running server."""

    port: int
    folder: Path
    ca_file: Path

    def taken(self) -> list[EmailMessage]:
        """What it took, oldest first."""
        return [
            message_from_bytes(file.read_bytes(), policy=policy.default)  # type: ignore[misc]
            for file in sorted(self.folder.glob("*.eml"))
        ]

    def sessions(self) -> list[dict[str, object]]:
        """Of each mail: was it encrypted, who logged in, who received."""
        return [json.loads(file.read_text()) for file in sorted(self.folder.glob("*.json"))]


@contextmanager
def mail_server(folder: Path, *arguments: str, port: int = 0) -> Iterator[MailServer]:
    """Start one, stop it at the end. Certificates are made once a folder."""
    folder.mkdir(exist_ok=True)
    if not (folder / "ca.pem").exists():
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "own.pem")
    command = [sys.executable, "-W", "ignore", "-m", "tests.fakes.smtp_server", str(folder), *arguments]
    with subprocess.Popen([*command, "--port", str(port)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield MailServer(int(process.stdout.readline()), folder, folder / "ca.pem")
        finally:
            process.terminate()


class Keeper:
    def __init__(self, folder: Path, refuse: str) -> None:
        self.folder = folder
        code, count, where = (refuse or "0,0,data").split(",")
        self.code, self.left, self.where = code, int(count), where

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.where == "rcpt" and self.left > 0:
            self.left -= 1
            return f"{self.code} not {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.where == "silence":
            await asyncio.sleep(3600)
        if self.where == "data" and self.left > 0:
            self.left -= 1
            return f"{self.code} not now"
        number = len(list(self.folder.glob("*.eml")))
        facts = {
            "encrypted": server.transport.get_extra_info("cipher") is not None,
            "user": session.auth_data,
            "to": envelope.rcpt_tos,
        }
        (self.folder / f"{number:03}.json").write_text(json.dumps(facts))
        (self.folder / f"{number:03}.eml").write_bytes(envelope.content or b"")  # type: ignore[arg-type]
        return "250 taken"


async def serve(folder: Path, port: int, security: str, password: str, refuse: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "own.pem")
    keeper = Keeper(folder, refuse)

    def check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object) -> AuthResult:
        assert isinstance(data, LoginPassword)
        good = data.password.decode() == password
        return AuthResult(success=good, handled=good, auth_data=data.login.decode())

    def session() -> SMTP:
        return SMTP(
            keeper,
            hostname="localhost",
            tls_context=context if security == "starttls" else None,
            require_starttls=security == "starttls",
            auth_require_tls=security == "starttls",
            authenticator=check,
            auth_required=bool(password) and security != "none",
        )

    server = await asyncio.get_running_loop().create_server(
        session, "127.0.0.1", port, ssl=context if security == "tls" else None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--security", default="starttls")
    parser.add_argument("--password", default="")
    parser.add_argument("--refuse", default="")
    given = parser.parse_args()
    asyncio.run(serve(given.folder, given.port, given.security, given.password, given.refuse))
