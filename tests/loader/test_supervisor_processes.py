"""The supervisor over real processes and signals; the daemons are stand-ins (tests/fakes/daemon.py)."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests.loader.process_family import family, gone


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_starts_in_order_says_how_to_call_and_stops_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with family(tmp_path) as her:
        her.wait_for("Ctrl-C stops")
        her.wait_for(r"no account needed")
        her.process.send_signal(number)
        assert her.ended() == 0
        starts = her.order_of("llm born", "stt born", "tts born", "phone born", "SYSTEM_READY")
        assert starts == sorted(starts)
        stops = her.order_of("phone says", "tts says", "stt says", "llm says", "Shutdown complete")
        assert stops == sorted(stops)
        assert gone(her.births())


def test_a_daemon_that_ignores_the_first_term_gets_a_second(tmp_path: Path) -> None:
    with family(tmp_path, "llm=stubborn") as her:
        her.wait_for("Ctrl-C stops")
        her.process.send_signal(signal.SIGTERM)
        assert her.ended() == 0
        assert len([line for line in her.log if "llm got TERM" in line]) == 2
        her.wait_for("llm says goodbye")


def test_a_daemon_that_ignores_every_term_is_killed(tmp_path: Path) -> None:
    with family(tmp_path, "tts=deaf") as her:
        her.wait_for("Ctrl-C stops")
        her.process.send_signal(signal.SIGTERM)
        assert her.ended() == 0
        assert gone(her.births())


def test_a_second_ctrl_c_kills_at_once(tmp_path: Path) -> None:
    with family(tmp_path, "phone=deaf") as her:
        her.wait_for("Ctrl-C stops")
        her.process.send_signal(signal.SIGINT)
        her.wait_for("phone got TERM")
        her.process.send_signal(signal.SIGINT)
        assert her.ended() == 0
        her.wait_for("killing everything at once")
        assert not any("llm says goodbye" in line for line in her.log)
        assert gone(her.births())


def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with family(tmp_path) as her:
        her.wait_for("Ctrl-C stops")
        her.process.kill()
        assert her.ended() == -signal.SIGKILL
        assert gone(her.births())


def test_what_a_daemon_leaves_behind_is_ended_with_it(tmp_path: Path) -> None:
    with family(tmp_path, "stt=parent") as her:
        child = int(her.wait_for(r"stt child (\d+)")[1])
        her.wait_for("Ctrl-C stops")
        os.kill(her.births()[1], signal.SIGKILL)
        her.wait_for("stt was ended by signal 9; starting it again")
        assert gone([child])
        her.wait_for("stt ready after", times=2)
        her.process.send_signal(signal.SIGTERM)
        assert her.ended() == 0
        her.wait_for(r"stt child (\d+)", times=2)
        assert gone([int(m[1]) for line in her.log if (m := re.search(r"stt child (\d+)", line))])


def test_a_daemon_that_dies_comes_back_and_the_others_are_untouched(tmp_path: Path) -> None:
    with family(tmp_path) as her:
        her.wait_for("Ctrl-C stops")
        os.kill(int(her.wait_for(r"tts born (\d+)")[1]), signal.SIGKILL)
        her.wait_for("tts was ended by signal 9; starting it again")
        her.wait_for("tts ready after", times=2)
        her.process.send_signal(signal.SIGTERM)
        assert her.ended() == 0
        assert len(her.births()) == 5


def test_a_daemon_that_keeps_crashing_ends_the_start_with_status_1(tmp_path: Path) -> None:
    with family(tmp_path, "stt=crash") as her:
        assert her.ended() == 1
        her.wait_for("stt ended with status 3; not started again: too many restarts")
        assert not any("phone born" in line for line in her.log)
        her.wait_for("llm says goodbye")


def test_wrong_configuration_is_not_tried_twice_and_ends_all_with_status_78(tmp_path: Path) -> None:
    with family(tmp_path, "stt=misconfigured") as her:
        assert her.ended() == 78
        assert len([line for line in her.log if "stt born" in line]) == 1
        her.wait_for("stt has a mistake in its configuration: mend what its line above names")
        her.wait_for("llm says goodbye")
        assert not any("phone born" in line for line in her.log)


def test_a_stop_while_one_is_still_loading(tmp_path: Path) -> None:
    with family(tmp_path, "tts=mute") as her:
        her.wait_for("tts born")
        her.process.send_signal(signal.SIGINT)
        assert her.ended() == 0
        assert gone(her.births())


def test_lines_that_do_not_name_their_unit_get_it(tmp_path: Path) -> None:
    with family(tmp_path) as her:
        her.wait_for("Ctrl-C stops")
        her.wait_for(r"^LLM      \| llm born \d+$")
        her.wait_for(r"^\d\d:\d\d:\d\d\.\d{3} LOADER   INFO = starting llm$")
