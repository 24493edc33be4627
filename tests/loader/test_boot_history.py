"""The history of boots survives whatever is in its file, and timeouts are fitted to it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from her_os.loader.boot_history import KEPT_BOOTS, BootHistory, BootRecord, p95


def history(file: Path, *times: float) -> BootHistory:
    it = BootHistory(file)
    it.load()
    for time in times:
        it.add(BootRecord(total_boot_s=time, ready_s={"llm": time}, vram_mb={"llm": 100 * time}))
    return it


def test_boots_are_kept_over_a_restart_and_only_the_last_ones(tmp_path: Path) -> None:
    history(tmp_path / "h", *range(30))
    again = history(tmp_path / "h")
    assert [boot.total_boot_s for boot in again.boots] == list(range(30 - KEPT_BOOTS, 30))
    assert again.total_p95_s() == 29
    assert again.vram_mb("llm") == 2900
    assert again.vram_mb("tts") is None
    assert [path.name for path in tmp_path.iterdir()] == ["h"]


@pytest.mark.parametrize(
    ("times", "timeout"),
    [
        ((), 20),
        ((3, 3), 20),  # too few to judge by
        ((3, 3, 3), 10),  # not below half of what is configured
        ((9, 8, 7), 18),
        ((15, 14, 13), 30),
        ((90, 90, 90), 80),  # not above four times of it
    ],
)
def test_a_timeout_is_twice_the_p95_within_limits(tmp_path: Path, times: tuple[float, ...], timeout: float) -> None:
    assert history(tmp_path / "h", *times).timeout_s("llm", 20) == timeout
    assert history(tmp_path / "h").timeout_s("tts", 20) == 20, "a service never seen has what is configured"


def test_a_damaged_file_loses_the_damaged_boots_only_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "h"
    history(file, 1, 2, 3)
    lines = file.read_bytes().splitlines()
    file.write_bytes(b"\n".join([lines[0], b"\xff\x00garbage", lines[1][:7], lines[2], b'{"total_boot_s":-5}']))
    with caplog.at_level(logging.WARNING):
        it = history(file)
    assert [boot.total_boot_s for boot in it.boots] == [1, 3]
    assert "damaged; 2 boots could be read" in caplog.text
    it.add(BootRecord(total_boot_s=4))
    assert [boot.total_boot_s for boot in history(file).boots] == [1, 3, 4]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=200))
def test_no_content_whatever_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "h").write_bytes(content)
    it = history(tmp_path / "h", 5)
    assert history(tmp_path / "h").boots[-1].total_boot_s == 5
    assert it.timeout_s("llm", 20) > 0


def test_a_place_that_cannot_be_read_or_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "h").mkdir()
    it = history(tmp_path / "h", 5)
    assert it.total_p95_s() == 5, "this boot is known all the same"
    assert "cannot be read" in caplog.text
    assert "cannot be written" in caplog.text


def test_p95_is_the_nearest_rank() -> None:
    assert p95([]) is None
    assert p95([7]) == 7
    assert p95(list(range(1, 101))) == 95
    assert p95([3, 1, 2]) == 3
