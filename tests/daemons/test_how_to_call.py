"""What is said when everything is ready names addresses that really answer."""

from __future__ import annotations

import pytest

from her_os.daemons import addresses
from her_os.daemons.how_to_call import how_to_call
from her_os.settings import Settings
from her_os.settings.schema import Phone


@pytest.fixture(autouse=True)
def _one_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "_own_addresses", lambda: ["192.0.2.20"])


@pytest.mark.parametrize(
    ("phone", "said", "unsaid"),
    [
        (Phone(), ["sip:her@127.0.0.1  (no account", "sip:her@192.0.2.20  (once: her-os phone add"], "none can reach"),
        (Phone(sip_port=5070), ["sip:her@127.0.0.1:5070", "sip:her@192.0.2.20:5070"], "none can reach"),
        (Phone(sip_host="192.0.2.20"), ["sip:her@192.0.2.20"], "127.0.0.1"),
        (
            Phone(sip_host="127.0.0.1"),
            ["sip:her@127.0.0.1", "none can reach 127.0.0.1; phone.sip_host 0.0.0.0"],
            "192.0.2.20",
        ),
    ],
)
def test_the_addresses_that_answer(phone: Phone, said: list[str], unsaid: str) -> None:
    text = "\n".join(how_to_call(Settings(phone=phone)))
    for words in said:
        assert words in text
    assert unsaid not in text
