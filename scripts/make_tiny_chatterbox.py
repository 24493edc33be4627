#!/usr/bin/env python3
"""Writes a tiny Chatterbox with random weights, made of the library's own classes: it mumbles, and all its code runs.

The folder has the files of a published model and a `shape.json`, and is loaded by the same code. Some 40 MB, most of it
the part that listens to voice prompts, which is not made smaller. Run it on Chatterbox's own environment:

    .cache/engines/chatterbox/bin/python scripts/make_tiny_chatterbox.py FOLDER [--engine chatterbox-turbo]
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import string
from pathlib import Path
from typing import Any

import msgspec

from her_os.engines.tts_chatterbox_library import import_library
from her_os.engines.tts_chatterbox_loading import build
from her_os.engines.tts_chatterbox_shape import FILE, Shape
from her_os.engines.tts_chatterbox_variants import LANGUAGES, VARIANTS, Variant

TINY = Shape(
    width=64,
    layers=2,
    heads=4,
    encoder_units=64,
    encoder_blocks=1,
    flow_channels=32,
    flow_head_width=16,
    flow_heads=2,
    flow_blocks=1,
    flow_mid_blocks=2,
    vocoder_channels=32,
    f0_channels=16,
    prompt_tokenizer_width=128,
    prompt_tokenizer_heads=2,
    prompt_tokenizer_layers=1,
)
PROMPT_TOKENS = 25


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", choices=sorted(VARIANTS), default="chatterbox")
    parser.add_argument("--full-size", action="store_true", help="the published sizes: some 3 GB, for measurements")
    options = parser.parse_args()
    write(options.folder, VARIANTS[options.engine], None if options.full_size else TINY)
    print(options.folder)


def write(folder: Path, variant: Variant, shape: Shape | None) -> None:
    """A model of `shape` (None: the published sizes) in `folder`, which is made anew."""
    library_class = import_library(variant)
    import torch

    torch.manual_seed(1)
    if shape is not None and variant.is_multilingual:  # it looks into layers 9, 12 and 13 and heads up to 15
        shape = msgspec.structs.replace(shape, layers=14, heads=16)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if shape is not None:
        (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(shape)) + b"\n")
    t3, s3gen, voice_encoder = build(variant, shape)
    with torch.no_grad():
        t3.speech_head.weight[6562:].zero_()  # signs that the sound's part has no entries for
        if variant.is_turbo:
            t3.speech_head.bias.zero_()
    for part, name in ((t3, variant.t3), (s3gen, variant.s3gen), (voice_encoder, variant.voice_encoder)):
        save(part, folder / name)
    write_tokenizer(folder, variant)
    own_voice(importlib.import_module(variant.module), variant).save(folder / "conds.pt")
    assert library_class is not None


def save(part: Any, file: Path) -> None:
    """The weights of a part, in the format that the file's name asks for."""
    import torch
    from safetensors.torch import save_file

    weights = {name: value.detach().clone().contiguous() for name, value in part.state_dict().items()}
    if file.suffix == ".safetensors":
        save_file(weights, file)
    else:
        torch.save(weights, file)


def write_tokenizer(folder: Path, variant: Variant) -> None:
    """Characters as words, with the signs that the library asks for at their published numbers."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    words = {"[STOP]": 0, "[UNK]": 1, "[SPACE]": 2, "[START]": 255}
    characters = string.ascii_letters + string.digits + ".,!?'-"
    languages = [f"[{language}]" for language in LANGUAGES]
    words |= {character: number for number, character in enumerate([*characters, *languages], 3)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\[\w+\]|."), "isolated")
    if not variant.is_turbo:
        tokenizer.save(str(folder / variant.tokenizer))
        return
    from transformers import PreTrainedTokenizerFast

    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", eos_token="[STOP]").save_pretrained(folder)


def own_voice(module: Any, variant: Variant) -> Any:
    """A random voice, as `conds.pt` holds one."""
    import torch
    from chatterbox.models.t3.modules.cond_enc import T3Cond

    tokens = torch.randint(0, 6561, (1, PROMPT_TOKENS))
    heard = T3Cond(
        speaker_emb=torch.randn(1, 256),
        cond_prompt_speech_tokens=torch.randint(0, 6561, (1, 375 if variant.is_turbo else 150)),
        emotion_adv=0.5 * torch.ones(1, 1, 1),
    )
    spoken = {
        "prompt_token": tokens,
        "prompt_token_len": torch.tensor([PROMPT_TOKENS]),
        "prompt_feat": torch.randn(1, 2 * PROMPT_TOKENS, 80),
        "prompt_feat_len": None,
        "embedding": torch.randn(1, 192),
    }
    return module.Conditionals(heard, spoken)


if __name__ == "__main__":
    main()
