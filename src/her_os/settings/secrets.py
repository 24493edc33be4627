"""Secrets: a token for each daemon, a mail password; from systemd credentials or a private file.

Never from the command line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from her_os.contracts.errors import ConfigError

_TRUNK = re.compile(r"HER_OS_TRUNK_([A-Z][A-Z0-9_]*)_PASSWORD")
_NAMES = {
    "stt_token": "HER_OS_STT_TOKEN",
    "tts_token": "HER_OS_TTS_TOKEN",
    "llm_api_key": "HER_OS_LLM_API_KEY",
    "phone_token": "HER_OS_PHONE_TOKEN",
    "loader_token": "HER_OS_LOADER_TOKEN",
}


_MEND = "run config/dev-setup.sh to write a random one (where her-os is installed: sudo her-os install)"
_MADE_UP = re.compile(
    r"change.?me|example|placeholder|your.?token|your.?key|s3cr3t|password|<.*>|\.\.\.", re.IGNORECASE
)
"""The same words as in config/dev-setup.sh."""
_FEWEST_CHARACTERS = 4
"""Different ones. Of a thousand million random tokens of 16 hexadecimal digits about one has fewer."""


def token_names() -> tuple[str, ...]:
    """What each secrets file must name."""
    return tuple(_NAMES.values())


def why_no_secret(value: str) -> str:
    """Why a token protects nothing; empty where it does. Says nothing of what it is."""
    if len(value) < 16:
        return "is missing or shorter than 16 characters"
    if _MADE_UP.search(value) or len(set(value)) < _FEWEST_CHARACTERS:
        return "is an example, not a secret"
    return ""


class Secrets(msgspec.Struct, frozen=True):
    """Bearer tokens of the daemons, and the mail password. `repr` shows none of them."""

    stt_token: str
    tts_token: str
    llm_api_key: str
    phone_token: str
    loader_token: str
    llm_remote_api_key: str = ""
    """Of `llm.remote`; empty where it wants none."""
    mail_password: str = ""
    """Of `mail.user`; empty where none is needed."""
    trunk_passwords: dict[str, str] = {}
    """By the name of the trunk (`phone.trunks`)."""

    def __repr__(self) -> str:
        return "Secrets(...)"

    def llm_key(self, remote: str) -> str:
        """The key of the language model server in use; ours never goes to a remote one."""
        return self.llm_remote_api_key if remote else self.llm_api_key


def load_secrets(file: Path, environ: Mapping[str, str] | None = None) -> Secrets:
    """Read the secrets: `$CREDENTIALS_DIRECTORY/secrets.env` under systemd, else `file`.

    Raises ConfigError when the file is missing, readable by others, malformed, or a token is empty.
    """
    environ = os.environ if environ is None else environ
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    path = Path(credentials) / "secrets.env" if credentials else file
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror}); {_MEND}", file=str(path)) from error
    if not credentials and mode & 0o077:
        raise ConfigError("is readable by others; run: chmod 600 " + str(path), file=str(path))
    values: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if not separator:
            raise ConfigError("expected NAME=value", file=str(path), line=number)
        values[name.strip()] = value.strip().strip("'\"")
    found = {field: values.get(name, "") for field, name in _NAMES.items()}
    for field, value in found.items():
        if reason := why_no_secret(value):
            raise ConfigError(f"{reason}; {_MEND}", file=str(path), field=_NAMES[field])
    trunks = {name: value for name, value in values.items() if _TRUNK.fullmatch(name)}
    return Secrets(
        **found,
        llm_remote_api_key=values.get("HER_OS_LLM_REMOTE_API_KEY", ""),
        mail_password=values.get("HER_OS_MAIL_PASSWORD", ""),
        trunk_passwords={_TRUNK.sub(r"\1", name).lower(): value for name, value in trunks.items()},
    )
