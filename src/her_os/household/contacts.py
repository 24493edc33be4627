"""The household's contacts, from a YAML file: a list of `{name, phone, aliases?, note?}`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from her_os.settings import Settings
from her_os.settings.yaml_file import read_yaml


class Contact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A person one can call. `aliases` are other names they go by; `note` is for people."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    phone: Annotated[str, Meta(pattern=r"^\+?[0-9][0-9 ()/.-]{1,30}$")]
    aliases: tuple[Annotated[str, Meta(min_length=1, max_length=80)], ...] = ()
    note: str = ""


class ContactFile:
    """The contacts as they were when the file was read, at start."""

    def __init__(self, contacts: Sequence[Contact] = ()) -> None:
        self._contacts = tuple(contacts)

    def contacts(self) -> tuple[Contact, ...]:
        """Everyone, in the file's order."""
        return self._contacts


def read_contacts(settings: Settings) -> ContactFile:
    """Read the configured file. Where none is configured and there is none, the book is empty.

    Raises ConfigError naming file, line and field.
    """
    path = settings.resolve(settings.contacts)
    if settings.contacts == Settings().contacts and not path.exists():
        return ContactFile()
    return ContactFile(read_yaml(path, tuple[Contact, ...]))
