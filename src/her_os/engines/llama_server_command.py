"""How llama-server is started: which program, with which flags. The wheel's server takes the same options.

Sources: llama.cpp `common/arg.cpp` and `tools/server/README.md` (flags), our own measurements for the sizes of
the batches (a cancelled prompt is given up after about two of them).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from her_os.contracts.errors import ConfigError
from her_os.service.auth import is_loopback
from her_os.service.model_store.stored import advice_for, gguf_in, stored_folder
from her_os.settings import Settings

EMBEDDED = "embedded"
EMBEDDED_FILE = "her-os-embedded.gguf"
CACHE_REUSE_TOKENS = 32
"""Shortest stretch of a changed prompt that is taken from the cache by shifting it."""
CACHE_RAM_MIB = 0
"""Prompts of calls that are over would be kept there and never asked for again: each call has a slot of its own."""
_NEWER_FLAGS = {
    "--cache-ram": 1,
    "--cache-reuse": 1,
    "--no-ui": 0,
    "--offline": 0,
    "--reasoning-budget": 1,
    "-lv": 1,
    "-fa": 1,
    "--device": 1,
}
"""Flags that an older binary may not know, with the number of their values; left out where `--help` lacks them."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What the server is told. `context_tokens` is for each of the `slots`."""

    model: Path
    host: str
    port: int
    slots: int
    context_tokens: int
    threads: int
    batch: int
    gpu_layers: int
    verbosity: int = 1
    """llama.cpp's: 1 errors, 3 a dozen lines a request."""
    draft: Path | None = None
    """The model that guesses ahead."""
    draft_tokens: int = 0
    extra_args: tuple[str, ...] = ()


def server_options(settings: Settings) -> ServerOptions:
    """The options that the settings ask for. Raises ConfigError for a host beyond loopback or a missing model."""
    llm = settings.llm
    if not is_loopback("127.0.0.1" if llm.host == "localhost" else llm.host):
        raise ConfigError(
            f"is {llm.host!r}; the language model listens on loopback only, use 127.0.0.1",
            file=settings.source,
            field="llm.host",
        )
    return ServerOptions(
        model=_model_file(settings, llm.model, "llm.model"),
        draft=_model_file(settings, llm.draft_model, "llm.draft_model") if llm.draft_model else None,
        draft_tokens=llm.draft_tokens,
        host=llm.host,
        port=llm.port,
        slots=settings.phone.max_calls,
        context_tokens=llm.context_tokens,
        threads=llm.threads,
        batch=llm.batch,
        gpu_layers=llm.gpu_layers,
        verbosity=3 if settings.environment.log_level == "DEBUG" else 1,
        extra_args=llm.extra_args,
    )


def is_embedded(settings: Settings) -> bool:
    """Whether the tiny model that ships with her-os is the one to load."""
    return settings.llm.model == EMBEDDED and not settings.llm.remote


def find_server(settings: Settings, search_path: str | None = None) -> Path | None:
    """The llama-server to run: the configured one, on PATH, or our own build. None: use the wheel's server.

    Raises ConfigError when the configured one cannot be executed.
    """
    if settings.llm.server_binary:
        binary = settings.resolve(Path(settings.llm.server_binary))
        if not (binary.is_file() and os.access(binary, os.X_OK)):
            raise ConfigError(
                f"{binary} is not a program that can be run; give the path of llama-server, or leave it empty",
                file=settings.source,
                field="llm.server_binary",
            )
        return binary
    if on_path := shutil.which("llama-server", path=search_path):
        return Path(on_path)
    builds = sorted((settings.environment.cache_dir.expanduser() / "llama-server").glob("*/llama-server"), key=_version)
    return next((build for build in reversed(builds) if os.access(build, os.X_OK)), None)


def server_arguments(options: ServerOptions, help_text: str | None = None) -> list[str]:
    """The flags for a real llama-server. Those that `help_text` (its `--help`) does not name are left out.

    The API key is not among them, for everyone can read a command line; see `api_key_file`.
    """
    arguments = [
        *("-m", str(options.model)),
        *("--host", options.host),
        *("--port", str(options.port)),
        *("-np", str(options.slots)),
        *("-c", str(options.context_tokens * options.slots)),
        *("-t", str(options.threads)),
        *("-b", str(options.batch)),
        *("-ub", str(options.batch)),
        *(("-ngl", str(options.gpu_layers)) if options.gpu_layers else ("--device", "none")),
        *("-fa", "auto"),
        *("--cache-reuse", str(CACHE_REUSE_TOKENS)),
        *("--cache-ram", str(CACHE_RAM_MIB)),
        *("--reasoning-budget", "0"),
        *("-lv", str(options.verbosity)),
        "--slots",
        "--metrics",
        "--no-ui",
        "--offline",
    ]
    if options.draft is not None:
        arguments += ["-md", str(options.draft)]
        arguments += ["--draft-max", str(options.draft_tokens)] if options.draft_tokens else []
    if help_text is not None:
        arguments = _known_only(arguments, help_text)
    return [*arguments, *options.extra_args]


def server_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The server's environment: without LLAMA_ARG_* and LLAMA_API_KEY, so that only our configuration decides."""
    return {name: value for name, value in environ.items() if not name.startswith(("LLAMA_ARG_", "LLAMA_API_KEY"))}


def api_key_file(api_key: str) -> Path:
    """A file for `--api-key-file` that lies in memory, for this process and the one it becomes; on no disk."""
    descriptor = os.memfd_create("api-key", 0)  # inherited by exec
    os.write(descriptor, f"{api_key}\n".encode())
    return Path(f"/proc/self/fd/{descriptor}")


def read_help(binary: Path, timeout_s: float = 30.0) -> str:
    """What `binary --help` prints. Raises ConfigError when it does not run."""
    try:
        result = subprocess.run(  # noqa: S603 - the operator named this program
            [str(binary), "--help"], capture_output=True, text=True, errors="replace", timeout=timeout_s, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(
            f"{binary} does not run ({error}); try `{binary} --help`, or build one: ./start.sh --build-llama-server",
            field="llm.server_binary",
        ) from error
    return result.stdout


def _model_file(settings: Settings, wanted: str, field: str) -> Path:
    if wanted == EMBEDDED:
        file = Path(str(resources.files("her_os") / "data" / EMBEDDED_FILE))
        advice = "the installation is incomplete; install her-os again, or train it: scripts/train_embedded_model.py"
    else:
        file = settings.resolve(Path(wanted))
        advice = advice_for(settings, wanted, "llm") or (
            "give the path of a GGUF file, a name of `her-os models list`, or `embedded` for the tiny model that "
            "ships with her-os"
        )
        if not file.is_file() and (folder := stored_folder(settings, wanted, "llm")):
            file = gguf_in(folder) or folder / "model.gguf"
    if not file.is_file():
        raise ConfigError(f"there is no file {file}; {advice}", file=settings.source, field=field)
    return file


def _known_only(arguments: list[str], help_text: str) -> list[str]:
    known = set(re.findall(r"(?<![\w-])-{1,2}[a-z][\w-]*", help_text))
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument in _NEWER_FLAGS and argument not in known:
            for _ in range(_NEWER_FLAGS[argument]):
                next(rest)
            continue
        kept.append(argument)
    return kept


def _version(build: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", build.parent.name))
