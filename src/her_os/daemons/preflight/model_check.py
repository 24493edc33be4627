"""Gate 0.3: the model of each configured engine is there and whole. What the store knows is compared byte by byte."""

from __future__ import annotations

import asyncio
from pathlib import Path

from her_os.daemons.mistakes import refuse_mistakes
from her_os.daemons.preflight.gate import Finding, GateClosed, Machine
from her_os.engines.llama_server_command import server_options
from her_os.engines.recogniser_wishes import RecogniserWishes, SectionName
from her_os.service.model_store.catalogue import read_catalogue
from her_os.service.model_store.store import verify
from her_os.service.model_store.stored import advice_for, store_folder, stored_folder
from her_os.settings import Settings

NUMBER, NAME, MEASURES = 3, "model files", False
_SECTIONS: tuple[SectionName, ...] = ("stt", "stt_batch", "transcripts")
_WITHOUT_A_FILE = {"pocketsphinx", "flite", "espeak"}
"""What their package carries."""
_DEFAULTS = {"faster-whisper": "small.en", "parakeet": "nemo-parakeet-tdt-0.6b-v2"}


async def check(machine: Machine) -> Finding:
    """Raises GateClosed, ConfigError."""
    return await asyncio.to_thread(_check, machine.settings)


def _check(settings: Settings) -> Finding:
    refuse_mistakes(settings, "llm")
    found = {} if settings.llm.remote else {"llm": str(server_options(settings).model)}
    for section in _SECTIONS:
        wishes = RecogniserWishes.of(settings, section)
        if wishes.engine not in _WITHOUT_A_FILE and ":" not in wishes.engine:
            found[section] = str(_folder(settings, wishes))
    checked = sorted({path for path in map(Path, found.values()) if path.is_relative_to(store_folder(settings))})
    names = sorted({path.relative_to(store_folder(settings)).parts[0] for path in checked})
    for name in names:
        if wrong := verify(store_folder(settings), name, read_catalogue(settings)):
            raise GateClosed(
                f"{name}: {'; '.join(wrong)}", f"run `her-os models remove {name}`, then `her-os models pull {name}`"
            )
    told = f"{', '.join(found)} have theirs"
    return Finding(told + (f"; compared with their SHA-256: {', '.join(names)}" if names else ""), {"models": found})


def _folder(settings: Settings, wishes: RecogniserWishes) -> Path:
    wanted = wishes.asked.model or _DEFAULTS.get(wishes.engine, "")
    if "/" in wanted:
        folder = settings.resolve(Path(wanted))
        if not folder.exists():
            raise GateClosed(f"{wishes.section}.model: there is no {folder}", "put the model there, or name another")
        return folder
    if folder := stored_folder(settings, wanted, wishes.engine):
        return folder
    cached = settings.environment.cache_dir.expanduser() / "models"
    if fetched := sorted(cached.glob(f"models--*{wanted}*/snapshots/*")):
        return fetched[-1]
    advice = advice_for(settings, wanted, wishes.engine) or "name a folder that holds it"
    raise GateClosed(f"{wishes.section}: the model {wanted or 'of ' + wishes.engine} is not here", advice)
