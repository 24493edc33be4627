"""Chatterbox's three models: the files each is published as, and what its own `generate` asks of the parts.

Source: chatterbox-tts 0.1.7, `tts.py`, `mtl_tts.py`, `tts_turbo.py` (`from_local` and `generate` of each).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Variant:
    """One model. `files` must be in its folder; `conds.pt`, the voice it comes with, may be."""

    engine: str
    module: str
    library_class: str
    files: tuple[str, ...]
    t3: str
    s3gen: str
    voice_encoder: str
    tokenizer: str
    repetition_penalty: float
    min_p: float = 0.05
    top_p: float = 1.0
    shortest_prompt_s: float = 3.0
    flow_steps: int | None = None
    closing_silence: bool = False
    """Turbo ends each utterance with three tokens of silence."""

    @property
    def is_turbo(self) -> bool:
        return self.engine == "chatterbox-turbo"

    @property
    def is_multilingual(self) -> bool:
        return self.engine == "chatterbox-multilingual"

    def missing(self, folder: Path) -> list[str]:
        """Files that are not in `folder`."""
        return [name for name in self.files if not (folder / name).is_file()]

    def weight_mb(self, folder: Path) -> int:
        """Size of the weights on disk, which is about their size in memory."""
        return sum((folder / name).stat().st_size for name in (self.t3, self.s3gen, self.voice_encoder)) >> 20


ENGLISH = Variant(
    engine="chatterbox",
    module="chatterbox.tts",
    library_class="ChatterboxTTS",
    files=("ve.safetensors", "t3_cfg.safetensors", "s3gen.safetensors", "tokenizer.json"),
    t3="t3_cfg.safetensors",
    s3gen="s3gen.safetensors",
    voice_encoder="ve.safetensors",
    tokenizer="tokenizer.json",
    repetition_penalty=1.2,
)
MULTILINGUAL = Variant(
    engine="chatterbox-multilingual",
    module="chatterbox.mtl_tts",
    library_class="ChatterboxMultilingualTTS",
    files=("ve.pt", "t3_mtl23ls_v2.safetensors", "s3gen.pt", "grapheme_mtl_merged_expanded_v1.json"),
    t3="t3_mtl23ls_v2.safetensors",
    s3gen="s3gen.pt",
    voice_encoder="ve.pt",
    tokenizer="grapheme_mtl_merged_expanded_v1.json",
    repetition_penalty=2.0,
)
TURBO = Variant(
    engine="chatterbox-turbo",
    module="chatterbox.tts_turbo",
    library_class="ChatterboxTurboTTS",
    files=("ve.safetensors", "t3_turbo_v1.safetensors", "s3gen_meanflow.safetensors", "tokenizer_config.json"),
    t3="t3_turbo_v1.safetensors",
    s3gen="s3gen_meanflow.safetensors",
    voice_encoder="ve.safetensors",
    tokenizer="tokenizer_config.json",
    repetition_penalty=1.2,
    top_p=0.95,
    shortest_prompt_s=5.1,
    flow_steps=2,
    closing_silence=True,
)
VARIANTS = {variant.engine: variant for variant in (ENGLISH, MULTILINGUAL, TURBO)}

LANGUAGES = (
    "ar", "da", "de", "el", "en", "es", "fi", "fr", "he", "hi", "it", "ja", "ko", "ms", "nl", "no", "pl", "pt", "ru",
    "sv", "sw", "tr", "zh",
)  # fmt: skip
"""Of the multilingual model (`SUPPORTED_LANGUAGES`)."""
