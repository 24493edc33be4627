"""The options of `her-os call`: every slip is found before anybody is called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from her_os.cli.call import call
from her_os.cli.call_options import codec_names, credentials, pressed_digits, recording_file, timed_speech
from her_os.contracts.errors import ConfigError, HerOsError
from her_os.telephony.test_phone.script import Trigger


def say_at(value: str) -> object:
    return timed_speech([value], Trigger.AT, 1.0, "--say-at")


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        (lambda: codec_names(["opus"]), "--codec: no codec 'OPUS'"),
        (lambda: say_at("soon"), "--say-at: 'soon' is not NUMBER=FILE"),
        (lambda: say_at("nan=x.wav"), "--say-at: 'nan=x.wav' is not NUMBER=FILE"),
        (lambda: say_at("1=missing.wav"), "missing.wav: is no WAV file that can be read"),
        (lambda: credentials("kitchen", None), "--user: needs --password-file"),
        (lambda: credentials("", Path("x")), "--password-file: needs --user"),
        (lambda: credentials("kitchen", Path("/nowhere/x")), "/nowhere/x: cannot be read"),
        (
            lambda: pressed_digits("12Q"),
            "--dtmf: '12Q' has 'Q', which is no key of a telephone; there are 0 to 9, *, #",
        ),
        (lambda: pressed_digits("2="), "--dtmf: '2=' has no key of a telephone"),
        (lambda: pressed_digits("-1=5"), "--dtmf: '-1=5' is not SECONDS=DIGITS"),
        (lambda: pressed_digits("x=5"), "--dtmf: 'x=5' is not SECONDS=DIGITS"),
        (lambda: call(to="sip:her@127.0.0.1:bad"), "bad"),
    ],
)
def test_a_slip_is_told_in_words(slip: Callable[[], object], words: str) -> None:
    with pytest.raises(HerOsError) as caught:
        slip()
    assert words in str(caught.value)


def test_digits_are_the_keys_of_a_telephone() -> None:
    action = pressed_digits("0.5=19*#ad")
    assert (action.delay_s, action.digits) == (0.5, "19*#AD")
    assert pressed_digits("7").delay_s == 1.0


def test_a_recording_that_could_not_be_kept_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out, words in (
        (tmp_path, f"{tmp_path} is a folder; name a file in it: {tmp_path / 'call.wav'}"),
        (tmp_path / "no" / "such" / "call.wav", "cannot be written (No such file or directory); name a file in"),
        (tmp_path / "file" / "call.wav", "cannot be written (Not a directory)"),
    ):
        with pytest.raises(ConfigError) as caught:
            recording_file(out)
        assert caught.value.field == "--record"
        assert words in str(caught.value)


def test_trying_a_recording_leaves_no_file_and_keeps_one_that_is_there(tmp_path: Path) -> None:
    old, new = tmp_path / "old.wav", tmp_path / "new.wav"
    old.write_bytes(b"kept")
    assert (recording_file(old), recording_file(new)) == (old, new)
    assert old.read_bytes() == b"kept"
    assert not new.exists()
