"""Who may call from beyond this machine: names with digest secrets in a private JSON file.

The file holds HA1 values (RFC 7616), never a password; HA1 is as good as the password for this realm, so the file is
mode 600. It is read again whenever it changes, so that `her-os phone add` works while the daemon runs.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from her_os.contracts.errors import ConfigError
from her_os.telephony.sip.digest import ALGORITHMS, ha1

FILE_NAME = "sip-accounts.json"
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_PASSWORD_CHARS = 20
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}\Z")


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One phone. `secrets` maps a digest algorithm to HA1 in `realm`; `created` is Unix time in seconds."""

    name: str
    realm: str
    secrets: dict[str, str]
    created: float


class _File(msgspec.Struct, forbid_unknown_fields=True):
    accounts: list[Account] = msgspec.field(default_factory=list[Account])


class AccountStore:
    """The accounts file of one state directory. Every method may block for a moment (a small local file)."""

    def __init__(self, state_dir: Path, realm: str) -> None:
        self._path, self._realm = state_dir / FILE_NAME, realm
        self._seen: tuple[int, int, int] | None = None
        self._accounts: dict[str, Account] = {}

    def add(self, name: str) -> str:
        """Create an account and return its password, which nobody can read again. Raises ConfigError."""
        if not _NAME.match(name):
            raise ConfigError(f"{name!r} cannot be an account name; use a-z, 0-9, dot, dash, underscore (at most 32)")
        password = "".join(secrets.choice(_ALPHABET) for _ in range(_PASSWORD_CHARS))
        digests = {algorithm: ha1(algorithm, name, self._realm, password) for algorithm in ALGORITHMS}
        with self._locked():
            accounts = self._read()
            if name in accounts:
                raise ConfigError(f"the account {name!r} exists; remove it first to get a new password")
            accounts[name] = Account(name, self._realm, digests, time.time())
            self._write(accounts)
        return password

    def remove(self, name: str) -> bool:
        """Delete an account; False when there was none. Raises ConfigError."""
        with self._locked():
            accounts = self._read()
            found = accounts.pop(name, None)
            if found is not None:
                self._write(accounts)
        return found is not None

    def list(self) -> list[Account]:
        """Every account, by name. Raises ConfigError when the file cannot be read."""
        return sorted(self._read().values(), key=lambda account: account.name)

    def secrets_of(self, name: str) -> dict[str, str] | None:
        """HA1 by algorithm; None for a name nobody has in this realm. Raises ConfigError."""
        account = self.current().get(name)
        return account.secrets if account and account.realm == self._realm else None

    def current(self) -> dict[str, Account]:
        """The accounts, read again only when the file has changed. Raises ConfigError."""
        seen = self._stamp()
        if seen != self._seen:
            self._accounts, self._seen = self._read(), seen
        return self._accounts

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _read(self) -> dict[str, Account]:
        try:
            content = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigError(f"the accounts cannot be read: {error}", file=str(self._path)) from error
        return {account.name: account for account in content.accounts}

    def _write(self, accounts: dict[str, Account]) -> None:
        """Replace the file at once: a reader sees the old accounts or the new ones, a crash leaves one of them."""
        data = msgspec.json.format(msgspec.json.encode(_File(list(accounts.values()))), indent=2)
        temporary = self._path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)

    @contextmanager
    def _locked(self) -> Generator[None]:
        """One writer at a time, across processes."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise ConfigError(f"the accounts cannot be changed: {error}", file=str(self._path)) from error
