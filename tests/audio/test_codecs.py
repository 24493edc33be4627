"""G.711 and G.722, and the codecs of the line with their resampling."""

from __future__ import annotations

import numpy as np
import pytest

from her_os.audio import g711
from her_os.audio.g722 import G722Decoder, G722Encoder
from her_os.contracts.errors import ProtocolError
from her_os.telephony.rtp.codecs import make_decoder, make_encoder
from tests.telephony.signals import babble, best_match

ALL_CODES = bytes(range(256))


def pcm(*values: int) -> bytes:
    return np.array(values, dtype=np.int16).tobytes()


def test_ulaw_known_values() -> None:
    assert g711.encode_ulaw(pcm(0, -1, 32_767, -32_768, 1_000, -1_000)) == bytes.fromhex("ff7e8000ce4e")
    assert g711.decode_ulaw(b"\xff\x80\x00") == pcm(0, 32_124, -32_124)


def test_alaw_known_values() -> None:
    assert g711.encode_alaw(pcm(0, -1, 32_767, -32_768, 1_000, -1_000)) == bytes.fromhex("d555aa2afa7a")
    assert g711.decode_alaw(b"\xd5\xaa\x2a") == pcm(8, 32_256, -32_256)


def test_every_code_survives_the_round_trip() -> None:
    # Mu-law has two zeros; the negative one comes back as the positive one.
    assert g711.encode_ulaw(g711.decode_ulaw(ALL_CODES)) == ALL_CODES.replace(b"\x7f", b"\xff")
    assert g711.encode_alaw(g711.decode_alaw(ALL_CODES)) == ALL_CODES


def test_g722_halves_and_restores() -> None:
    speech = babble(1.0)
    payload = G722Encoder().encode(speech)
    assert len(payload) == len(speech) // 4
    assert best_match(G722Decoder().decode(payload) + bytes(200), speech[:-200])[0] > 0.99
    assert G722Encoder().encode(b"") == G722Decoder().decode(b"") == b""


@pytest.mark.parametrize("codec", ["G722", "PCMU", "PCMA"])
def test_each_codec_keeps_speech_frame_by_frame(codec: str) -> None:
    speech = babble(2.0)
    encoder, decoder = make_encoder(codec), make_decoder(codec)
    heard = b""
    for at in range(0, len(speech), 640):
        payload = encoder.encode(speech[at : at + 640])
        assert len(payload) == 160
        frame = decoder.decode(payload)
        assert len(frame) == 640
        heard += frame
    match, delay = best_match(heard, speech[:-640])
    assert match > 0.99
    assert delay <= 65, "at most 4 ms both ways"


def test_an_unknown_codec_is_refused_by_name() -> None:
    with pytest.raises(ProtocolError, match=r"opus.*G722"):
        make_encoder("opus")
