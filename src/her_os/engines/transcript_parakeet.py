"""NVIDIA's Parakeet (FastConformer TDT) by onnx-asr: no torch, no NeMo, word times from the transducer itself.

Extra `parakeet`. A model is a folder with the ONNX export (encoder-model.onnx, decoder_joint-model.onnx, vocab.txt,
config.json), or a name that onnx-asr knows and fetches once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from her_os.contracts.errors import ConfigError, RecognitionError
from her_os.contracts.speech_to_text import Final, Word
from her_os.engines.recogniser_wishes import RecogniserWishes
from her_os.engines.transcript_blocks import Block, cut_at_rests
from her_os.engines.transcript_extra import import_extra, model_folder, require_installed, unusable

_BLOCK_S = 24.0
"""What the model was trained on; attention over more costs its square."""
_DEFAULT = "nemo-parakeet-tdt-0.6b-v2"
_LAST_TOKEN_MS = 240
_PROVIDERS = {"cpu": ["CPUExecutionProvider"], "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"]}


class Parakeet:
    """A RecordingRecogniser."""

    name = "parakeet"

    def __init__(self, wishes: RecogniserWishes) -> None:
        self._wishes = wishes
        self._model: Any = None

    @classmethod
    def create(cls, wishes: RecogniserWishes) -> Parakeet:
        """Not yet loaded. Raises ConfigError where the extra is not installed."""
        require_installed("onnx_asr", cls.name, wishes)
        return cls(wishes)

    def load(self) -> None:
        """Load the model. Raises ConfigError."""
        library = import_extra("onnx_asr", self.name, self._wishes)
        name, folder = model_folder(self._wishes, _DEFAULT)
        kind, quantization = ("nemo-conformer-tdt" if folder else name), self._wishes.asked.compute_type
        try:
            model = library.load_model(
                kind,
                folder,
                quantization="int8" if quantization == "int8" or _only_int8(folder) else None,
                providers=_PROVIDERS.get(self._wishes.asked.device),
            )
        except Exception as error:  # the hub, onnxruntime and onnx-asr each have their own tree
            raise unusable(self._wishes, str(folder or name), error) from error
        self._model = model.with_timestamps()

    def recognise(self, pcm: Iterable[bytes], language: str, tell: Callable[[int], None]) -> Iterator[Final]:
        """In blocks of some twenty seconds, `batch_size` of them at once."""
        if language != "en" and not self._wishes.asked.model:
            raise ConfigError(
                f"is {language!r}; {_DEFAULT} knows en only", file=self._wishes.settings.source, field="stt.language"
            )
        blocks, number = cut_at_rests(pcm, _BLOCK_S), 0
        while batch := list(islice(blocks, self._wishes.batch_size)):
            tell(batch[0][0])
            for block, result in zip(batch, self._recognised(batch), strict=True):
                words = tuple(_words(block, result))
                if words:
                    yield _final(number, words)
                    number += 1

    def unload(self) -> None:
        """Free the model."""
        self._model = None

    def _recognised(self, batch: list[Block]) -> list[Any]:
        try:
            return list(self._model.recognize([samples for _, samples in batch]))
        except Exception as error:  # onnxruntime's errors are its own
            raise RecognitionError(f"parakeet failed: {error}") from error


def _only_int8(folder: Path | None) -> bool:
    """Whether nothing else is there, as in the store's own."""
    return folder is not None and not (folder / "encoder-model.onnx").exists() and any(folder.glob("*.int8.onnx"))


def _words(block: Block, result: Any) -> Iterator[Word]:
    """Tokens joined at their leading spaces; a word ends where the next begins, the last with its last token."""
    groups: list[tuple[list[str], list[int]]] = []
    for token, second in zip(result.tokens, result.timestamps, strict=True):
        if token.startswith(" ") or not groups:
            groups.append(([], []))
        groups[-1][0].append(token)
        groups[-1][1].append(block[0] + round(second * 1000))
    length_ms = block[0] + len(block[1]) // 16
    for number, (tokens, times) in enumerate(groups):
        text = "".join(tokens).strip()
        following = groups[number + 1][1][0] if number + 1 < len(groups) else length_ms
        end = max(times[0] + 1, min(following, times[-1] + _LAST_TOKEN_MS, length_ms))
        if text:
            yield Word(text, times[0], end)


def _final(number: int, words: tuple[Word, ...]) -> Final:
    return Final(
        utterance=number,
        start_ms=words[0].start_ms,
        text=" ".join(word.text for word in words),
        audio_ms=words[-1].end_ms,
        words=words,
    )
