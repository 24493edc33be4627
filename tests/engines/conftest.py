"""The embedded recogniser, loaded once for all its tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from her_os.engines.stt_pocketsphinx import PocketsphinxEngine
from her_os.settings.load import embedded_config_dir


@pytest.fixture(scope="session")
def recogniser_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recogniser-cache")


@pytest.fixture(scope="session")
def recogniser(recogniser_cache: Path) -> Iterator[PocketsphinxEngine]:
    engine = PocketsphinxEngine(embedded_config_dir() / "domain-phrases.txt", recogniser_cache)
    engine.load()
    yield engine
    engine.unload()
