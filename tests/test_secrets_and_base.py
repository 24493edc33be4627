"""Secrets are made, private, and never an example; and the base environment does without torch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from her_os.service.install.machine import _missing_secrets
from her_os.settings import load_secrets
from her_os.settings.secrets import token_names

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "config" / "her-os-secrets.env.example"


def dev_setup(file: Path) -> str:
    done = subprocess.run([ROOT / "config" / "dev-setup.sh", file], check=True, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_the_setup_writes_random_private_secrets_and_prints_none(tmp_path: Path) -> None:
    first, second = tmp_path / "new" / "secrets.env", tmp_path / "second.env"
    said = dev_setup(first)
    dev_setup(second)
    tokens = [line.partition("=")[2] for line in first.read_text().splitlines()]
    assert len(set(tokens)) == len(token_names()) == 5
    assert not any(token in said for token in tokens)
    assert first.stat().st_mode & 0o777 == 0o600
    assert first.parent.stat().st_mode & 0o777 == 0o700
    assert not set(tokens) & {line.partition("=")[2] for line in second.read_text().splitlines()}
    assert load_secrets(first, {}).phone_token in tokens


def test_the_setup_keeps_what_is_good_and_replaces_what_is_empty_short_or_an_example(tmp_path: Path) -> None:
    file = tmp_path / "secrets.env"
    dev_setup(file)
    kept = load_secrets(file, {}).stt_token
    file.write_text(
        f"# mine\nHER_OS_STT_TOKEN={kept}\nHER_OS_TTS_TOKEN=\nHER_OS_LLM_API_KEY=please-change-me-soon\n"
        "HER_OS_PHONE_TOKEN=short\nHER_OS_TRUNK_PBX_PASSWORD=provider\n"
    )
    dev_setup(file)
    secrets = load_secrets(file, {})
    assert secrets.stt_token == kept
    assert secrets.trunk_passwords == {"pbx": "provider"}
    assert "# mine" in file.read_text()


def test_the_example_names_every_token_and_holds_none() -> None:
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    assert lines == [f"{name}=" for name in token_names()]


def test_an_installation_mends_empty_tokens_and_leaves_passwords_to_the_owner(tmp_path: Path) -> None:
    file = tmp_path / "secrets.env"
    assert _missing_secrets(file) == list(token_names())
    file.write_text("HER_OS_STT_TOKEN=\nHER_OS_TTS_TOKEN=0f1e2d3c4b5a69788796\n")
    assert _missing_secrets(file) == [name for name in token_names() if name != "HER_OS_TTS_TOKEN"]


EVERY_DAEMON = """
from her_os.cli.daemon import DaemonName, daemon
for name in DaemonName:
    try:
        daemon(name)
    except BaseException as end:
        print(name.value, type(end).__name__, getattr(end, "exit_code", getattr(end, "code", end)), flush=True)
"""


@pytest.mark.parametrize("bad", ["", "change-me-change-me"])
def test_every_daemon_refuses_an_empty_or_example_token_and_says_how_to_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: str
) -> None:
    file = tmp_path / "secrets.env"
    dev_setup(file)
    text = re.sub(r"HER_OS_PHONE_TOKEN=.*", f"HER_OS_PHONE_TOKEN={bad}", file.read_text())
    file.write_text(text)
    monkeypatch.setenv("HER_OS_SECRETS_FILE", str(file))
    done = subprocess.run([sys.executable, "-c", EVERY_DAEMON], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"{name} Exit 78" for name in ("llm", "stt", "stt-batch", "tts", "wake", "phone", "transcripts", "loader")
    ]
    complaints = [line for line in done.stderr.splitlines() if "HER_OS_PHONE_TOKEN" in line]
    assert len(complaints) == 8
    assert all("run config/dev-setup.sh" in line and str(file) in line for line in complaints)
    values = (line.partition("=")[2] for line in text.splitlines())
    assert not any(value in done.stderr for value in values if value)


EVERY_MODULE = """
import importlib, pkgutil, sys, her_os
for module in pkgutil.walk_packages(her_os.__path__, "her_os."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print("torch" in sys.modules)
"""


def test_the_base_environment_never_imports_torch(tmp_path: Path) -> None:
    for lock in ("requirements.lock", "requirements-dev.lock", "requirements-carried.lock"):
        assert not re.search(r"^torch(audio|vision)?==", (ROOT / lock).read_text(), re.MULTILINE), lock
    mark = tmp_path / "torch-was-imported"
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(f"open({str(mark)!r}, 'w').close()")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}){EVERY_MODULE}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("False\n", 0), done.stderr[-2000:]
    assert not mark.exists()
