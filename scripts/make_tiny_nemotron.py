#!/usr/bin/env python3
"""Trains a tiny recogniser of Nemotron's kind, a cache-aware streaming FastConformer RNNT, on a dozen spoken words.

Its speech is the embedded voice's (flite). It hears strings of these words in any order, at all four latencies, and
nothing else: enough for tests of streaming. The sentences are random, because on whole sentences such a model learns to
answer before it has heard anything. Some minutes of one quiet processor core; the result is committed under
tests/data/tiny-nemotron. After the 400 steps of that one it hears a few of the words only; more steps, more words.
To make it anew, on Nemotron's own environment:

    .cache/engines/nemotron/bin/python scripts/make_tiny_nemotron.py [FILE] [--steps 400]
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from her_os.engines.tts_flite import FliteEngine

OUT = Path(__file__).resolve().parent.parent / "tests" / "data" / "tiny-nemotron" / "tiny.nemo"
WORDS = ["set", "the", "timer", "for", "ten", "five", "minutes", "please", "call", "turn", "on", "light"]
"""The tests' sentences are made of them."""
VOICES = ("rms", "slt")
SENTENCES, BATCH, PIECES = 160, 16, 40
WIDTH, LAYERS = 64, 2


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("file", type=Path, nargs="?", default=OUT)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    chance = random.Random(0)
    sentences = [" ".join(chance.choices(WORDS, k=chance.randint(2, 7))) for _ in range(SENTENCES)]
    with tempfile.TemporaryDirectory() as folder:
        model = make_model(Path(folder), sentences)
        options.file.parent.mkdir(parents=True, exist_ok=True)
        train(model, sentences, options.steps, chance, lambda: model.save_to(str(options.file)))
    print(options.file, options.file.stat().st_size, "bytes")


def make_model(folder: Path, sentences: list[str]) -> Any:
    """An untrained model whose word pieces are those of the sentences."""
    import nemo.collections.asr as nemo_asr
    import sentencepiece
    from nemo.utils import logging as nemo_logging
    from omegaconf import OmegaConf

    nemo_logging.setLevel(logging.ERROR)
    (folder / "text").write_text("\n".join(sentences))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text"), model_prefix=str(folder / "tokenizer"), vocab_size=PIECES, model_type="bpe",
        character_coverage=1.0, bos_id=-1, eos_id=-1, pad_id=-1, minloglevel=2, hard_vocab_limit=False,
    )  # fmt: skip
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    words = [pieces.id_to_piece(number) for number in range(1, pieces.get_piece_size())]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    return nemo_asr.models.EncDecRNNTBPEModel(cfg=OmegaConf.create(configuration(str(folder))))


def configuration(tokenizer: str, width: int = WIDTH, layers: int = LAYERS) -> dict[str, Any]:
    """As NVIDIA's cache-aware streaming FastConformer, smaller."""
    module = "nemo.collections.asr.modules."
    return {
        "sample_rate": 16_000, "compute_eval_loss": False, "log_prediction": False, "skip_nan_grad": False,
        "model_defaults": {"enc_hidden": width, "pred_hidden": 64, "joint_hidden": width},
        "train_ds": None, "validation_ds": None, "test_ds": None,
        "tokenizer": {"dir": tokenizer, "type": "bpe"},
        "preprocessor": {
            "_target_": module + "AudioToMelSpectrogramPreprocessor", "sample_rate": 16_000, "normalize": "NA",
            "window_size": 0.025, "window_stride": 0.01, "window": "hann", "features": 80, "n_fft": 512, "log": True,
            "frame_splicing": 1, "dither": 0.0, "pad_to": 0,
        },
        "encoder": {
            "_target_": module + "ConformerEncoder", "feat_in": 80, "feat_out": -1, "n_layers": layers,
            "d_model": width, "subsampling": "dw_striding", "subsampling_factor": 8, "subsampling_conv_channels": 32,
            "causal_downsampling": True, "ff_expansion_factor": 4, "self_attention_model": "rel_pos", "n_heads": 4,
            "att_context_size": [[70, 13], [70, 6], [70, 1], [70, 0]], "att_context_style": "chunked_limited",
            "xscaling": False, "untie_biases": True, "pos_emb_max_len": 5000, "conv_kernel_size": 9,
            "conv_norm_type": "layer_norm", "conv_context_size": "causal", "dropout": 0.0, "dropout_pre_encoder": 0.0,
            "dropout_emb": 0.0, "dropout_att": 0.0,
        },
        "decoder": {
            "_target_": module + "RNNTDecoder", "normalization_mode": None, "random_state_sampling": False,
            "blank_as_pad": True, "prednet": {"pred_hidden": 64, "pred_rnn_layers": 1, "t_max": None, "dropout": 0.0},
        },
        "joint": {
            "_target_": module + "RNNTJoint", "log_softmax": None, "preserve_memory": False, "fuse_loss_wer": False,
            "fused_batch_size": -1, "jointnet": {"joint_hidden": width, "activation": "relu", "dropout": 0.0},
        },
        "decoding": {"strategy": "greedy_batch", "greedy": {"max_symbols": 10}, "beam": {"beam_size": 2}},
        "loss": {"loss_name": "default", "warprnnt_numba_kwargs": {"fastemit_lambda": 0.0, "clamp": -1.0}},
        "optim": {"name": "adamw", "lr": 1e-3},
    }  # fmt: skip


def spoken(sentences: list[str]) -> Iterator[Any]:
    """16 kHz samples of each, -1 to 1, in one voice after the other."""
    voice = FliteEngine()
    voice.load()
    for number, sentence in enumerate(sentences):
        chunks: list[bytes] = []
        voice.synthesize(sentence, VOICES[number % len(VOICES)], threading.Event(), chunks.append)
        yield np.frombuffer(b"".join(chunks), "<i2").astype(np.float32) / 32_768


def train(model: Any, sentences: list[str], steps: int, chance: random.Random, save: Callable[[], None]) -> None:
    """Transducer loss, with a CTC head beside it that is thrown away and makes the beginning quicker."""
    import torch

    examples = []
    with torch.no_grad():
        for sentence, samples in zip(sentences, spoken(sentences), strict=True):
            given = torch.tensor(samples)[None]
            features, _ = model.preprocessor(input_signal=given, length=torch.tensor([given.shape[1]]))
            examples.append((features[0], torch.tensor(model.tokenizer.text_to_ids(sentence))))
    blank = model.tokenizer.vocab_size
    head = torch.nn.Linear(WIDTH, blank + 1)
    optimiser = torch.optim.AdamW([*model.parameters(), *head.parameters()], lr=2e-3, weight_decay=1e-4)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=2e-3, total_steps=steps, pct_start=0.15)
    model.train()
    began = time.monotonic()
    for step, batch in zip(range(steps), batches(examples, chance), strict=False):
        loss = loss_of(model, head, batch, blank)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        rate.step()
        if step % 50 == 49:
            save()
            print(f"step {step + 1}: loss {loss.item():.2f}, {time.monotonic() - began:.0f} s", flush=True)
    save()


def batches(examples: list[Any], chance: random.Random) -> Iterator[list[Any]]:
    """Without end; examples of about one length together."""
    while True:
        order = sorted(examples, key=lambda one: one[0].shape[1] + 40 * chance.random())
        groups = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]
        chance.shuffle(groups)
        yield from groups


def loss_of(model: Any, head: Any, batch: list[Any], blank: int) -> Any:
    """Of one batch, with noise and another loudness each time."""
    import torch

    lengths = torch.tensor([features.shape[1] for features, _ in batch])
    target_lengths = torch.tensor([len(target) for _, target in batch])
    given = torch.nn.utils.rnn.pad_sequence([features.T for features, _ in batch], batch_first=True).transpose(1, 2)
    targets = torch.nn.utils.rnn.pad_sequence([target for _, target in batch], batch_first=True)
    given = given + 0.3 * torch.randn_like(given) + 0.5 * torch.randn(len(batch), 1, 1)
    encoded, encoded_lengths = model.encoder(audio_signal=given, length=lengths)
    decoded, _, _ = model.decoder(targets=targets, target_length=target_lengths)
    joint = model.joint(encoder_outputs=encoded, decoder_outputs=decoded)
    by_frame = torch.log_softmax(head(encoded.transpose(1, 2)), -1).transpose(0, 1)
    ctc = torch.nn.functional.ctc_loss(
        by_frame, targets, encoded_lengths, target_lengths, blank=blank, zero_infinity=True, reduction="sum"
    )
    return transducer_loss(joint, targets, encoded_lengths, target_lengths, blank).mean() + 0.5 * ctc / len(batch)


def transducer_loss(joint: Any, targets: Any, lengths: Any, target_lengths: Any, blank: int) -> Any:
    """Graves 2012, summed along the diagonals of frames and tokens, all of a batch at once."""
    import torch

    log_probabilities, impossible = torch.log_softmax(joint, -1), -1e30
    count, frames, positions, _ = log_probabilities.shape
    stay = log_probabilities[..., blank]
    index = targets[:, None, : positions - 1, None].expand(count, frames, positions - 1, 1)
    move = log_probabilities[:, :, :-1].gather(-1, index)[..., 0]
    move = torch.cat([move, torch.full((count, frames, 1), impossible)], 2)
    token, diagonal = torch.arange(positions), torch.arange(frames + positions - 1)
    frame = diagonal[:, None] - token[None]
    inside, frame = (frame >= 0) & (frame < frames), frame.clamp(0, frames - 1)
    column = token[None].expand(len(diagonal), positions)
    stay = stay[:, frame, column].masked_fill(~inside, impossible)
    move = move[:, frame, column].masked_fill(~inside, impossible)
    reached = torch.full((count, positions), impossible)
    reached = torch.cat([torch.zeros(count, 1), reached[:, 1:]], 1)
    all_reached = [reached]
    for step in range(1, len(diagonal)):
        by_stay = reached + stay[:, step - 1]
        by_move = torch.cat([torch.full((count, 1), impossible), (reached + move[:, step - 1])[:, :-1]], 1)
        both = torch.logaddexp(by_stay.clamp(min=impossible), by_move.clamp(min=impossible))
        reached = both.masked_fill(~inside[step], impossible)
        all_reached.append(reached)
    every, last = torch.arange(count), lengths - 1 + target_lengths
    return -(torch.stack(all_reached, 1)[every, last, target_lengths] + stay[every, last, target_lengths])


if __name__ == "__main__":
    main()
