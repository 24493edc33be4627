"""JSON for programs, described in docs/transcript-schema.md; its JSON schema comes from the types themselves."""

from __future__ import annotations

from typing import Any

import msgspec

from her_os.contracts.transcripts import SCHEMA_VERSION, Summary, Transcript


class TranscriptFile(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. A reader checks `schema_version` first: it is raised when a field changes its meaning or goes."""

    schema_version: int = SCHEMA_VERSION
    transcript: Transcript
    summary: Summary = Summary()


def render(transcript: Transcript, summary: Summary) -> str:
    """The file's text: indented, every field present, characters as they are."""
    content = msgspec.json.encode(TranscriptFile(transcript=transcript, summary=summary))
    return msgspec.json.format(content, indent=2).decode() + "\n"


def parse(content: bytes) -> TranscriptFile:
    """Read such a file. Raises ValueError for anything else, a later schema included."""
    try:
        file = msgspec.json.decode(content, type=TranscriptFile)
    except msgspec.MsgspecError as error:
        raise ValueError(f"is no transcript of her-os: {error}") from error
    if file.schema_version > SCHEMA_VERSION:
        raise ValueError(f"has schema version {file.schema_version}; this her-os knows {SCHEMA_VERSION}")
    return file


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"her-os transcript, schema version {SCHEMA_VERSION}",
        **msgspec.json.schema(TranscriptFile),
    }
