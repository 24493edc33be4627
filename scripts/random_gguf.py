"""Writes a language model that knows nothing: random weights, but a real GGUF that llama.cpp loads and runs.

For tests and benchmarks of the server, not of what is said: any size (so any speed), in a second, with nothing
to download. A byte-level vocabulary, a ChatML template with tools, and an output that never ends by itself.

    python scripts/random_gguf.py OUT.gguf [--width 128] [--layers 2] [--context 8192]

Source: the GGUF specification, version 3 (ggml/docs/gguf.md).
"""

import argparse
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 32
HEAD = 32
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = """{%- for m in messages %}{%- if m.role == 'tool' %}<|im_start|>user
<tool_response>
{{ m.content }}
</tool_response><|im_end|>
{% elif m.tool_calls %}<|im_start|>assistant
{{ m.content or '' }}{% for tc in m.tool_calls %}<tool_call>
{"name": "{{ tc.function.name }}", "arguments": {{ tc.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% else %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endif %}{%- endfor %}{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5
TENSOR_F32, TENSOR_F16 = 0, 1
Value = int | float | bool | str | Sequence[str] | Sequence[int]


def byte_tokens() -> list[str]:
    """The 256 one-byte tokens of GPT-2's vocabulary, each as a printable character."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {byte: chr(byte) for byte in printable} | {byte: chr(256 + index) for index, byte in enumerate(others)}
    return [table[byte] for byte in range(256)]


def write_random_gguf(path: Path, *, width: int = 128, layers: int = 2, context: int = 8192, seed: int = 0) -> Path:
    """Write the model. `width` is a multiple of 32; the cost of a token grows with layers * width squared."""
    tokens = [*byte_tokens(), *SPECIAL]
    metadata: dict[str, Value] = {
        "general.architecture": "llama",
        "general.name": f"random-{width}x{layers}",
        "general.file_type": 1,
        "llama.context_length": context,
        "llama.embedding_length": width,
        "llama.block_count": layers,
        "llama.feed_forward_length": 3 * width,
        "llama.attention.head_count": width // HEAD,
        "llama.attention.head_count_kv": width // HEAD,
        "llama.rope.dimension_count": HEAD,
        "llama.rope.freq_base": 10_000.0,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.vocab_size": len(tokens),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * 256 + [3] * len(SPECIAL),
        "tokenizer.ggml.merges": ["a b"],
        "tokenizer.ggml.bos_token_id": 256,
        "tokenizer.ggml.eos_token_id": 258,
        "tokenizer.ggml.padding_token_id": 256,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": TEMPLATE,
    }
    _write(path, metadata, _tensors(width, layers, len(tokens), seed))
    return path


def _tensors(width: int, layers: int, vocabulary: int, seed: int) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)

    def normal(rows: int, columns: int, scale: float = 0.02) -> NDArray[np.float32]:
        return rng.standard_normal((rows, columns), dtype=np.float32) * np.float32(scale)

    one = np.ones(width, dtype=np.float32)
    embedding, output = normal(vocabulary, width, 0.5), normal(vocabulary, width, 0.3)
    embedding[:, 0] = 4.0  # a channel that is always on: the output's weights on it are a bias per token
    letters = [*range(ord("a"), ord("z") + 1), ord(" ")]
    output[:, 0] = -20.0
    output[letters, 0] = 0.0
    tensors = {"token_embd.weight": embedding, "output_norm.weight": one, "output.weight": output}
    for layer in range(layers):
        name = f"blk.{layer}."
        tensors |= {name + "attn_norm.weight": one, name + "ffn_norm.weight": one}
        tensors |= {f"{name}attn_{part}.weight": normal(width, width) for part in ("q", "k", "v", "output")}
        tensors |= {f"{name}ffn_{part}.weight": normal(3 * width, width) for part in ("gate", "up")}
        tensors[name + "ffn_down.weight"] = normal(width, 3 * width)
    return tensors


def _write(path: Path, metadata: dict[str, Value], tensors: dict[str, NDArray[np.float32]]) -> None:
    header = [struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata))]
    header += [_string(key) + _value(value) for key, value in metadata.items()]
    offset, blobs = 0, list[bytes]()
    for name, tensor in tensors.items():
        kind = TENSOR_F32 if tensor.ndim == 1 else TENSOR_F16
        blob = tensor.astype(np.float32 if tensor.ndim == 1 else np.float16).tobytes()
        shape = struct.pack(f"<I{tensor.ndim}Q", tensor.ndim, *reversed(tensor.shape))
        header.append(_string(name) + shape + struct.pack("<IQ", kind, offset))
        blobs.append(blob + b"\0" * (-len(blob) % ALIGNMENT))
        offset += len(blobs[-1])
    head = b"".join(header)
    path.write_bytes(head + b"\0" * (-len(head) % ALIGNMENT) + b"".join(blobs))


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Value) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", BOOL, value)
        case int():
            return struct.pack("<II", U32, value)
        case float():
            return struct.pack("<If", F32, value)
        case str():
            return struct.pack("<I", STRING) + _string(value)
        case _:
            kind = STRING if isinstance(value[0], str) else I32
            items = b"".join(_string(item) if isinstance(item, str) else struct.pack("<i", item) for item in value)
            return struct.pack("<IIQ", ARRAY, kind, len(value)) + items


def main() -> None:
    """Write one model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--context", type=int, default=8192)
    arguments = parser.parse_args()
    path = write_random_gguf(arguments.out, width=arguments.width, layers=arguments.layers, context=arguments.context)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
