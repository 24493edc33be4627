"""The catalogue: the one that ships, an owner's own, and the mistakes that can be made in it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from her_os.contracts.errors import ConfigError
from her_os.engines.llama_server_command import server_options
from her_os.service.model_store.catalogue import read_catalogue
from her_os.service.model_store.stored import RECORD, advice_for, stored_folder
from her_os.settings import Settings, load_settings

ENTRY = "{name: mine, engine: llm, licence: MIT, repository: me/mine, files: [{path: mine.gguf}]}"


def settings(tmp_path: Path, llm_model: str = "embedded", own: str | None = None) -> Settings:
    file = tmp_path / "her-os.yaml"
    file.write_text(f"models: {{folder: ./store}}\nllm: {{model: {llm_model}}}\n")
    if own is not None:
        (tmp_path / "models.yaml").write_text(own)
    return load_settings(file, {})


def test_the_shipped_catalogue_pins_what_it_can_and_says_what_it_cannot(tmp_path: Path) -> None:
    models = read_catalogue(settings(tmp_path)).models
    assert models["nemotron-speech-streaming-en-0.6b"].pinned
    assert not models["gemma-3-4b-it"].pinned
    for model in models.values():
        assert all(len(file.sha256) in {0, 64} for file in model.files)
        assert not model.pinned or model.known_size, f"{model.name}: what is pinned tells its size"
        assert model.licence_url, model.name


def test_an_owner_adds_entries_and_replaces_shipped_ones(tmp_path: Path) -> None:
    own = f"models:\n  - {ENTRY}\n  - {ENTRY.replace('name: mine', 'name: gemma-3-4b-it')}\n"
    catalogue = read_catalogue(settings(tmp_path, own=own))
    assert catalogue.find("mine").repository == catalogue.find("gemma-3-4b-it").repository == "me/mine"


@pytest.mark.parametrize(
    ("entry", "field", "says"),
    [
        (ENTRY.replace("mine.gguf", "../mine.gguf"), "models.0.files.0", "below the model's own folder"),
        (ENTRY.replace("mine.gguf", "/etc/passwd"), "models.0.files.0", "below the model's own folder"),
        (ENTRY.replace("path: mine.gguf", "path: mine.gguf, sha256: abc"), "models.0.files.0.sha256", "regex"),
        (ENTRY.replace("path: mine.gguf", "path: mine.gguf, url: ftp://x"), "models.0.files.0", "https://"),
        (ENTRY.replace("repository: me/mine", "note: x"), "models.0", "needs `repository`"),
        (ENTRY.replace("licence", "license"), "models.0.license", "did you mean `licence`?"),
        (f"{ENTRY}\n  - {ENTRY}", "models.1.name", "as another entry is"),
    ],
)
def test_a_mistake_names_file_and_field(tmp_path: Path, entry: str, field: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        read_catalogue(settings(tmp_path, own=f"models:\n  - {entry}\n"))
    assert caught.value.field == field
    assert caught.value.file.endswith("models.yaml")


def test_a_name_that_is_not_there_tells_of_close_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean .*nemotron-speech-streaming-en-0\.6b"):
        read_catalogue(settings(tmp_path)).find("nemotron-streaming")


def test_a_catalogue_that_was_named_must_be_there(tmp_path: Path) -> None:
    asked = settings(tmp_path)
    models = msgspec.structs.replace(asked.models, catalogue=Path("elsewhere.yaml"))
    with pytest.raises(ConfigError, match=r"no file .*elsewhere\.yaml"):
        read_catalogue(msgspec.structs.replace(asked, models=models))


def test_engines_find_a_model_by_name_or_by_what_their_library_calls_it(tmp_path: Path) -> None:
    asked = settings(tmp_path)
    folder = tmp_path / "store" / "faster-whisper-small.en"
    folder.mkdir(parents=True)
    assert stored_folder(asked, "small.en", "faster-whisper") is None, "not whole without its record"
    (folder / RECORD).write_text("{}")
    assert stored_folder(asked, "faster-whisper-small.en", "faster-whisper") == folder
    assert stored_folder(asked, "small.en", "faster-whisper") == folder
    assert stored_folder(asked, "small.en", "parakeet") is None
    assert stored_folder(asked, "./small.en", "faster-whisper") is None
    assert "models pull faster-whisper-tiny.en" in advice_for(asked, "tiny.en", "faster-whisper")


def test_the_language_model_is_found_by_name(tmp_path: Path) -> None:
    asked = settings(tmp_path, "qwen2.5-1.5b-instruct")
    with pytest.raises(ConfigError, match="her-os models pull qwen2"):
        server_options(asked)
    folder = tmp_path / "store" / "qwen2.5-1.5b-instruct"
    folder.mkdir(parents=True)
    (folder / RECORD).write_text("{}")
    (folder / "qwen-00002-of-00002.gguf").write_text("GGUF")
    (folder / "qwen-00001-of-00002.gguf").write_text("GGUF")
    assert server_options(asked).model == folder / "qwen-00001-of-00002.gguf"
    with pytest.raises(ConfigError, match="give the path of a GGUF file"):
        server_options(settings(tmp_path, "nobody-knows-it"))
