"""The short form of scripts/fuzz_telephony.py: noise at every parser, at the SIP server, and at a live call."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from tests.ports import free_ports

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from telephony_fuzz.live_call import attack_live_call
from telephony_fuzz.noise import Noise
from telephony_fuzz.parsers import ParserTargets


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def test_no_parser_raises_and_nothing_stays(tmp_path: Path) -> None:
    noise, targets = Noise(1), ParserTargets(tmp_path)
    for _ in range(300):
        for data in (noise.sip(), noise.sdp(), noise.rtp(), noise.rtcp(), noise.stun(), noise.junk()):
            for target in targets.all():
                target(data)


async def test_a_live_call_does_not_mind() -> None:
    first = free_ports(8)
    report = await attack_live_call(2, 2_000, rtp_ports=(first, first + 7))
    assert not report.faults, report
