#!/usr/bin/env python3
"""Writes a model in Parakeet's ONNX export format that counts while somebody speaks: a few kilobytes by hand.

Its encoder tells voice from silence by loudness; its joint says "one two three" over and over where there is voice.
So the real library runs its real features, transducer loop and times; tests of the engine need no more. The result
is committed under tests/data/tiny-parakeet. To make it anew, in a throw-away environment with `onnx`:

    THROW_AWAY/bin/python scripts/make_tiny_parakeet.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OUT = Path(__file__).resolve().parent.parent / "tests" / "data" / "tiny-parakeet"
VOCABULARY = ("\u2581one", "\u2581two", "\u2581th", "ree", "<blk>")
BLANK, DURATIONS, SKIP = 4, 5, 4
"""A token is followed by a skip of four frames: 320 ms."""
FEATURES, SUBSAMPLING = 128, 8


def main() -> None:
    """Run as a command."""
    OUT.mkdir(parents=True, exist_ok=True)
    save(encoder(), "encoder-model.onnx")
    save(joint(), "decoder_joint-model.onnx")
    (OUT / "vocab.txt").write_text("".join(f"{token} {number}\n" for number, token in enumerate(VOCABULARY)))
    kind = {"model_type": "nemo-conformer-tdt", "features_size": FEATURES, "subsampling_factor": SUBSAMPLING}
    (OUT / "config.json").write_text(json.dumps(kind) + "\n")


def encoder() -> onnx.GraphProto:
    """Loudness: the mean of all mel bands, averaged over eight frames."""
    return helper.make_graph(
        [
            helper.make_node("ReduceMean", ["audio_signal", "bands"], ["mean"], keepdims=1),
            helper.make_node(
                "AveragePool", ["mean"], ["outputs"], kernel_shape=[SUBSAMPLING], strides=[SUBSAMPLING], ceil_mode=1
            ),
            helper.make_node("Add", ["length", "seven"], ["more"]),
            helper.make_node("Div", ["more", "eight"], ["encoded_lengths"]),
        ],
        "encoder",
        [
            helper.make_tensor_value_info("audio_signal", TensorProto.FLOAT, ["batch", FEATURES, "frames"]),
            helper.make_tensor_value_info("length", TensorProto.INT64, ["batch"]),
        ],
        [
            helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["batch", 1, "steps"]),
            helper.make_tensor_value_info("encoded_lengths", TensorProto.INT64, ["batch"]),
        ],
        [constant("bands", [1], np.int64), constant("seven", [7], np.int64), constant("eight", [8], np.int64)],
    )


def joint() -> onnx.GraphProto:
    """Blank has 10 points; the token that follows the last one has 10 more than the loudness, the others none."""
    follows = np.zeros((len(VOCABULARY), len(VOCABULARY) + DURATIONS), np.float32)
    for last, following in ((BLANK, 0), (0, 1), (1, 2), (2, 3), (3, 0)):
        follows[last, following] = 10
    follows[:, BLANK] = 10
    follows[:, len(VOCABULARY) + SKIP] = 1
    spoken = np.zeros(len(VOCABULARY) + DURATIONS, np.float32)
    spoken[:BLANK] = 1
    return helper.make_graph(
        [
            helper.make_node("Gather", ["follows", "targets"], ["points"], axis=0),
            helper.make_node("Mul", ["encoder_outputs", "spoken"], ["loudness"]),
            helper.make_node("Add", ["points", "loudness"], ["both"]),
            helper.make_node("Unsqueeze", ["both", "axis"], ["outputs"]),
            helper.make_node("Identity", ["input_states_1"], ["output_states_1"]),
            helper.make_node("Identity", ["input_states_2"], ["output_states_2"]),
        ],
        "joint",
        [
            helper.make_tensor_value_info("encoder_outputs", TensorProto.FLOAT, ["batch", 1, 1]),
            helper.make_tensor_value_info("targets", TensorProto.INT32, ["batch", 1]),
            helper.make_tensor_value_info("target_length", TensorProto.INT32, ["batch"]),
            helper.make_tensor_value_info("input_states_1", TensorProto.FLOAT, [1, "batch", 2]),
            helper.make_tensor_value_info("input_states_2", TensorProto.FLOAT, [1, "batch", 2]),
        ],
        [
            helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["batch", 1, 1, len(spoken)]),
            helper.make_tensor_value_info("output_states_1", TensorProto.FLOAT, [1, "batch", 2]),
            helper.make_tensor_value_info("output_states_2", TensorProto.FLOAT, [1, "batch", 2]),
        ],
        [
            numpy_helper.from_array(follows, "follows"),
            numpy_helper.from_array(spoken, "spoken"),
            constant("axis", [1], np.int64),
        ],
    )


def constant(name: str, values: list[int], kind: type) -> TensorProto:
    """A named constant."""
    return numpy_helper.from_array(np.array(values, kind), name)


def save(graph: onnx.GraphProto, name: str) -> None:
    """Checked, and in a version that every onnxruntime of the last years reads."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    (OUT / name).write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
