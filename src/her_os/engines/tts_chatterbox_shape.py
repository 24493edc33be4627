"""Chatterbox in sizes other than the published ones: `shape.json` beside the weights says which.

The library has its sizes as constants inside its constructors. Without a `shape.json` nothing here is used. With one
the same classes of the library are made, with other numbers handed to them while the model is being built.
"""

from __future__ import annotations

import functools
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from her_os.contracts.errors import ConfigError
from her_os.engines.own_library import library

FILE = "shape.json"
LLAMA, GPT2 = "her_os_llama", "her_os_gpt2"
"""T3's language models of the shape, by the names under which the library looks them up."""


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes by part; the defaults are the published model's."""

    width: int = 1024
    layers: int = 30
    heads: int = 16
    encoder_units: int = 2048
    encoder_blocks: int = 6
    flow_channels: int = 256
    flow_head_width: int = 64
    flow_heads: int = 8
    flow_blocks: int = 4
    flow_mid_blocks: int = 12
    vocoder_channels: int = 512
    f0_channels: int = 512
    prompt_tokenizer_width: int = 1280
    prompt_tokenizer_heads: int = 20
    prompt_tokenizer_layers: int = 6


def read_shape(folder: Path) -> Shape | None:
    """The shape of the model in `folder`; None where it is a published one. Raises ConfigError."""
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=Shape)
    except (msgspec.MsgspecError, OSError) as error:
        raise ConfigError(f"{file} does not tell the sizes of a model ({error})", field="tts.model") from error


@contextmanager
def sized(shape: Shape) -> Generator[None]:
    """While it lasts the library builds models of this shape, T3 by the names `LLAMA` and `GPT2`."""
    s3gen = library("chatterbox.models.s3gen").s3gen
    LLAMA_CONFIGS = library("chatterbox.models.t3.llama_configs").LLAMA_CONFIGS
    cond_enc = library("chatterbox.models.t3.modules").cond_enc

    heads = {"hidden_size": shape.width, "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads}
    llama = {
        **LLAMA_CONFIGS["Llama_520M"],
        **heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.width // shape.heads,
        "intermediate_size": 4 * shape.width,
    }
    gpt2 = {
        **LLAMA_CONFIGS["GPT2_medium"],
        "hidden_size": shape.width,
        "n_embd": shape.width,
        "n_layer": shape.layers,
        "n_head": shape.heads,
    }
    resized: dict[str, Any] = {
        "UpsampleConformerEncoder": _with(
            s3gen.UpsampleConformerEncoder, linear_units=shape.encoder_units, num_blocks=shape.encoder_blocks
        ),
        "ConditionalDecoder": _with(
            s3gen.ConditionalDecoder,
            channels=[shape.flow_channels],
            attention_head_dim=shape.flow_head_width,
            num_heads=shape.flow_heads,
            n_blocks=shape.flow_blocks,
            num_mid_blocks=shape.flow_mid_blocks,
        ),
        "ConvRNNF0Predictor": _with(s3gen.ConvRNNF0Predictor, cond_channels=shape.f0_channels),
        "HiFTGenerator": _with(s3gen.HiFTGenerator, base_channels=shape.vocoder_channels),
        "S3Tokenizer": functools.partial(_prompt_tokenizer, s3gen.S3Tokenizer, shape),
    }
    perceiver = _with(cond_enc.Perceiver, pre_attention_query_size=shape.width, embedding_dim=shape.width)
    LLAMA_CONFIGS.update({LLAMA: llama, GPT2: gpt2})
    with _replaced(cond_enc, Perceiver=perceiver), _replaced(s3gen, **resized):
        yield


def _with(kind: Any, **sizes: Any) -> Any:
    """A constructor whose caller's own numbers give way to `sizes`."""

    def make(*given: Any, **named: Any) -> Any:
        return kind(*given, **{**named, **sizes})

    return make


def _prompt_tokenizer(kind: Any, shape: Shape, name: str) -> Any:
    """The library's tokenizer of voice prompts; its constructor does not pass sizes on to its base."""
    model_v2 = library("s3tokenizer").model_v2

    config = model_v2.ModelConfig(
        n_audio_state=shape.prompt_tokenizer_width,
        n_audio_head=shape.prompt_tokenizer_heads,
        n_audio_layer=shape.prompt_tokenizer_layers,
    )
    inner = functools.partialmethod(model_v2.S3TokenizerV2.__init__, config=config)
    with _replaced(model_v2.S3TokenizerV2, __init__=inner):
        return kind(name)


@contextmanager
def _replaced(owner: Any, **others: Any) -> Generator[None]:
    """Other attributes for a module or class, and the old ones again afterwards."""
    saved = {name: getattr(owner, name) for name in others}
    try:
        for name, other in others.items():
            setattr(owner, name, other)
        yield
    finally:
        for name, one in saved.items():
            setattr(owner, name, one)
