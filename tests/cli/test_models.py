"""`her-os models` as an operator meets it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tests.service.model_store.hub import COMMIT, Hub, running

BODY = b"GGUF" + bytes(5000)


def her_os(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HER_OS_CONFIG": str(folder / "her-os.yaml"), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "her_os.cli", "models", *arguments],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_model_is_pulled_and_verified_and_what_is_wrong_is_said(tmp_path: Path) -> None:
    with running(Hub({"tiny.gguf": BODY})) as hub:
        (tmp_path / "her-os.yaml").write_text(f"models: {{folder: ./store, hub: '{hub.url}'}}\n")
        sha256 = hashlib.sha256(BODY).hexdigest()
        (tmp_path / "models.yaml").write_text(
            f"models:\n  - {{name: tiny, engine: llm, licence: MIT, repository: owner/model, revision: {COMMIT}, "
            f"files: [{{path: tiny.gguf, size: {len(BODY)}, sha256: {sha256}}}]}}\n"
        )
        pulled = her_os(tmp_path, "pull", "tiny", "--accept-licence")
        assert pulled.returncode == 0, pulled.stderr
        assert "disk: 5004 bytes to come;" in pulled.stdout
        assert "memory, of the graphics card where it runs there: not measured here" in pulled.stdout
    (tmp_path / "store/tiny/tiny.gguf").write_bytes(BODY[:-1] + b"!")
    damaged = her_os(tmp_path, "verify")
    assert damaged.returncode == 1
    assert "tiny: tiny.gguf is damaged or was changed" in damaged.stderr
    assert "her-os models pull NAME" in damaged.stderr
    unreachable = her_os(tmp_path, "pull", "gemma-3-4b-it", "--trust-first-download")
    assert (unreachable.returncode, unreachable.stderr) == (
        78,
        "her-os: nobody can be asked here: read the licence, then add --accept-licence\n",
    )
