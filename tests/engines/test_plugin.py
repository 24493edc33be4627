"""Engines that are not ours, by `module:Class`."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from her_os.contracts.errors import ConfigError
from her_os.engines.stt_registry import create_stt_engine
from her_os.engines.tts_registry import create_tts_engine
from her_os.settings import Settings
from her_os.settings.schema import SpeechToText, TextToSpeech


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_engines.py").write_text("class Mine:\n    name = 'mine'\n    languages = ()\n")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_class_outside_her_os_is_an_engine() -> None:
    settings = msgspec.structs.replace(Settings(), stt=SpeechToText(engine="their_engines:Mine"))
    assert create_stt_engine(settings).name == "mine"
    assert create_tts_engine(Settings(tts=TextToSpeech(engine="their_engines:Mine"))).name == "mine"


@pytest.mark.parametrize("name", ["no_such_module:Mine", "their_engines:Other", "their_engines:", ":Mine"])
def test_one_that_is_not_there_is_a_clear_error(name: str) -> None:
    with pytest.raises(ConfigError, match="expected MODULE:CLASS") as error:
        create_tts_engine(Settings(tts=TextToSpeech(engine=name)))
    assert error.value.field == "tts.engine"
