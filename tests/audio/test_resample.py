"""The streaming resampler: quality, framing, seams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from her_os.audio.resample import StreamResampler
from tests.telephony.signals import babble

RATES = [(8_000, 16_000), (16_000, 8_000), (22_050, 16_000), (24_000, 16_000), (44_100, 16_000), (48_000, 16_000)]


def tone(rate: int, hertz: float, seconds: float = 1.0) -> np.ndarray:
    return 10_000 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize(("rate_in", "rate_out"), RATES)
@pytest.mark.parametrize("share", [0.04, 0.2, 0.85])
def test_tones_keep_their_place_and_level(rate_in: int, rate_out: int, share: float) -> None:
    hertz = min(rate_in, rate_out) / 2 * share
    resampler = StreamResampler(rate_in, rate_out, align=True)
    out = resampler.process(tone(rate_in, hertz).astype(np.int16).tobytes()) + resampler.flush()
    heard = np.frombuffer(out, np.int16).astype(float)
    wanted = tone(rate_out, hertz)
    assert heard.size == wanted.size
    error = (heard - wanted)[400:-400]
    assert 10 * np.log10(np.mean(wanted**2) / np.mean(error**2)) > 50


def test_what_the_lower_rate_cannot_carry_is_gone() -> None:
    out = StreamResampler(16_000, 8_000).process(tone(16_000, 5_000).astype(np.int16).tobytes())
    assert np.abs(np.frombuffer(out, np.int16)[100:]).max() < 30


@pytest.mark.parametrize(("rate_in", "rate_out"), RATES)
def test_every_line_frame_gives_a_whole_frame_at_once(rate_in: int, rate_out: int) -> None:
    resampler = StreamResampler(rate_in, rate_out)
    if rate_in % 50:
        return
    assert {len(resampler.process(bytes(2 * rate_in // 50))) for _ in range(20)} == {2 * rate_out // 50}
    assert resampler.delay_samples <= rate_out // 500, "2 ms"


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(RATES), st.lists(st.integers(0, 700), min_size=1, max_size=20))
def test_the_cut_into_frames_leaves_no_trace(rates: tuple[int, int], sizes: list[int]) -> None:
    speech = babble(1.0)
    whole, cut = StreamResampler(*rates, align=True), StreamResampler(*rates, align=True)
    at, out = 0, b""
    for size in sizes:
        out += cut.process(speech[2 * at : 2 * (at + size)])
        at += size
    assert out + cut.flush() == whole.process(speech[: 2 * at]) + whole.flush()


def test_the_length_is_that_of_the_input() -> None:
    resampler = StreamResampler(22_050, 16_000, align=True)
    out = resampler.process(bytes(2 * 22_050)) + resampler.flush()
    assert len(out) == 2 * 16_000
    again = resampler.process(bytes(2 * 2_205)) + resampler.flush()
    assert len(again) == 2 * 1_600, "as new after a flush"


def test_equal_rates_pass_through() -> None:
    resampler = StreamResampler(16_000, 16_000, align=True)
    assert resampler.process(b"\1\0") == b"\1\0"
    assert resampler.flush() == b""


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="0 Hz"):
        StreamResampler(16_000, 0)
    with pytest.raises(ValueError, match="buffer size"):
        StreamResampler(8_000, 16_000).process(b"\0")
