"""Which files a daemon will read when it starts: they are brought into memory before its turn."""

from __future__ import annotations

from pathlib import Path

from her_os.contracts.errors import ConfigError
from her_os.service.model_store.stored import stored_folder
from her_os.service.page_cache import touch_by_mapping, touch_by_reading
from her_os.settings import Settings
from her_os.settings.loader_schema import LlmService, SttService
from her_os.settings.schema import SpeechToText, SpeechToTextBatch

_TOKENIZER_NAMES = ("*tokenizer*", "*.dict", "*vocab*", "*.phone")


def touch_files_of(name: str, settings: Settings) -> int:
    """Read them as `loader.io_prewarm` says; returns how many bytes are in memory now. Blocks."""
    prewarm = settings.loader.io_prewarm
    service = getattr(settings.services, name)
    mapped = service.mmapped if isinstance(service, LlmService | SttService) else True
    models, tokenizers = _files(name, settings)
    total = touch_by_mapping(models) if prewarm.enable_memmap and mapped else 0
    return total + (touch_by_reading(tokenizers) if prewarm.pre_touch_tokenizers else 0)


def _files(name: str, settings: Settings) -> tuple[list[Path], list[Path]]:
    """Models, and tokenizers or dictionaries. A service that is not ours has none that we know."""
    if getattr(settings.services, name).cmd:
        return [], []
    if name == "llm" and settings.llm.remote:
        return [], []
    if name == "llm":
        from her_os.engines.llama_server_command import server_options

        try:
            return [server_options(settings).model], []
        except ConfigError:  # the daemon says it better
            return [], []
    if name in {"stt", "stt_batch"}:
        asked: SpeechToText | SpeechToTextBatch = getattr(settings, name)
        if asked.engine == "pocketsphinx":
            return _split(_pocketsphinx_folder())
        try:
            folder = stored_folder(settings, asked.model, asked.engine)
        except ConfigError:  # the daemon says it better
            folder = None
        return _split(settings.resolve(Path(asked.model)) if "/" in asked.model else folder)
    if name == "kwd" and settings.wake.enabled:
        from her_os.engines.wake_features import shipped_models

        try:
            return [shipped_models() / "melspectrogram.onnx", shipped_models() / "embedding_model.onnx"], []
        except ConfigError:  # the daemon says it better
            return [], []
    return [], []


def _pocketsphinx_folder() -> Path | None:
    from importlib.util import find_spec

    spec = find_spec("pocketsphinx")  # finds it without importing it
    return Path(spec.origin).parent / "model" if spec and spec.origin else None


def _split(folder: Path | None) -> tuple[list[Path], list[Path]]:
    files = [file for file in folder.rglob("*") if file.is_file()] if folder and folder.is_dir() else []
    tokenizers = [file for file in files if any(file.match(pattern) for pattern in _TOKENIZER_NAMES)]
    return [file for file in files if file not in tokenizers], tokenizers
