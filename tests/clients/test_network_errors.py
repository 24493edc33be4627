"""An operator reads what is wrong and where, in every client the same way."""

from __future__ import annotations

import pytest

from her_os.clients.http_exchange import open_exchange
from her_os.clients.stt_client import SttClient
from her_os.clients.tts_client import TtsClient
from her_os.contracts.errors import SidecarUnavailable
from her_os.settings.schema import SpeechToText
from tests.ports import free_port


async def test_a_refused_connection_names_the_address() -> None:
    port = free_port()
    refused = f"connection refused on 127.0.0.1:{port}"
    with pytest.raises(SidecarUnavailable) as llm:
        await open_exchange("llm", "127.0.0.1", port)
    assert llm.value.message == f"llm: cannot be reached ({refused})"
    with pytest.raises(SidecarUnavailable) as stt:
        await SttClient(SpeechToText(port=port), "token", "call-1").open()
    assert stt.value.message == f"stt: {refused}"
    async with TtsClient(f"http://127.0.0.1:{port}", "token") as client:
        with pytest.raises(SidecarUnavailable) as tts:
            await client.cancel("call-1")
    assert tts.value.message == f"tts: cannot be reached ({refused}); is her-os-tts running?"


async def test_an_unknown_host_is_told_in_the_resolvers_words() -> None:
    with pytest.raises(SidecarUnavailable, match=r"cannot be reached \(.+ on nowhere.invalid:8772\)"):
        await open_exchange("tts", "nowhere.invalid", 8772)
