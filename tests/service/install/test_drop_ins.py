"""What the configuration and a graphics card become in the words of systemd."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from her_os.contracts.errors import ConfigError
from her_os.daemons.family import all_endpoints
from her_os.daemons.loader import refuse_stale_drop_ins
from her_os.service.install.drop_ins import drop_ins
from her_os.service.install.graphics_card import card_drop_ins, find_card
from her_os.service.install.layout import Layout
from her_os.service.systemd_units import unit_of
from her_os.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[3]
STT = "her-os-stt.service.d/50-configuration.conf"


def compiled(folder: Path, text: str) -> dict[str, str]:
    file = folder / "c.yaml"
    file.write_text(text)
    return drop_ins(load_settings(file, {}))


def test_by_default_only_the_environment_for_a_card_is_said() -> None:
    said = drop_ins(Settings())
    assert {path.partition(".")[0] for path in said} == {"her-os-llm", "her-os-stt", "her-os-stt-batch", "her-os-tts"}
    assert said[STT].splitlines()[1:] == [
        "[Service]",
        'Environment="CUDA_MODULE_LOADING=LAZY"',
        'Environment="PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True,max_split_size_mb:64"',
    ]


def test_a_recogniser_that_makes_code_may_do_so_in_its_own_units_only(tmp_path: Path) -> None:
    line = "MemoryDenyWriteExecute=no"
    for text, units in (
        ("stt: {engine: faster-whisper}", {"stt", "transcripts"}),
        ("stt_batch: {engine: faster-whisper}", {"stt-batch"}),
        ("tts: {engine: chatterbox-turbo}", {"tts"}),
        ("stt: {engine: faster-whisper}\ntranscripts: {engine: pocketsphinx}", {"stt"}),
    ):
        said = compiled(tmp_path, text)
        assert {path for path in said if line in said[path]} == {
            f"her-os-{unit}.service.d/50-configuration.conf" for unit in units
        }


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("loader: {timeouts: {stt_ready_sec: 99}}", ["TimeoutStartSec=99"]),
        ("loader: {timeouts: {stt_ready_sec: 5}}", ["TimeoutStartSec=30"]),  # as long as the longest pause
        ("loader: {restart_policy: {type: never}}", ["Restart=no"]),
        (
            "loader: {restart_policy: {max_restarts: 2, window_sec: 60}}",
            ["[Unit]", "StartLimitBurst=3", "StartLimitIntervalSec=60"],
        ),
        (
            "loader: {restart_policy: {backoff: {initial_sec: 0.5, factor: 3, max_sec: 20}}}",
            ["RestartSec=0.5", 'Environment="HER_OS_RESTART_BACKOFF=0.5 3 20"'],
        ),
        ("loader: {graceful_shutdown: {kill_after_sec: 7}}", ["TimeoutStopSec=7"]),
        ("loader: {cuda: {module_loading: EAGER}}", ['Environment="CUDA_MODULE_LOADING=EAGER"']),
        ("services: {stt: {threads: 2}}", ['Environment="OMP_NUM_THREADS=2"', 'Environment="MKL_NUM_THREADS=2"']),
        (
            'services: {stt: {cmd: [python, -m, mine, "50 % of $5", \'a"b\']}}',
            [
                "ExecStart=",
                'ExecStart="/opt/her-os/venv/bin/python" "-m" "mine" "50 %% of $$5" "a\\"b"',
                "WatchdogSec=0",
            ],
        ),
        (
            "services: {stt: {readiness: {type: tcp}}}",
            ["Type=exec", "ExecStartPost=/opt/her-os/venv/bin/python -m her_os.cli wait-ready stt --pid $MAINPID"],
        ),
        ("stt: {host: 0.0.0.0}", ["IPAddressDeny=", "IPAddressAllow=any"]),
    ],
)
def test_each_key_in_the_words_of_systemd(tmp_path: Path, text: str, lines: list[str]) -> None:
    said = compiled(tmp_path, text)[STT].splitlines()
    assert [line for line in lines if line not in said] == []


def test_every_unit_with_a_port_frees_it_first() -> None:
    for daemon in {endpoint.daemon for endpoint in all_endpoints(Settings())}:
        unit = (ROOT / "systemd" / unit_of(daemon)).read_text()
        assert f"ExecStartPre=+/opt/her-os/venv/bin/python -m her_os.daemons.free_ports {daemon}\n" in unit


def test_fail_fast_stops_the_target_where_a_unit_is_given_up(tmp_path: Path) -> None:
    said = compiled(tmp_path, "loader: {fail_fast_on_repeated_failures: true}")
    assert "stop her-os.target" in said["her-os-failed@.service.d/50-configuration.conf"]


def test_units_that_do_not_say_what_the_configuration_says_are_told_of(tmp_path: Path) -> None:
    layout, settings = Layout(tmp_path), Settings()
    with pytest.raises(ConfigError, match="run `her-os install`"):
        refuse_stale_drop_ins(settings, layout)
    for path, text in drop_ins(settings).items():
        (layout.units / path).parent.mkdir(parents=True)
        (layout.units / path).write_text(text)
    refuse_stale_drop_ins(settings, layout)
    left = layout.units / "her-os-phone.service.d"
    left.mkdir()
    (left / "50-configuration.conf").write_text("[Service]\nTimeoutStartSec=1\n")
    with pytest.raises(ConfigError, match="her-os-phone"):
        refuse_stale_drop_ins(settings, layout)


@pytest.mark.parametrize(
    ("node", "card", "devices"),
    [("nvidiactl", "NVIDIA", ["char-nvidia*"]), ("kfd", "AMD", ["char-kfd", "char-drm"]), ("null", "", [])],
)
def test_a_card_is_opened_to_those_that_need_it(tmp_path: Path, node: str, card: str, devices: list[str]) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / node).touch()
    found = find_card(tmp_path)
    assert found == card
    said = card_drop_ins(found, ("render",))
    for text in said.values():
        assert [line for line in text.splitlines() if line.startswith("DeviceAllow")] == [
            f"DeviceAllow={kind} rw" for kind in devices
        ]
        assert "SupplementaryGroups=render" in text
    assert ("her-os-phone.service.d/40-graphics-card.conf" in said) is False
    assert ("MemoryDenyWriteExecute=no" in said.get("her-os-llm.service.d/40-graphics-card.conf", "")) is bool(card)


@pytest.mark.parametrize(
    ("failures", "backoff", "pause"), [(1, "", ""), (2, "", "1"), (3, "", "3"), (9, "", "8"), (3, "0.01 2 1", "0.03")]
)
def test_the_pause_before_a_restart_grows(tmp_path: Path, failures: int, backoff: str, pause: str) -> None:
    script = (ROOT / "systemd" / "restart-delay").read_text().replace("/run/$2", str(tmp_path))
    (tmp_path / "failures").write_text(str(failures))
    environ = {**os.environ, **({"HER_OS_RESTART_BACKOFF": backoff} if backoff else {})}
    quick = f"sleep() {{ :; }}\n{script}"
    said = subprocess.run(
        ["sh", "-c", quick, "x", "wait", "u"], env=environ, capture_output=True, text=True, check=True
    )
    assert (f"waiting {pause} s more" in said.stdout) if pause else (said.stdout == "")
