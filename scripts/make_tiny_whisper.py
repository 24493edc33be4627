#!/usr/bin/env python3
"""Trains a tiny Whisper on four sentences of flite and converts it for CTranslate2: 1 MB that runs the real code.

After ten minutes on two busy cores it returns the two longest exactly and knows nothing else; tests of the
faster-whisper engine need no more. The result is committed under tests/data/tiny-whisper. To make it anew, in a
throw-away environment with torch, transformers and faster-whisper, beside our own:

    PYTHONPATH=.:src:.venv/lib/python3.11/site-packages THROW_AWAY/bin/python scripts/make_tiny_whisper.py   # minutes
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SENTENCES = (
    "set a timer for ten minutes",
    "what time is it",
    "please call the dentist tomorrow",
    "thank you goodbye",
)
VOICES = ("slt",)
SPECIAL = (
    *("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>"),
    *("<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"),
)
SEED, WIDTH = 7, 64


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=420, help="longest training")
    parser.add_argument("--out", type=Path, default=Path("tests/data/tiny-whisper"))
    given = parser.parse_args()
    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import WhisperFeatureExtractor

    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = make_tokenizer(folder)
        model = make_model(tokenizer)
        extractor = WhisperFeatureExtractor(feature_size=80)
        train(model, tokenizer, extractor, given.seconds)
        model.save_pretrained(folder)
        extractor.save_pretrained(folder)
        copied = ["tokenizer.json", "preprocessor_config.json"]
        TransformersConverter(folder, copy_files=copied).convert(str(given.out), quantization="int8", force=True)
    print({file.name: file.stat().st_size for file in given.out.iterdir()})


def make_tokenizer(folder: str):
    """Bytes and pairs of the sentences, then Whisper's special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=[], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([" " + sentence for sentence in SENTENCES], trainer)
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.add_special_tokens([f"<|{number * 0.02:.2f}|>" for number in range(1501)])
    tokenizer.save(folder + "/tokenizer.json")
    end = "<|endoftext|>"
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end, bos_token=end, unk_token=end).save_pretrained(
        folder
    )
    return tokenizer


def make_model(tokenizer):
    """Two layers each, with random weights."""
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    end = tokenizer.token_to_id("<|endoftext|>")
    config = WhisperConfig(
        vocab_size=tokenizer.get_vocab_size(), num_mel_bins=80, d_model=WIDTH, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=2 * WIDTH, decoder_ffn_dim=2 * WIDTH,
        max_source_positions=1500, max_target_positions=448, pad_token_id=end, bos_token_id=end, eos_token_id=end,
        decoder_start_token_id=tokenizer.token_to_id("<|startoftranscript|>"), suppress_tokens=None,
        begin_suppress_tokens=None,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    generation = model.generation_config
    generation.suppress_tokens, generation.begin_suppress_tokens = [], []
    generation.lang_to_id = {"<|en|>": tokenizer.token_to_id("<|en|>")}
    generation.no_timestamps_token_id = tokenizer.token_to_id("<|notimestamps|>")
    generation.alignment_heads = [[1, 0], [1, 1]]
    return model


def train(model, tokenizer, extractor, seconds: float) -> None:
    """Until it knows them by heart, wherever in the half minute a sentence begins and however loud it is."""
    import torch

    random = np.random.default_rng(SEED)
    spoken = asyncio.run(speak_all())
    start, plain = tokenizer.token_to_id("<|startoftranscript|>"), tokenizer.token_to_id("<|notimestamps|>")
    end = tokenizer.token_to_id("<|endoftext|>")
    targets = [[start, plain, *tokenizer.encode(" " + text).ids, end] for text, _ in spoken]
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    began, step, recent = time.monotonic(), 0, 9.0
    while time.monotonic() - began < seconds and recent > 0.004:
        rows = random.integers(0, len(spoken), 4)
        sounds = [varied(spoken[row][1], random) for row in rows]
        features = torch.tensor(np.stack([extractor(s, sampling_rate=16_000).input_features[0] for s in sounds]))
        length = max(len(targets[row]) for row in rows)
        ids = torch.full((len(rows), length), -100)
        for number, row in enumerate(rows):
            ids[number, : len(targets[row])] = torch.tensor(targets[row])
        given = torch.where(ids[:, :-1] < 0, torch.tensor(end), ids[:, :-1])
        wanted = ids[:, 1:].clone()
        wanted[:, :1] = -100
        logits = model(input_features=features, decoder_input_ids=given).logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), wanted.reshape(-1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step, recent = step + 1, 0.95 * recent + 0.05 * loss.item()
        if step % 50 == 0:
            print(step, f"{recent:.4f}", f"{time.monotonic() - began:.0f} s", flush=True)
    model.eval()


def varied(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Later, louder or softer, and in a room that is not quite silent."""
    lead = np.zeros(int(random.integers(0, 8_000)), np.float32)
    tail = np.zeros(int(random.integers(0, 8_000)), np.float32)
    whole = np.concatenate((lead, sound * random.uniform(0.5, 1.2), tail)).astype(np.float32)
    return whole + random.normal(0, 10 ** random.uniform(-5, -4), len(whole)).astype(np.float32)


async def speak_all() -> list[tuple[str, np.ndarray]]:
    """Each sentence in each voice, as float samples at 16 kHz."""
    from tests.e2e.voices import speak

    return [
        (text, np.frombuffer(await speak(text, voice), dtype="<i2").astype(np.float32) / 32_768)
        for text in SENTENCES
        for voice in VOICES
    ]


if __name__ == "__main__":
    main()
