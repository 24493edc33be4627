"""From packets to stretches of speech, the timeline and the recording. No clock, no socket."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from her_os.contracts.errors import ConfigError
from her_os.telephony.test_phone.sound_files import read_wav, write_call
from her_os.telephony.test_phone.spans import SpeechSpan, speech_spans
from her_os.telephony.test_phone.timeline import Note, make_timeline, to_text, wire_statistics
from her_os.telephony.test_phone.wire_log import LoggedPacket


def packets(*stretches: tuple[int, int], until: int = 200, jitter: float = 0.0) -> list[LoggedPacket]:
    """20 ms packets from time 10 s on, audible in the given stretches of indices."""
    loud, quiet = b"\x00\x10" * 320, bytes(640)
    found: list[LoggedPacket] = []
    for index in range(until):
        audible = any(first <= index < last for first, last in stretches)
        at = 10 + index * 0.02 + (jitter if index % 2 else 0)
        pcm, level = (loud, -18.0) if audible else (quiet, -96.0)
        found.append(LoggedPacket(at, index, 160 * index, 9, pcm, level))
    return found


def fields(packet: LoggedPacket) -> tuple[int, int, int, bytes, float]:
    """All but the time."""
    return packet.sequence, packet.timestamp, packet.payload_type, packet.pcm, packet.level_dbfs


def test_a_pause_between_words_does_not_end_speech() -> None:
    spans = speech_spans(packets((10, 20), (28, 30), (50, 60)))
    assert [span.packets for span in spans] == [12, 10]
    assert spans[0] == SpeechSpan(pytest.approx(10.2), pytest.approx(10.58), 12)


def test_the_timeline_tells_answers_and_interruptions() -> None:
    sent, received = packets((10, 30), (80, 90)), packets((50, 85))
    entries = make_timeline(10.0, sent, received, [Note(10.0, "line", "answered", "G722")])
    assert [(entry.who, entry.event, entry.at_ms, entry.ms) for entry in entries] == [
        ("line", "answered", 0.0, None),
        ("caller", "speech begins", 200.0, None),
        ("caller", "speech ends", 580.0, 380.0),
        ("assistant", "speech begins", 1000.0, None),
        ("assistant", "answers", 1000.0, 420.0),
        ("caller", "speech begins", 1600.0, None),
        ("assistant", "speech ends", 1680.0, 680.0),
        ("assistant", "silent", 1680.0, 80.0),
        ("caller", "speech ends", 1780.0, 180.0),
    ]
    assert "    1.680  assistant  silent 80 ms after the caller's onset" in to_text(entries)


def test_gaps_are_those_of_the_wire() -> None:
    numbers = wire_statistics(packets(until=10, jitter=0.005), [])
    assert numbers["sent_packets"] == 10
    assert numbers["sent_gap_max_ms"] == pytest.approx(25, abs=0.01)
    assert numbers["received_packets"] == 0


def test_the_recording_lays_packets_by_their_timestamps(tmp_path: Path) -> None:
    received = packets((0, 200), until=20, jitter=0.007)
    leap = [LoggedPacket(12.0, 20, 160 * 20, 9, b"\x00\x20" * 320, -12.0)]
    write_call(tmp_path / "out.wav", packets(until=5), received + leap, 10.0)
    with wave.open(str(tmp_path / "out.wav")) as file:
        stereo = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    assert not stereo[:, 0].any()
    assert (stereo[: 20 * 320, 1] == 0x1000).all(), "jitter makes no holes"
    assert not stereo[20 * 320 : 32_000, 1].any()
    assert (stereo[32_000:, 1] == 0x2000).all()


def test_a_stall_that_is_caught_up_leaves_no_trace(tmp_path: Path) -> None:
    received = [
        LoggedPacket(max(packet.at, 10.5) if 10.3 < packet.at < 10.5 else packet.at, *fields(packet))
        for packet in packets((0, 50), until=50)
    ]
    write_call(tmp_path / "out.wav", [], received, 10.0)
    with wave.open(str(tmp_path / "out.wav")) as file:
        stereo = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    assert stereo.shape == (16_000, 2)
    assert (stereo[:, 1] == 0x1000).all()


def test_a_stall_that_is_not_caught_up_moves_what_follows(tmp_path: Path) -> None:
    received = [
        LoggedPacket(packet.at + (0.1 if packet.sequence >= 20 else 0), *fields(packet))
        for packet in packets((0, 200), until=200)
    ]
    write_call(tmp_path / "out.wav", [], received, 10.0)
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert file.getnframes() == pytest.approx(16_000 * 4.1, abs=2)


def test_wav_files_of_other_rates_and_stereo_are_read(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    tone = (8_000 * np.sin(2 * np.pi * 440 * np.arange(8_000) / 8_000)).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(np.column_stack((tone, np.zeros_like(tone))).tobytes())
    assert len(read_wav(path)) == 2 * 16_000
    path.write_bytes(b"no wave")
    with pytest.raises(ConfigError, match="no WAV file"):
        read_wav(path)
