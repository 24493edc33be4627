"""The streaming transducer in the speech-to-text daemon, as calls have it (`./start.sh test --engines`).

What looks into the model is `inside_nemotron.py`, which runs on the engine's interpreter.
"""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import psutil
import pytest

from her_os.clients.stt_client import SttClient
from her_os.contracts.speech_to_text import Partial
from her_os.engines.tts_flite import FliteEngine
from her_os.settings import load_settings
from tests.cli.test_commands import ROOT
from tests.daemons.test_tts_process import health, her_os
from tests.daemons.tts_daemon import TOKEN
from tests.engines.test_recording_engines import Environment, environment  # noqa: F401 - a fixture
from tests.engines.test_tts_engines import speak
from tests.ports import free_port

pytestmark = [pytest.mark.engines, pytest.mark.timeout(900)]
MODEL = ROOT / "tests" / "data" / "tiny-nemotron" / "tiny.nemo"
SENTENCE = "set the timer for ten minutes please"


@pytest.fixture(scope="module")
def python(environment: Environment) -> Path:  # noqa: F811
    return environment("nemotron")


def configured(folder: Path, python: Path, model: Path, port: int) -> dict[str, str]:
    """The environment of a household that listens with the model on `port`."""
    (folder / "her-os.yaml").write_text(
        f"stt:\n  port: {port}\n  engine: nemotron\n  python: {python}\n  model: {model}\n  latency_ms: 160\n"
    )
    secrets = folder / "secrets.env"
    names = ("STT", "TTS", "PHONE", "LOADER")
    secrets.write_text("".join(f"HER_OS_{n}_TOKEN={TOKEN}\n" for n in names) + f"HER_OS_LLM_API_KEY={TOKEN}\n")
    secrets.chmod(0o600)
    named = {"HER_OS_CONFIG": folder / "her-os.yaml", "HER_OS_SECRETS_FILE": secrets, "HER_OS_STATE_DIR": folder}
    return {"PATH": "/usr/bin:/bin", "HOME": str(folder), **{name: str(path) for name, path in named.items()}}


def test_inside_its_own_environment(python: Path) -> None:
    """Offline, the library's buffer and 20 ms pushes at all four latencies; see that file."""
    done = subprocess.run(
        [python, "-m", "pytest", "-p", "no:cacheprovider", "-n", "0", "-q", "-o", "addopts=", "-o", "filterwarnings=",
         "--disable-warnings", ROOT / "tests" / "engines" / "inside_nemotron.py"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]


async def test_a_call_is_heard_word_by_word_on_the_engines_interpreter(python: Path, tmp_path: Path) -> None:
    port = free_port()
    made = configured(tmp_path, python, MODEL, port)
    process = await asyncio.create_subprocess_exec(
        ROOT / ".venv" / "bin" / "python", "-m", "her_os.cli", "daemon", "stt", env=made
    )
    try:
        async with asyncio.timeout(300):
            while await health(f"http://127.0.0.1:{port}") != 200:
                assert process.returncode is None
                await asyncio.sleep(0.2)
        assert psutil.Process(process.pid).cmdline()[0] == str(python), "the same process"
        voice = FliteEngine()
        voice.load()
        client = SttClient(load_settings(tmp_path / "her-os.yaml"), TOKEN, "call-1")
        told: list[Partial] = []
        client.on_partial = told.append
        try:
            await client.open()
            client.push(b"".join(speak(voice, SENTENCE)[1]) + bytes(16_000), 0)
            final = await client.finalize()
            assert final.text, "which words it hears is not asked: the tiny model is trained too briefly"
            assert [word.text for word in final.words] == final.text.split()
            assert told
            assert all(final.text.startswith(partial.text) for partial in told)
        finally:
            await client.close()
    finally:
        process.terminate()
        assert await process.wait() == 0


async def test_a_model_that_does_not_stream_is_refused(python: Path, tmp_path: Path) -> None:
    file = tmp_path / "cut.nemo"
    file.write_bytes(MODEL.read_bytes()[:50_000])
    status, _, err = await her_os(configured(tmp_path, python, file, free_port()), "daemon", "stt")
    assert status == 78
    assert f"her-os.yaml:5: stt.model: {file} cannot be loaded (" in err
    assert "Traceback" not in err
