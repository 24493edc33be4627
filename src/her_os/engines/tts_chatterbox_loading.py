"""Chatterbox from a folder: the library's own parts, its published files, and what is wrong with them, in words."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from her_os.contracts.errors import ConfigError
from her_os.engines.own_library import library
from her_os.engines.tts_chatterbox_library import import_library
from her_os.engines.tts_chatterbox_shape import GPT2, LLAMA, Shape, read_shape, sized
from her_os.engines.tts_chatterbox_variants import Variant

_DERIVED = ("_mel_filters", "window", "num_batches_tracked")
"""Buffers that some published files leave out, because the code makes them itself."""


def check_folder(folder: Path, variant: Variant) -> None:
    """Raise ConfigError unless the files of the variant are there. Cheap: nothing is read."""
    if not folder.is_dir():
        raise _complaint(f"{folder} is no folder; give the one with {variant.engine}'s weights")
    if missing := variant.missing(folder):
        raise _complaint(f"{folder} has no {', '.join(missing)}; {variant.engine} needs {', '.join(variant.files)}")


def load(folder: Path, variant: Variant, device: str) -> Any:
    """The library's model with the weights of `folder` on `device`. Raises ConfigError, or what running out raises."""
    library_class = import_library(variant)
    t3, s3gen, voice_encoder = build(variant, read_shape(folder))
    _fill(voice_encoder, folder / variant.voice_encoder)
    _fill(t3, folder / variant.t3)
    if variant.is_turbo:
        del t3.tfmr.wte  # as the library does: it has embeddings of its own
    _fill(s3gen, folder / variant.s3gen)
    parts = [part.to(device).eval() for part in (t3, s3gen, voice_encoder)]
    return library_class(*parts, _tokenizer(folder, variant), device, conds=_own_voice(folder, library_class, device))


def build(variant: Variant, shape: Shape | None) -> tuple[Any, Any, Any]:
    """T3, S3Gen and voice encoder, with random weights."""
    s3gen = library("chatterbox.models.s3gen").s3gen
    T3 = library("chatterbox.models.t3").T3
    T3Config = library("chatterbox.models.t3.modules.t3_config").T3Config
    VoiceEncoder = library("chatterbox.models.voice_encoder").VoiceEncoder

    hp = T3Config.multilingual() if variant.is_multilingual else T3Config()
    if variant.is_turbo:
        hp = T3Config(text_tokens_dict_size=50_276)
        hp.llama_config_name, hp.speech_tokens_dict_size = "GPT2_medium", 6563
        hp.input_pos_emb, hp.speech_cond_prompt_len = None, 375
        hp.use_perceiver_resampler = hp.emotion_adv = False
    if shape is not None:
        hp.llama_config_name = GPT2 if variant.is_turbo else LLAMA
    with sized(shape) if shape is not None else nullcontext():
        return T3(hp), s3gen.S3Token2Wav(meanflow=variant.is_turbo), VoiceEncoder()


def _fill(part: Any, file: Path) -> None:
    """Put the weights of a file into a part of the model. Raises ConfigError for a file that is not whole or not it."""
    torch = library("torch")
    load_file = library("safetensors.torch").load_file

    try:
        if file.suffix == ".safetensors":
            weights = load_file(file)
        else:
            weights = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors, pickle and zip have a tree each
        raise _complaint(
            f"{file} cannot be read ({_first_line(error)}); it is cut off or no file of weights: fetch it again"
        ) from error
    weights = weights["model"][0] if "model" in weights else weights
    try:
        missing, _unexpected = part.load_state_dict(weights, strict=False)
    except (RuntimeError, AttributeError) as error:
        raise _complaint(f"{file} holds weights of another model ({_shape_complaint(error)})") from error
    missing = [name for name in missing if not name.endswith(_DERIVED)]
    if missing:
        raise _complaint(f"{file} holds weights of another model (it has no {missing[0]}, and {len(missing)} in all)")


def _tokenizer(folder: Path, variant: Variant) -> Any:
    tokenizers = library("chatterbox.models").tokenizers

    try:
        if variant.is_turbo:
            AutoTokenizer = library("transformers").AutoTokenizer

            made = AutoTokenizer.from_pretrained(folder)
            made.pad_token = made.pad_token or made.eos_token
            return made
        kind = tokenizers.MTLTokenizer if variant.is_multilingual else tokenizers.EnTokenizer
        return kind(str(folder / variant.tokenizer))
    except Exception as error:  # the tokenizers library raises plain Exception, ours asserts
        raise _complaint(
            f"{folder / variant.tokenizer} is no tokenizer of {variant.engine} ({_first_line(error)})"
        ) from error


def _own_voice(folder: Path, library_class: Any, device: str) -> Any:
    """The voice that comes with the weights; None where there is none."""
    import sys

    file = folder / "conds.pt"
    if not file.is_file():
        return None
    kind = sys.modules[library_class.__module__].Conditionals
    try:
        return kind.load(file).to(device)
    except Exception as error:  # pickle, zip, KeyError, TypeError
        raise _complaint(
            f"{file} is no voice of chatterbox ({_first_line(error)}); fetch it again, or remove it"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def _shape_complaint(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[1] if len(lines) > 1 else lines[0]).strip()[:160]


def _complaint(message: str) -> ConfigError:
    return ConfigError(message, field="tts.model")
