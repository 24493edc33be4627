"""`her-os call`: place a call with the built-in test phone, and see what happened on the wire, to the millisecond."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from her_os.cli.call_options import codec_names, credentials, pressed_digits, recording_file, timed_speech
from her_os.cli.options import AsJson, ConfigFile
from her_os.contracts.errors import ConfigError, HerOsError
from her_os.settings import load_settings
from her_os.telephony.sip.errors import RequestTimeout
from her_os.telephony.test_phone.audible import AUDIBLE_DBFS
from her_os.telephony.test_phone.phone import TestPhone
from her_os.telephony.test_phone.room import RoomAudio
from her_os.telephony.test_phone.script import Action, Trigger
from her_os.telephony.test_phone.scripted_call import CallPlan, ScriptedCall
from her_os.telephony.test_phone.sound_files import read_wav, write_call
from her_os.telephony.test_phone.timeline import Note, make_timeline, to_json, to_text, wire_statistics

_TURN_SILENCE_S = 0.8


def call(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="WAV", help="Said in turn, each when the assistant has been silent for 0.8 s. 16 bits, any rate."
        ),
    ] = None,
    to: Annotated[
        str, typer.Option("--to", "-t", metavar="SIP-URI", help="Whom to call (default: this machine's her-os).")
    ] = "",
    codec: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="G722, PCMU or PCMA; repeat to offer several.")
    ] = None,
    microphone: Annotated[bool, typer.Option("--microphone", "-m", help="Speak and listen yourself.")] = False,
    say_at: Annotated[
        list[str] | None, typer.Option(metavar="SECONDS=WAV", help="Say it so long after the call is answered.")
    ] = None,
    say_after_answer_audio: Annotated[
        list[str] | None,
        typer.Option(metavar="MS=WAV", help="Interrupt: say it so long after the answer's first audible packet."),
    ] = None,
    say_after_silence: Annotated[
        list[str] | None, typer.Option(metavar="MS=WAV", help="Say it when the assistant has been silent so long.")
    ] = None,
    dtmf: Annotated[
        list[str] | None,
        typer.Option(metavar="[SECONDS=]DIGITS", help="Press keys: 0-9, *, #, A-D (default: 1 s after the answer)."),
    ] = None,
    user: Annotated[str, typer.Option(metavar="NAME", help="Account, where the far end asks for one.")] = "",
    password_file: Annotated[Path | None, typer.Option(metavar="FILE", help="File with its password.")] = None,
    duration: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, help="Hang up so long after the answer.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="OUT.wav", help="Keep the call in stereo: left what we sent, right the answer."),
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Call the assistant, or any SIP URI: say WAV files or speak yourself, and see who was heard when.

    Without a WAV it hears the greeting out. It hangs up when everything was said and answered, after --duration, or
    with Ctrl-C.
    """
    codecs = codec_names(codec)
    actions = [Action(Trigger.AFTER_SILENCE, _TURN_SILENCE_S, path.name, read_wav(path)) for path in files or []]
    actions += timed_speech(say_at, Trigger.AT, 1.0, "--say-at")
    actions += timed_speech(say_after_answer_audio, Trigger.AFTER_ANSWER_AUDIO, 0.001, "--say-after-answer-audio")
    actions += timed_speech(say_after_silence, Trigger.AFTER_SILENCE, 0.001, "--say-after-silence")
    if microphone and actions:
        raise ConfigError("cannot be used together with WAV files", field="--microphone")
    actions += [pressed_digits(text) for text in dtmf or []]
    uri = to or f"sip:her@127.0.0.1:{load_settings(config).phone.sip_port}"
    phone = TestPhone(codecs=codecs, credentials=credentials(user, password_file))
    out = recording_file(record) if record is not None else None
    scripted = ScriptedCall(phone, CallPlan(uri, actions, duration, stay=microphone))
    if not as_json:
        scripted.on_note = _tell
        typer.echo(f"calling {uri} (Ctrl-C gives up)", err=True)
    asyncio.run(_place(scripted, microphone=microphone))
    if out is not None:
        write_call(out, phone.log.sent, phone.log.received, phone.answered_at)
    _report(scripted, as_json=as_json)


async def _place(scripted: ScriptedCall, *, microphone: bool) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, scripted.stop.set)
    room: RoomAudio | None = None
    tell = scripted.on_note

    def on_note(note: Note) -> None:
        nonlocal room
        if microphone and note.event == "answered":
            room = RoomAudio(scripted.phone)
        tell(note)

    scripted.on_note = on_note
    try:
        await scripted.run()
    except RequestTimeout as error:
        raise HerOsError(f"{error.message}; is her-os running? `her-os status` tells") from error
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        if room is not None:
            room.close()


def _tell(note: Note) -> None:
    typer.echo(f"... {note.who}: {note.event} {note.detail}".rstrip(), err=True)


def _report(scripted: ScriptedCall, *, as_json: bool) -> None:
    phone = scripted.phone
    entries = make_timeline(phone.answered_at, phone.log.sent, phone.log.received, scripted.notes)
    statistics = phone.statistics()
    numbers: dict[str, Any] = {
        "codec": statistics.codec,
        "packets_sent": statistics.packets_sent,
        "packets_received": statistics.packets_received,
        "packets_lost": statistics.packets_lost,
        "packets_late": statistics.packets_late,
        "jitter_ms": round(statistics.jitter_ms, 2),
        "round_trip_ms": round(statistics.round_trip_ms, 2),
        **{name: round(value, 2) for name, value in statistics.extra.items()},
        **wire_statistics(phone.log.sent, phone.log.received),
    }
    if as_json:
        report = {"audible_above_dbfs": AUDIBLE_DBFS, "timeline": to_json(entries), "statistics": numbers}
        typer.echo(json.dumps(report, indent=2))
        return
    typer.echo(to_text(entries))
    typer.echo("")
    for name in ("codec", "packets_sent", "packets_received", "packets_lost", "jitter_ms", "round_trip_ms"):
        typer.echo(f"{name:<22} {numbers[name]}")
    for name in ("tick_late_p99_ms", "sent_gap_max_ms", "received_gap_p99_ms", "received_gap_max_ms"):
        if name in numbers:
            typer.echo(f"{name:<22} {numbers[name]}")
    typer.echo(f"audible means a packet above {AUDIBLE_DBFS:.0f} dBFS RMS")
