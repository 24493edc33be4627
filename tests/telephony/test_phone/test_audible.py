"""The one definition of audible, on every codec."""

from __future__ import annotations

import pytest

from her_os.telephony.rtp.codecs import make_decoder, make_encoder
from her_os.telephony.test_phone.audible import is_audible, packet_level_dbfs
from tests.telephony.signals import babble


@pytest.mark.parametrize("codec", ["G722", "PCMU", "PCMA"])
def test_audible_ends_and_begins_with_the_packets_that_carry_sound(codec: str) -> None:
    encoder, decoder = make_encoder(codec), make_decoder(codec)
    speech = babble(0.2)
    frames = [bytes(640)] * 5 + [speech[at : at + 640] for at in range(0, len(speech), 640)] + [bytes(640)] * 5
    heard = [is_audible(decoder.decode(encoder.encode(frame))) for frame in frames]
    assert heard == [False] * 5 + [True] * 10 + [False] * 5


def test_an_onset_anywhere_but_in_the_last_millisecond_makes_a_packet_audible() -> None:
    speech = babble(0.02)
    for start in range(0, 300, 20):
        assert is_audible(bytes(2 * start) + speech[: 640 - 2 * start])


def test_no_audio_is_silence() -> None:
    assert packet_level_dbfs(b"") == packet_level_dbfs(bytes(640)) == -96.0
