#!/usr/bin/env python3
"""Writes two models in sherpa-onnx's diarisation formats that tell a bright voice from a dull one: 2 KB by hand.

The segmentation compares how much samples differ from their neighbours with how loud they are; the embedding is the
average spectrum. So the real library runs its real windows, features, embeddings and clustering. The result is
committed under tests/data/tiny-diarisation. To make it anew, in a throw-away environment with `onnx`:

    THROW_AWAY/bin/python scripts/make_tiny_diarisation.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OUT = Path(__file__).resolve().parent.parent / "tests" / "data" / "tiny-diarisation"
CLASSES = 7
"""Silence, one of three voices, two of three: pyannote's powerset."""
WINDOW, SIZE, SHIFT = 160_000, 991, 270
LOUD, BRIGHT = 0.01, 0.4
BANDS = 80


def main() -> None:
    """Run as a command."""
    OUT.mkdir(parents=True, exist_ok=True)
    save(
        segmentation(),
        "segmentation.onnx",
        model_type="pyannote-segmentation-3.0", num_speakers=3, powerset_max_classes=2, num_classes=CLASSES,
        sample_rate=16_000, window_size=WINDOW, receptive_field_size=SIZE, receptive_field_shift=SHIFT,
    )  # fmt: skip
    save(
        embedding(),
        "embedding.onnx",
        framework="3d-speaker", language="English", url="", comment="", sample_rate=16_000, output_dim=BANDS,
        normalize_samples=1, feature_normalize_type="",
    )  # fmt: skip


def segmentation() -> onnx.GraphProto:
    """Points of each class in each frame: silence 0, a bright voice and a dull one by loudness and brightness."""
    weights = np.zeros((2, CLASSES), np.float32)
    weights[:, 1], weights[:, 2] = (1 - BRIGHT, 1), (1 + BRIGHT, -1)
    bias = np.full(CLASSES, -9, np.float32)
    bias[:3] = 0, -LOUD, -LOUD
    nodes = [
        helper.make_node("Conv", ["x", "step"], ["steps"], pads=[1, 0]),
        helper.make_node("Abs", ["x"], ["level"]),
        helper.make_node("Abs", ["steps"], ["change"]),
        helper.make_node("Concat", ["level", "change"], ["both"], axis=1),
        helper.make_node("AveragePool", ["both"], ["means"], kernel_shape=[SIZE], strides=[SHIFT]),
        helper.make_node("Transpose", ["means"], ["frames"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["frames", "weights"], ["weighed"]),
        helper.make_node("Add", ["weighed", "bias"], ["y"]),
    ]
    return helper.make_graph(
        nodes,
        "segmentation",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 1, "samples"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", "frames", CLASSES])],
        [
            numpy_helper.from_array(np.array([[[-1, 1]]], np.float32), "step"),
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(bias, "bias"),
        ],
    )


def embedding() -> onnx.GraphProto:
    """The mean of each band over time, less the mean of all."""
    return helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x", "axis"], ["bands"], keepdims=0),
            helper.make_node("ReduceMean", ["bands", "axis"], ["level"], keepdims=1),
            helper.make_node("Sub", ["bands", "level"], ["embedding"]),
        ],
        "embedding",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "frames", BANDS])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", BANDS])],
        [numpy_helper.from_array(np.array([1], np.int64), "axis")],
    )


def save(graph: onnx.GraphProto, name: str, **facts: object) -> None:
    """With the metadata that sherpa-onnx reads."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    for key, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, str(value)
    onnx.checker.check_model(model)
    (OUT / name).write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
