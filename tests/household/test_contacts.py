"""The contacts file: read once, mistakes told with file, line and field."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from her_os.contracts.errors import ConfigError
from her_os.household.contacts import Contact, read_contacts
from her_os.settings import Settings

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "her-os.yaml"


def settings(path: Path) -> Settings:
    return msgspec.structs.replace(Settings(), contacts=path)


def test_contacts_are_read_in_order(tmp_path: Path) -> None:
    file = tmp_path / "people.yaml"
    file.write_text(
        "- {name: Anna, phone: '+1 555 0100', aliases: [mum], note: at home}\n- {name: Bell, phone: '112'}\n"
    )
    first, bell = read_contacts(settings(file)).contacts()
    assert first == Contact(name="Anna", phone="+1 555 0100", aliases=("mum",), note="at home")
    assert bell.aliases == ()


def test_the_shipped_contacts_are_valid() -> None:
    book = read_contacts(msgspec.structs.replace(Settings(), source=str(SHIPPED)))
    assert len(book.contacts()) >= 2


def test_an_empty_file_is_an_empty_book(tmp_path: Path) -> None:
    file = tmp_path / "people.yaml"
    file.write_text("# nobody yet\n")
    assert read_contacts(settings(file)).contacts() == ()


def test_no_file_is_an_empty_book_unless_it_was_asked_for(tmp_path: Path) -> None:
    default = msgspec.structs.replace(Settings(), source=str(tmp_path / "her-os.yaml"))
    assert read_contacts(default).contacts() == ()
    with pytest.raises(ConfigError, match="cannot be read"):
        read_contacts(settings(tmp_path / "people.yaml"))


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("- {name: A, phone: '112'}\n- {name: B, phone: '113', nick: x}\n", 2, "1.nick"),
        ("- {name: A, phone: 112}\n", 1, "0.phone"),
        ("- {name: A, phone: soon}\n", 1, "0.phone"),
        ("- {name: '', phone: '112'}\n", 1, "0.name"),
        ("- name: A\n", 1, "0"),
        ("people: none\n", 1, ""),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, text: str, line: int, field: str) -> None:
    file = tmp_path / "people.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_contacts(settings(file))
    assert (caught.value.file, caught.value.line, caught.value.field) == (str(file), line, field)
