"""llama.cpp's own HTTP server out of the xllamacpp wheel, in this process: same options, endpoints and behaviour.

For a first start that takes seconds. xllamacpp has no type stubs: the Protocols here are all we use of it.
"""

from __future__ import annotations

import importlib
from typing import Any, Protocol, cast

from her_os.contracts.errors import ConfigError, EngineError
from her_os.engines.llama_server_command import CACHE_RAM_MIB, CACHE_REUSE_TOKENS, ServerOptions


class _Model(Protocol):
    path: str


class _Threads(Protocol):
    n_threads: int


class _Sampling(Protocol):
    reasoning_budget_tokens: int


class _Params(Protocol):
    model: _Model
    cpuparams: _Threads
    sampling: _Sampling
    hostnames: list[str]
    port: int
    api_keys: list[str]
    n_parallel: int
    n_ctx: int
    n_batch: int
    n_ubatch: int
    n_gpu_layers: int
    n_cache_reuse: int
    cache_ram_mib: int
    verbosity: int
    endpoint_slots: bool
    endpoint_metrics: bool
    ui: bool
    offline: bool


class WheelServer(Protocol):
    """A running server. It serves on threads of its own for as long as the object lives."""

    @property
    def listening_address(self) -> str: ...


class _Xllamacpp(Protocol):
    def CommonParams(self) -> _Params: ...

    def Server(self, params: _Params) -> WheelServer: ...


def start_wheel_server(options: ServerOptions, api_key: str) -> WheelServer:
    """Start the server; returns when the model is loaded. Meanwhile `/health` answers 503 on the port.

    It holds the interpreter all that time: no Python code runs, no Python signal handler either.
    Raises ConfigError (the wheel is missing, or cannot take `extra_args`), EngineError (see the log above it).
    """
    if options.extra_args:
        raise ConfigError(
            "needs a real llama-server, which is not installed: run ./start.sh --build-llama-server, or remove it",
            field="llm.extra_args",
        )
    if options.draft is not None:
        raise ConfigError(
            "needs a real llama-server, which is not installed: run ./start.sh --build-llama-server, or remove it",
            field="llm.draft_model",
        )
    try:
        xllamacpp = cast("_Xllamacpp", cast(Any, importlib.import_module("xllamacpp")))
    except ImportError as error:
        raise ConfigError(
            f"there is no llama-server, and the xllamacpp wheel does not load ({error}); "
            "run ./start.sh --build-llama-server",
            field="llm.server_binary",
        ) from error
    params = xllamacpp.CommonParams()
    params.model.path = str(options.model)
    params.hostnames, params.port = [options.host], options.port
    params.api_keys = [api_key]
    params.n_parallel = options.slots
    params.n_ctx = options.context_tokens * options.slots
    params.cpuparams.n_threads = options.threads
    params.n_batch = params.n_ubatch = options.batch
    params.n_gpu_layers = options.gpu_layers
    params.n_cache_reuse = CACHE_REUSE_TOKENS
    params.cache_ram_mib = CACHE_RAM_MIB
    params.verbosity = options.verbosity
    params.sampling.reasoning_budget_tokens = 0
    params.endpoint_slots = params.endpoint_metrics = True
    params.ui, params.offline = False, True
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise EngineError(
            f"llama.cpp could not start on {options.host}:{options.port} with {options.model}; its reason is in "
            "the lines above (the port is taken, or the file is not a GGUF model it knows)"
        ) from error
