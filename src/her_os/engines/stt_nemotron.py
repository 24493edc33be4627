"""Cache-aware streaming FastConformer transducers (NVIDIA Nemotron streaming) as a SpeechToTextEngine, through NeMo.

Needs an environment of its own (scripts/engine_environment.sh nemotron), on which the whole daemon then runs, and a
`.nemo` file. Each chunk of sound goes through the model once; `stt.latency_ms` says how long a chunk is, which is how
far the model looks ahead. Nothing here imports torch before `load`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from her_os.contracts.audio import CONVERSATION_RATE
from her_os.contracts.errors import ConfigError, EngineError, is_out_of_memory
from her_os.contracts.speech_to_text import RecognitionSession
from her_os.engines.own_library import library
from her_os.engines.stt_incremental_features import IncrementalFeatures
from her_os.engines.stt_nemotron_session import Chunking, NemotronSession
from her_os.engines.stt_nemotron_steps import Step, Steps, run_batch
from her_os.settings import Settings

log = logging.getLogger(__name__)
LOOK_AHEAD = {80: 0, 160: 1, 560: 6, 1120: 13}
"""Frames of 80 ms that the model looks ahead, by the length of a chunk in milliseconds."""


class NemotronEngine:
    """One model for all sessions, whose chunks are batched."""

    name = "nemotron"
    sample_rate = CONVERSATION_RATE

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError for what can be seen without the model."""
        self._asked = settings.stt
        if not self._asked.python and importlib.util.find_spec("nemo") is None:
            raise _not_installed()
        if not self._asked.model:
            raise ConfigError(
                "is empty; name the .nemo file of a streaming model, such as nemotron-speech-streaming-en-0.6b",
                field="stt.model",
            )
        self._file = settings.resolve(Path(self._asked.model))
        if not self._file.is_file():
            raise ConfigError(f"there is no file {self._file}; give the path of a .nemo file", field="stt.model")
        self._at_once = 2 * settings.phone.max_calls
        self._model: Any = None
        self._freeing: ThreadPoolExecutor | None = None

    def load(self) -> None:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        try:
            torch = library("torch")
            ASRModel = library("nemo.collections.asr.models").ASRModel
            nemo_logging = library("nemo.utils").logging
        except ModuleNotFoundError as error:
            if error.name not in {"torch", "nemo"}:
                raise
            raise _not_installed() from error
        nemo_logging.setLevel(logging.ERROR)
        if self._asked.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("is cuda, and torch sees no such card here; set auto or cpu", field="stt.device")
        device = "cuda" if self._asked.device != "cpu" and torch.cuda.is_available() else "cpu"
        torch.set_num_threads(1)
        try:
            model: Any = ASRModel.restore_from(str(self._file), map_location="cpu")
            self._check(model)
            self._model = model.to(device).eval()
        except ConfigError:
            raise
        except Exception as error:  # tar, yaml, hydra, pickle and torch have a tree each
            if is_out_of_memory(error) or "allocate memory" in str(error) or "out of memory" in str(error):
                raise EngineError(
                    f"{self._file} does not fit into the memory of {device}; end what else is there"
                ) from None
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            raise ConfigError(f"{self._file} cannot be loaded ({reason}); fetch it again", field="stt.model") from error
        self._prepare(device)

    def _check(self, model: Any) -> None:
        """Raise ConfigError unless it is a streaming transducer that knows the profile."""
        encoder, wanted = getattr(model, "encoder", None), LOOK_AHEAD[self._asked.latency_ms]
        known = [tuple(pair) for pair in getattr(encoder, "att_context_size_all", None) or ()]
        if not hasattr(model, "joint") or not hasattr(encoder, "get_initial_cache_state") or not known:
            raise ConfigError(
                f"{self._file} is a {type(model).__name__}, no cache-aware streaming transducer", field="stt.model"
            )
        if wanted not in {ahead for _, ahead in known}:
            lengths = [ms for ms, ahead in LOOK_AHEAD.items() if ahead in {right for _, right in known}]
            raise ConfigError(f"is {self._asked.latency_ms}; {self._file} knows {lengths}", field="stt.latency_ms")

    def _prepare(self, device: str) -> None:
        torch = library("torch")

        model, encoder = self._model, self._model.encoder
        wanted = LOOK_AHEAD[self._asked.latency_ms]
        encoder.set_default_att_context_size(
            next(list(pair) for pair in encoder.att_context_size_all if pair[1] == wanted)
        )
        features = model.cfg.preprocessor
        hop, fft = round(features.window_stride * CONVERSATION_RATE), int(features.n_fft)
        model.preprocessor.featurizer.dither = 0.0
        model.preprocessor.featurizer.pad_to = 0

        def extract(samples: Any) -> Any:
            given = torch.from_numpy(samples)[None].to(device)
            length = torch.tensor([given.shape[1]], device=device)
            with torch.inference_mode():
                return model.preprocessor(input_signal=given, length=length)[0]

        self._new_features = partial(IncrementalFeatures, extract, hop, fft)
        asked = encoder.streaming_cfg
        self._chunking = Chunking(
            sizes=_pair(asked.chunk_size),
            shifts=_pair(asked.shift_size),
            lookback=_pair(asked.pre_encode_cache_size),
            drop_extra=int(asked.drop_extra_pre_encoded),
            bands=int(features.features),
            frame_ms=round(features.window_stride * 1000) * int(model.cfg.encoder.subsampling_factor),
        )
        self._steps = Steps(self._run, self._at_once)
        self._freeing = ThreadPoolExecutor(1, thread_name_prefix="stt-cache") if device == "cuda" else None
        warm = self.open_session("warm", "en")
        warm.accept(bytes(2 * CONVERSATION_RATE * 2))
        warm.finalize()
        warm.close()

    @property
    def largest_batch(self) -> int:
        """The most sessions that one step served so far."""
        return self._steps.largest

    def open_session(self, session_id: str, language: str) -> RecognitionSession:
        if self._model is None:
            raise EngineError("nemotron is not loaded")
        model = self._model
        pieces: Callable[[Sequence[int]], Sequence[str]] = lambda ids: model.tokenizer.ids_to_tokens(list(ids))  # noqa: E731
        return NemotronSession(
            self._steps,
            self._chunking,
            self._new_features,
            partial(model.encoder.get_initial_cache_state, batch_size=1),
            pieces,
            self._empty_cache,
        )

    def unload(self) -> None:
        self._model = None
        if self._freeing is not None:
            self._empty_cache()
            self._freeing.shutdown()
            self._freeing = None

    def _run(self, batch: Sequence[Step]) -> None:
        run_batch(self._model, batch)

    def _empty_cache(self) -> None:
        """On a thread of its own: it blocks, and nobody shall wait for it."""
        if self._freeing is not None:
            torch = library("torch")

            with contextlib.suppress(RuntimeError):  # the engine is being unloaded
                self._freeing.submit(torch.cuda.empty_cache)


def _pair(value: Any) -> tuple[int, int]:
    """NeMo writes one number where the first chunk and the later ones are alike."""
    first, later = value if hasattr(value, "__len__") else (value, value)
    return int(first), int(later)


def _not_installed() -> ConfigError:
    return ConfigError(
        "nemotron is not installed here; run scripts/engine_environment.sh nemotron, which says what to write into "
        "stt.python",
        field="stt.engine",
    )
