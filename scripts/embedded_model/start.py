"""Where a training starts: fresh weights, an earlier checkpoint, or a GGUF written earlier."""

from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer

from . import vocabulary
from .model import Network, Shape


def from_checkpoint(path: Path) -> tuple[Network, Tokenizer]:
    """Return what `torch.save` kept of an earlier training, or what a GGUF holds of it."""
    if path.suffix == ".gguf":
        return _from_gguf(path)
    saved = torch.load(path)
    network = Network(Shape(**saved["shape"]))
    network.load_state_dict(saved["weights"])
    return network, Tokenizer.from_str(saved["tokenizer"])


def with_vocabulary(network: Network, old: Tokenizer, new: Tokenizer) -> Network:
    """Return `network` for another vocabulary: a token it does not know begins as the mean of its pieces."""
    known, before = old.get_vocab(), network.embedding.weight.detach()
    rows = torch.zeros(new.get_vocab_size(), before.shape[1])
    for token, at in new.get_vocab().items():
        pieces = [known[token]] if token in known else [piece.id for piece in old.model.tokenize(token)]
        rows[at] = before[pieces].mean(0)
    weights = network.state_dict() | {"embedding.weight": rows}
    out = Network(Shape(**(vars(network.shape) | {"vocabulary": len(rows)})))
    out.load_state_dict(weights)
    return out


def _from_gguf(path: Path) -> tuple[Network, Tokenizer]:
    reader = gguf.GGUFReader(path)

    def field(name: str) -> object:
        return reader.fields[name].contents()

    tensors = {
        tensor.name: torch.from_numpy(
            np.array(gguf.quants.dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
        )
        for tensor in reader.tensors
    }
    tokens: list[str] = field("tokenizer.ggml.tokens")  # type: ignore[assignment]
    merges: list[str] = field("tokenizer.ggml.merges")  # type: ignore[assignment]
    width: int = field("llama.embedding_length")  # type: ignore[assignment]
    heads: int = field("llama.attention.head_count")  # type: ignore[assignment]
    shape = Shape(
        len(tokens),
        width,
        field("llama.block_count"),  # type: ignore[arg-type]
        field("llama.feed_forward_length"),  # type: ignore[arg-type]
        width // heads,
    )
    weights = {"embedding.weight": tensors["token_embd.weight"], "norm.weight": tensors["output_norm.weight"]}
    for layer in range(shape.layers):
        ours, theirs = f"blocks.{layer}.", f"blk.{layer}."

        def joined(*names: str, prefix: str = theirs) -> torch.Tensor:
            return torch.cat([tensors[f"{prefix}{name}.weight"] for name in names])

        weights[ours + "attention_norm.weight"] = joined("attn_norm")
        weights[ours + "query_key_value.weight"] = joined("attn_q", "attn_k", "attn_v")
        weights[ours + "attention_output.weight"] = joined("attn_output")
        weights[ours + "feed_forward_norm.weight"] = joined("ffn_norm")
        weights[ours + "gate_up.weight"] = joined("ffn_gate", "ffn_up")
        weights[ours + "down.weight"] = joined("ffn_down")
    network = Network(shape)
    network.load_state_dict(weights)
    pairs = [tuple(pair.split(" ", 1)) for pair in merges]
    return network, vocabulary.wrap({token: at for at, token in enumerate(tokens)}, pairs)
