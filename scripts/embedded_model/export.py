"""Write a trained network as GGUF, so that any llama.cpp serves it."""

import json
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from tokenizers import Tokenizer
from torch import Tensor

from .model import Network
from .vocabulary import CONTROL, MARKS

_TEMPLATE = Path(__file__).with_name("chat.jinja")
_CONTEXT = 2048


def write_gguf(network: Network, tokenizer: Tokenizer, out: Path) -> int:
    """Write `network` and `tokenizer` to `out` in q8_0; return the file's size in bytes."""
    shape = network.shape
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_name("her-os embedded")
    writer.add_description("A tiny household assistant, trained from scratch on dialogues written by her-os itself.")
    heads = shape.width // shape.head_size
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_rope_dimension_count(shape.head_size)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    _add_tokenizer(writer, tokenizer)
    for name, tensor in _tensors(network):
        values = tensor.detach().float().contiguous().numpy()
        if values.ndim == 1:
            writer.add_tensor(name, values.astype(np.float32))
        else:
            packed = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out.stat().st_size


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    model = json.loads(tokenizer.to_str())["model"]
    ids: dict[str, int] = model["vocab"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    kinds = dict.fromkeys(CONTROL, gguf.TokenType.CONTROL) | dict.fromkeys(MARKS, gguf.TokenType.USER_DEFINED)
    tokens = sorted(ids, key=ids.__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.get(token, gguf.TokenType.NORMAL) for token in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(ids["<|endoftext|>"])
    writer.add_eos_token_id(ids["<|im_end|>"])
    writer.add_pad_token_id(ids["<|endoftext|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(_TEMPLATE.read_text().removesuffix("\n"))


def _tensors(network: Network) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights under the names that llama.cpp gives them."""
    weights = network.state_dict()
    yield "token_embd.weight", weights["embedding.weight"]
    yield "output_norm.weight", weights["norm.weight"]
    for layer in range(network.shape.layers):
        ours, theirs = f"blocks.{layer}.", f"blk.{layer}."
        query, key, value = weights[ours + "query_key_value.weight"].chunk(3, 0)
        gate, up = weights[ours + "gate_up.weight"].chunk(2, 0)
        yield theirs + "attn_norm.weight", weights[ours + "attention_norm.weight"]
        yield theirs + "attn_q.weight", query
        yield theirs + "attn_k.weight", key
        yield theirs + "attn_v.weight", value
        yield theirs + "attn_output.weight", weights[ours + "attention_output.weight"]
        yield theirs + "ffn_norm.weight", weights[ours + "feed_forward_norm.weight"]
        yield theirs + "ffn_gate.weight", gate
        yield theirs + "ffn_up.weight", up
        yield theirs + "ffn_down.weight", weights[ours + "down.weight"]
