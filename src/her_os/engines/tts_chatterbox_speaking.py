"""One utterance of Chatterbox: text to tokens by T3, tokens to sound by S3Gen, while the tokens are still coming.

What the library's `generate` does, in its order and with its numbers, but with the tokens taken as they are made (a
hook on `t3.speech_emb` sees each) and S3Gen asked for a stretch at a time. With one stretch it is `generate` to the
byte. Runs on the synthesis thread; left by the checkpoints' exception, or when the sound's taker raises.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from her_os.engines.own_library import library
from her_os.engines.tts_chatterbox_checkpoints import Checkpoints
from her_os.engines.tts_chatterbox_seams import CHUNK_TOKENS, LOOKAHEAD_TOKENS, TOKEN_SAMPLES, Samples, Seams
from her_os.engines.tts_chatterbox_variants import Variant
from her_os.settings.schema import TextToSpeech

_SPEECH_TOKENS = 6561
"""Tokens from here on are signs, no sound."""
_SILENCE = 4299
_FRAMES_A_TOKEN = 2
_MOST_TOKENS, _TOKENS_AT_LEAST, _TOKENS_A_CHARACTER = 1000, 75, 6
"""Nobody speaks slower than this; a model that lost its way is stopped there. 25 tokens are a second."""
_LEAST_GUIDANCE = 1e-6
"""The English model raises at 0, which is nearly this."""


class Utterances:
    """Speaks with one loaded model, one utterance at a time."""

    def __init__(self, tts: Any, variant: Variant, asked: TextToSpeech, checkpoints: Checkpoints) -> None:
        self._tts, self._variant, self._asked, self._checkpoints = tts, variant, asked, checkpoints

    def speak(self, text: str, conditionals: Any, emit: Callable[[Samples], None]) -> None:
        """Say `text`, which has something to say, in the voice of `conditionals`. `emit` gets -1 to 1 at 24 kHz."""
        torch = library("torch")

        renderer = _Renderer(self._tts, self._variant, conditionals, self._checkpoints)
        seams = Seams(renderer.render, emit, CHUNK_TOKENS if self._asked.streaming else None)
        with torch.inference_mode(), self._hearing(seams.push), self._no_hooks_left():
            self._generate(text, conditionals.t3)
            seams.close([_SILENCE] * 3 if self._variant.closing_silence else ())

    def _generate(self, text: str, condition: Any) -> None:
        """Let T3 make tokens; they are taken by the hook. The numbers are those of the library's `generate`."""
        torch = library("torch")

        t3, variant, asked = self._tts.t3, self._variant, self._asked
        normalised = sys.modules[type(self._tts).__module__].punc_norm(text)
        most = min(_MOST_TOKENS, _TOKENS_AT_LEAST + _TOKENS_A_CHARACTER * len(text))
        if variant.is_turbo:
            ids = self._tts.tokenizer(normalised, return_tensors="pt", padding=True, truncation=True).input_ids
            t3.inference_turbo(
                t3_cond=condition,
                text_tokens=ids.to(self._tts.device),
                temperature=asked.temperature,
                top_k=1000,
                top_p=variant.top_p,
                repetition_penalty=variant.repetition_penalty,
                max_gen_len=most,
            )
            return
        language = {"language_id": asked.language.lower()} if variant.is_multilingual else {}
        ids = self._tts.tokenizer.text_to_tokens(normalised, **language).to(self._tts.device)
        both = torch.cat([ids, ids])  # with and without guidance
        padded = torch.nn.functional.pad(both, (1, 0), value=t3.hp.start_text_token)
        t3.inference(
            t3_cond=condition,
            text_tokens=torch.nn.functional.pad(padded, (0, 1), value=t3.hp.stop_text_token),
            max_new_tokens=most,
            temperature=asked.temperature,
            cfg_weight=max(asked.guidance, _LEAST_GUIDANCE),
            repetition_penalty=variant.repetition_penalty,
            min_p=variant.min_p,
            top_p=variant.top_p,
        )

    @contextmanager
    def _hearing(self, push: Callable[[int], None]) -> Generator[None]:
        """Hand each new token to `push`. Only those come alone: prompts and text are looked up many at a time."""

        def see(_module: Any, given: tuple[Any, ...]) -> None:
            if given[0].numel() == 1 and (token := int(given[0])) < _SPEECH_TOKENS:
                push(token)

        handle = self._tts.t3.speech_emb.register_forward_pre_hook(see)
        try:
            yield
        finally:
            handle.remove()

    @contextmanager
    def _no_hooks_left(self) -> Generator[None]:
        """Take away what the multilingual model's alignment adds to its layers at each utterance and never removes."""
        layers = [layer.self_attn for layer in getattr(self._tts.t3.tfmr, "layers", ())]
        before = [set(layer._forward_hooks) for layer in layers]
        try:
            yield
        finally:
            self._tts.t3.patched_model = None
            for layer, own in zip(layers, before, strict=True):
                for key in set(layer._forward_hooks) - own:
                    del layer._forward_hooks[key]


class _Renderer:
    """Sound of stretches of one utterance; the vocoder's tone goes on where the stretch before left it."""

    def __init__(self, tts: Any, variant: Variant, conditionals: Any, checkpoints: Checkpoints) -> None:
        self._tts, self._variant, self._conditionals, self._checkpoints = tts, variant, conditionals, checkpoints
        self._source: Any = None
        self._source_start = 0

    def render(self, tokens: Sequence[int], start: int, last: bool) -> Samples:
        """As `Seams` asks for it."""
        torch = library("torch")

        s3gen = self._tts.s3gen
        ids = torch.tensor(tokens, dtype=torch.long, device=self._tts.device)
        mel = s3gen.flow_inference(
            ids, ref_dict=self._conditionals.gen, n_cfm_timesteps=self._variant.flow_steps, finalize=True
        )
        if not last:  # `finalize=False` would leave them out, but cuts the sound and not its mask (0.1.7)
            mel = mel[:, :, : -LOOKAHEAD_TOKENS * _FRAMES_A_TOKEN]
        earlier = None
        if self._source is not None:
            earlier = self._source[:, :, (start - self._source_start) * TOKEN_SAMPLES :]
        sound, self._source = s3gen.hift_inference(mel.to(dtype=s3gen.dtype), earlier)
        self._source_start = start
        if start == 0:
            sound[:, : len(s3gen.trim_fade)] *= s3gen.trim_fade  # of the reference clip, as the library does
        samples = sound.squeeze(0).detach().cpu().numpy()
        self._checkpoints.check("watermark", wait=True)
        return np.asarray(self._tts.watermarker.apply_watermark(samples, sample_rate=self._tts.sr), np.float32)
