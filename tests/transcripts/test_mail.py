"""What a mail tells, and that neither a restart nor a server that is away loses one."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import psutil
import pytest

from her_os.contracts.errors import ConfigError, SidecarUnavailable
from her_os.contracts.mail import Mail, MailRefused
from her_os.contracts.transcripts import RecordingResult, Summary, SummaryPoint, SummaryTask
from her_os.settings import Settings
from her_os.settings.yaml_file import parse_yaml
from her_os.transcripts.delivery import deliver, pause_after
from her_os.transcripts.outbox import Outbox
from her_os.transcripts.report_mail import MOST_ATTACHED_BYTES, Letterhead, compose
from tests.transcripts.outputs.samples import PLAIN, segment, transcript

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HEAD = Letterhead(sender="house@example.org", recipients=("owner@example.org",), zone=UTC)
SUMMARY = Summary(
    kind="extractive",
    points=(SummaryPoint(at_ms=1000, text="Asked: call the dentist", speaker="caller"),),
    decisions=(SummaryPoint(at_ms=2000, text="Tomorrow"),),
    tasks=(SummaryTask(at_ms=65_000, what="call the dentist", who="Alice", when="tomorrow"),),
    notice="Extracts.",
)
DONE = RecordingResult(
    source="/house/one.wav", status="done", transcript=PLAIN, summary=SUMMARY, outputs=("/o/one.md",)
)
FAILED = RecordingResult(source="/house/two.wav", status="failed", code="input", reason="two.wav is empty")
GIVEN_UP = RecordingResult(source="/house/three.wav", status="quarantined", reason="it was killed", attempts=3)


def read(mail: Mail) -> EmailMessage:
    unix = mail.content.replace(b"\r\n", b"\n")
    return message_from_bytes(unix, policy=policy.default)  # type: ignore[return-value]


def test_a_mail_tells_what_was_done_what_failed_and_why_and_each_summary() -> None:
    message = read(compose([FAILED, DONE, GIVEN_UP], HEAD, NOW))
    assert message["Subject"] == "her-os: 1 transcribed, 1 failed, 1 given up"
    assert (message["From"], message["To"]) == ("house@example.org", "owner@example.org")
    assert message.get_content() == (
        "Recordings: 1 transcribed, 1 failed, 1 given up.\n"
        "\nDONE  /house/one.wav\n2023-11-14 22:13, 1:00 long. Heard: Alice, her\n"
        "\nSummary:\n  [0:01] Alice: Asked: call the dentist\n"
        "\nDecisions:\n  [0:02] Tomorrow\n"
        "\nTo do:\n  [1:05] call the dentist, Alice, tomorrow\n"
        "\n(Extracts.)\n  /o/one.md\n"
        "\nFAILED  /house/two.wav\nWhy: two.wav is empty\nThe next run tries it again.\n"
        "\nGIVEN UP  /house/three.wav\nWhy: it was killed\n"
        "After 3 tries it is left alone; `her-os transcribe --again FILE` takes it up once more.\n"
    )


def test_awkward_names_and_words_make_no_header_and_no_error() -> None:
    source = "/house/Bcc: all\r\nBcc: everybody@example.org \U0001f600 \udcff.wav"
    words = SummaryPoint(at_ms=0, text="\r\n.\r\nQUIT\r\n\x00")
    result = RecordingResult(source=source, status="done", transcript=PLAIN, summary=Summary(points=(words,)))
    message = read(compose([result], HEAD, NOW))
    assert "Bcc" not in message
    assert "\U0001f600" in message.get_content()


def test_files_are_attached_as_far_as_a_mail_holds_them(tmp_path: Path) -> None:
    names = ["a.md", "a.txt", "big.md", "gone.md"]
    (tmp_path / "a.md").write_text("# minutes")
    (tmp_path / "a.txt").write_text("not asked for")
    (tmp_path / "big.md").write_bytes(bytes(MOST_ATTACHED_BYTES))
    result = RecordingResult(source="/a.wav", status="done", outputs=tuple(str(tmp_path / name) for name in names))
    message = read(compose([result], letterhead(attach=(".md",)), NOW))
    assert {part.get_filename(): part.get_content() for part in message.iter_attachments()} == {"a.md": "# minutes"}
    body = message.get_body()
    assert body is not None
    assert "big.md: too large for a mail\n  gone.md: No such file" in body.get_content()


def letterhead(**changes: tuple[str, ...]) -> Letterhead:
    return Letterhead(sender=HEAD.sender, recipients=HEAD.recipients, **changes)


class Server:
    """A MailTransport. `fails` are raised first, one a try."""

    def __init__(self, *fails: Exception | BaseException) -> None:
        self.fails, self.taken = list(fails), list[str]()

    async def send(self, mail: Mail) -> None:
        if self.fails:
            raise self.fails.pop(0)
        self.taken.append(mail.id)


def posted(folder: Path) -> tuple[Outbox, Mail]:
    outbox = Outbox(folder / "outbox.sqlite3")
    outbox.note(DONE)
    mail = compose(outbox.untold(), HEAD, NOW)
    outbox.post(mail, outbox.untold(), 100.0)
    return outbox, mail


async def test_a_server_that_is_away_is_tried_later_and_later_also_by_the_next_process(tmp_path: Path) -> None:
    _, mail = posted(tmp_path)
    server = Server(*[SidecarUnavailable("mail server", "away")] * 3)
    times = [100.0, 129.0, 130.0, 189.0, 190.0, 309.0, 310.0, 99_999.0]
    sent = [await deliver(Outbox(tmp_path / "outbox.sqlite3"), server, 1e9, lambda at=at: at) for at in times]
    assert sent == [0, 0, 0, 0, 0, 0, 1, 0]
    assert server.taken == [mail.id]
    assert [pause_after(tries) for tries in (1, 2, 3, 8, 100, 10_000)] == [30, 60, 120, 3600, 3600, 3600]


@pytest.mark.parametrize(
    ("error", "now"), [(MailRefused("554 no"), 100.0), (SidecarUnavailable("mail server", "away"), 100.0 + 3600)]
)
async def test_what_can_never_be_sent_is_given_up_and_logged(
    error: Exception, now: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox, _ = posted(tmp_path)
    assert await deliver(outbox, Server(error), 3600, lambda: now) == 0
    assert outbox.waiting() == []
    assert "a mail to owner@example.org is given up" in caplog.text


async def test_interrupted_it_waits_again(tmp_path: Path) -> None:
    outbox, mail = posted(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        await deliver(outbox, Server(KeyboardInterrupt()), 3600, lambda: 100.0)
    server = Server()
    assert await deliver(outbox, server, 3600, lambda: 100.0) == 1
    assert server.taken == [mail.id]


def test_a_mail_in_the_hand_of_a_dead_process_waits_again(tmp_path: Path) -> None:
    outbox, mail = posted(tmp_path)
    child = os.fork()
    if not child:
        Outbox(tmp_path / "outbox.sqlite3").claim(100.0)
        os._exit(0)
    psutil.Process(child).wait()
    claimed = outbox.claim(100.0)
    assert claimed is not None
    assert (claimed[0], claimed[1].tries) == (mail, 0)
    assert Outbox(tmp_path / "outbox.sqlite3").claim(100.0) is None, "it is in our hand"


def test_results_are_kept_until_a_mail_tells_of_them_and_without_the_words(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite3")
    outbox.note(DONE)
    outbox.note(FAILED)
    again = Outbox(tmp_path / "outbox.sqlite3").untold()
    assert [(result.source, result.summary) for result in again] == [(DONE.source, SUMMARY), (FAILED.source, None)]
    assert again[0].transcript is not None
    assert again[0].transcript.segments == ()


def test_what_is_removed_is_in_no_file_of_the_outbox(tmp_path: Path) -> None:
    secret = RecordingResult(
        source="/x.wav",
        status="done",
        transcript=transcript(segment("caller", 0, "zebra")),
        summary=Summary(points=(SummaryPoint(at_ms=0, text="xylophone secret"),)),
    )
    outbox = Outbox(tmp_path / "outbox.sqlite3")
    outbox.note(secret)
    mail = compose([secret], HEAD, NOW)
    outbox.post(mail, [secret], 100.0)
    outbox.note(secret)
    outbox.forget("/x.wav")
    assert outbox.untold() == []
    assert outbox.waiting() == []
    assert not any(b"xylophone" in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ("host: mail, sender: a@b", "`recipients` must name"),
        ("host: mail, recipients: [a@b]", "`sender` must be an address"),
        ("host: mail, user: me@b, security: none, recipients: [a@b]", "never sent in the clear"),
        ('host: mail, recipients: ["a@b, c@d"]', "regex"),
        ("recipients: [nobody]", "regex"),
        ("attach: [wav]", "wav"),
        ("security: ssl", "ssl"),
    ],
)
def test_mistakes_in_the_settings_are_named(wishes: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parse_yaml(f"\nmail: {{{wishes}}}\n", Settings, file="her-os.yaml")
    assert str(caught.value).startswith("her-os.yaml:2: mail")
