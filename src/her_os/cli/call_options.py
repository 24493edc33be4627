"""What `her-os call` was asked to do, read from its options. Every slip is a ConfigError before anybody is called."""

from __future__ import annotations

import math
from pathlib import Path

from her_os.contracts.errors import ConfigError
from her_os.telephony.rtp.dtmf import DIGITS
from her_os.telephony.sip.digest import Credentials
from her_os.telephony.test_phone.script import Action, Trigger
from her_os.telephony.test_phone.sound_files import read_wav

CODECS = ("G722", "PCMU", "PCMA")


def codec_names(names: list[str] | None) -> list[str]:
    """The codecs to offer, in order; without `names` all of them."""
    codecs = [name.upper() for name in names or CODECS]
    for name in codecs:
        if name not in CODECS:
            raise ConfigError(f"no codec {name!r}; there are {', '.join(CODECS)}", field="--codec")
    return codecs


def timed_speech(values: list[str] | None, trigger: Trigger, unit_s: float, option: str) -> list[Action]:
    """Actions of `NUMBER=FILE`, the number in units of `unit_s` seconds."""
    actions: list[Action] = []
    for value in values or []:
        number, _, file = value.partition("=")
        delay_s = _delay_s(number, unit_s)
        if delay_s is None or not file:
            raise ConfigError(f"{value!r} is not NUMBER=FILE", field=option)
        path = Path(file)
        actions.append(Action(trigger, delay_s, path.name, read_wav(path)))
    return actions


def pressed_digits(value: str) -> Action:
    """The action of `[SECONDS=]DIGITS`; without seconds it is due 1 s after the answer."""
    number, separator, digits = value.rpartition("=")
    delay_s = _delay_s(number, 1.0) if separator else 1.0
    if delay_s is None:
        raise ConfigError(f"{value!r} is not SECONDS=DIGITS", field="--dtmf")
    wrong = next((digit for digit in digits if digit.upper() not in DIGITS), "")
    if wrong or not digits:
        what = f"{value!r} has {wrong!r}, which is" if wrong else f"{value!r} has"
        raise ConfigError(f"{what} no key of a telephone; there are 0 to 9, *, # and A to D", field="--dtmf")
    return Action(Trigger.AT, delay_s, digits.upper(), digits=digits.upper())


def credentials(user: str, password_file: Path | None) -> Credentials | None:
    """The account to call with; None where none is named."""
    if not user:
        if password_file is not None:
            raise ConfigError("needs --user", field="--password-file")
        return None
    if password_file is None:
        raise ConfigError("needs --password-file (a password on the command line is seen by everyone)", field="--user")
    try:
        return Credentials(user, password_file.read_text().strip())
    except UnicodeDecodeError as error:
        raise ConfigError("is not text; it holds the password and nothing else", file=str(password_file)) from error
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(password_file)) from error


def recording_file(path: Path) -> Path:
    """The file to record to. It is tried now: a call that could not be kept is better not made."""
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file in it: {path / 'call.wav'}", field="--record")
    existed = path.exists()
    try:
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}); name a file in a folder that exists and is yours",
            field="--record",
        ) from error
    return path


def _delay_s(number: str, unit_s: float) -> float | None:
    """None for what is no number, or before the call's time, or never."""
    try:
        delay_s = float(number) * unit_s
    except ValueError:
        return None
    return delay_s if 0 <= delay_s < math.inf else None
