"""Chatterbox in the text-to-speech daemon, as operators and calls have it (`./start.sh test --engines`).

The tiny models have random weights, so nobody understands them; every byte comes through the library's own code. What
looks into the model is `inside_chatterbox.py`, which runs on the engine's interpreter.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import aiohttp
import psutil
import pytest

from her_os.engines.tts_chatterbox_variants import VARIANTS
from tests.cli.test_commands import ROOT
from tests.daemons.test_tts_process import daemon, her_os, write_configuration
from tests.daemons.tts_daemon import TOKEN
from tests.engines.test_recording_engines import Environment, environment  # noqa: F401 - a fixture
from tests.engines.test_tts_chatterbox_parts import write_wav
from tests.ports import free_port

pytestmark = [pytest.mark.engines, pytest.mark.timeout(900)]
LONG = "The quick brown fox jumps over the lazy dog near the river bank, and then it goes home. " * 10
Household = Callable[..., tuple[dict[str, str], str]]


@pytest.fixture(scope="module")
def python(environment: Environment) -> Path:  # noqa: F811
    return environment("chatterbox")


@pytest.fixture(scope="module")
def models(python: Path) -> Path:
    """Tiny models, made once for each version of the script that makes them."""
    script = ROOT / "scripts" / "make_tiny_chatterbox.py"
    folder = python.parents[2] / f"tiny-chatterbox-{hashlib.sha256(script.read_bytes()).hexdigest()[:12]}"
    for engine in VARIANTS:
        if not (folder / engine / "conds.pt").exists():  # the last of its files
            subprocess.run([python, script, folder / engine, "--engine", engine], check=True, capture_output=True)
    return folder


@pytest.fixture
def household(python: Path, models: Path, tmp_path: Path) -> Household:
    """Writes a configuration; gives the environment that names it, and the daemon's address."""

    def write(engine: str, model: Path | None = None, **wishes: object) -> tuple[dict[str, str], str]:
        port = free_port()
        made = write_configuration(tmp_path, port)
        tts = {"engine": engine, "python": str(python), "model": str(model or models / engine), **wishes}
        lines = "".join(f"  {name}: {json.dumps(value)}\n" for name, value in tts.items())
        (tmp_path / "her-os.yaml").write_text(f"tts:\n  port: {port}\n{lines}")
        return made, f"http://127.0.0.1:{port}"

    return write


def test_inside_its_own_environment(python: Path, models: Path) -> None:
    """What only an observer inside the model can see; see that file."""
    done = subprocess.run(
        [python, "-m", "pytest", "-p", "no:cacheprovider", "-n", "0", "-q", "-o", "addopts=", "-o", "filterwarnings=",
         "--disable-warnings", ROOT / "tests" / "engines" / "inside_chatterbox.py"],
        env={**os.environ, "HER_OS_TINY_CHATTERBOX": str(models)}, cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.parametrize("engine", sorted(VARIANTS))
async def test_it_speaks_is_cancelled_and_speaks_again(engine: str, household: Household, tmp_path: Path) -> None:
    voices = tmp_path / "voices"
    voices.mkdir()
    write_wav(voices / "anna.wav", 6)
    made, url = household(engine, voices=str(voices))
    async with (
        daemon(made, url, patience_s=600) as process,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http,
    ):
        command = psutil.Process(process.pid).cmdline()
        assert "/.cache/engines/chatterbox/" in command[0], "the same process, on the engine's interpreter"

        async def speak(session: str, text: str, voice: str = "") -> bytes:
            body = {"session_id": session, "text": text, "voice": voice}
            async with http.post(f"{url}/v1/synthesize", json=body) as response:
                assert response.status == 200, await response.text()
                assert response.headers["Content-Type"] == "audio/pcm;rate=24000"
                return await response.read()

        own, imitated = await speak("a.1", "Hello."), await speak("a.2", "Hello.", "anna")
        assert min(len(own), len(imitated)) > 24_000
        assert own != imitated
        async with http.post(f"{url}/v1/synthesize", json={"session_id": "a.3", "text": LONG}) as response:
            first = await response.content.readany()
            assert first
            async with http.post(f"{url}/cancel/a.3") as answer:
                report = await answer.json()
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        assert (report["cancelled"], report["state"], report["steps_after_cancel"]) == (1, "running", 0)
        assert report["stopped_after_ms"] > 0
        assert len(await speak("a.4", "Hello.")) > 24_000
        async with http.post(
            f"{url}/v1/synthesize", json={"session_id": "a.5", "text": "Hi.", "voice": "x"}
        ) as refused:
            assert refused.status == 400
            assert "known: default, anna" in await refused.text()
        async with http.post(f"{url}/v1/synthesize", json={"session_id": "a.6", "text": "..."}) as silent:
            assert (silent.status, await silent.read()) == (200, b"")


async def test_a_broken_model_ends_the_daemon_with_what_to_mend(
    household: Household, models: Path, tmp_path: Path
) -> None:
    """One of the ways; `inside_chatterbox.py` has them all."""
    folder = tmp_path / "weights"
    shutil.copytree(models / "chatterbox", folder)
    (folder / "s3gen.safetensors").write_text("<html>404 not found</html>")
    made, _ = household("chatterbox", folder)
    status, _, err = await her_os(made, "daemon", "tts")
    assert status == 78
    assert "Traceback" not in err
    assert f"her-os.yaml:5: tts.model: {folder}/s3gen.safetensors cannot be read (" in err


async def test_what_cannot_fit_is_refused_before_it_is_loaded(household: Household) -> None:
    made, _ = household("chatterbox", memory_budget_mb=500)
    status, _, err = await her_os(made, "daemon", "tts")
    assert status == 78
    assert "tts.memory_budget_mb: is 500; the model needs about" in err
    assert "Traceback" not in err


async def test_an_environment_without_the_package_and_one_that_is_none(household: Household) -> None:
    for python, said in (
        (str(ROOT / ".venv" / "bin" / "python"), "tts.engine: chatterbox is not installed here; run scripts/"),
        ("/nowhere/python", "tts.python: /nowhere/python is no program; run scripts/engine_environment.sh"),
    ):
        made, _ = household("chatterbox", python=python)
        status, _, err = await her_os(made, "daemon", "tts")
        assert (status, "Traceback" in err) == (78, False)
        assert said in err
