"""The multipart form of `POST /v1/audio/transcriptions`, as OpenAI's API has it. The file goes to disk as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from aiohttp import BodyPartReader, web

from her_os.contracts.errors import ProtocolError
from her_os.daemons.stt_batch_answers import FORMATS
from her_os.daemons.stt_batch_line import BadSound, TooLong

_MOST_FIELD_BYTES, _MOST_FIELDS = 4096, 32
_UPLOAD_S = 120.0
_GRANULARITIES = {"word", "segment"}


@dataclass(frozen=True)
class TranscriptionForm:
    """What was asked for. `language` is empty where none is named."""

    language: str
    response_format: str
    granularities: frozenset[str]


async def read_form(request: web.Request, file: Path, max_file_bytes: int) -> TranscriptionForm:
    """Read the form; what its `file` holds goes into `file`. Other fields of the API are not looked at.

    Raises ProtocolError, BadSound, TooLong, and TimeoutError for a client that sends nothing more.
    """
    if request.content_type != "multipart/form-data":
        raise ProtocolError(f"expected a multipart/form-data body with a field `file`, not {request.content_type}")
    async with asyncio.timeout(_UPLOAD_S):
        try:
            fields, size = await _read_parts(request, file, max_file_bytes)
        except (ValueError, AssertionError) as error:  # aiohttp's words for a body that is no such form
            raise ProtocolError(f"the body is not the form that its headers promise: {error}") from error
    if size is None:
        raise ProtocolError("the form has no field `file` with the sound")
    if not size:
        raise BadSound("the file is empty")
    return _understood(fields)


async def _read_parts(
    request: web.Request, file: Path, max_file_bytes: int
) -> tuple[Mapping[str, list[str]], int | None]:
    """The fields by name, and the size of the file that was there."""
    fields: dict[str, list[str]] = {}
    size: int | None = None
    reader, count = await request.multipart(), 0
    while (part := await reader.next()) is not None:
        count += 1
        if not isinstance(part, BodyPartReader) or count > _MOST_FIELDS:
            raise ProtocolError("expected a flat form of a few fields")
        if part.name == "file":
            with file.open("wb") as out:
                size = await _save(part, out, max_file_bytes)
        else:
            fields.setdefault(part.name or "", []).append(await _text(part))
    return fields, size


async def _save(part: BodyPartReader, out: BinaryIO, most: int) -> int:
    size = 0
    while block := await part.read_chunk(1 << 16):
        size += len(block)
        if size > most:
            raise TooLong(f"the file has more than {most >> 20} MiB, which is the most that is taken")
        out.write(block)
    return size


async def _text(part: BodyPartReader) -> str:
    data = bytearray()
    while block := await part.read_chunk(_MOST_FIELD_BYTES):
        data += block
        if len(data) > _MOST_FIELD_BYTES:
            raise ProtocolError(f"the field {part.name!r} is too long")
    return data.decode()


def _understood(fields: Mapping[str, list[str]]) -> TranscriptionForm:
    """Raises ProtocolError for what is not available."""
    response_format = fields.get("response_format", ["json"])[-1]
    if response_format not in FORMATS:
        raise ProtocolError(f"response_format {response_format!r} is not available; known: {', '.join(FORMATS)}")
    if fields.get("stream", ["false"])[-1].lower() not in {"false", "0", ""}:
        raise ProtocolError("stream is not available; the streaming recogniser is another daemon")
    names = ("timestamp_granularities[]", "timestamp_granularities")
    granularities = frozenset(value for name in names for value in fields.get(name, []))
    if not granularities <= _GRANULARITIES:
        raise ProtocolError("timestamp_granularities[] may be word and segment")
    if granularities and response_format != "verbose_json":
        raise ProtocolError("timestamp_granularities[] needs response_format verbose_json")
    return TranscriptionForm(
        fields.get("language", [""])[-1].strip(), response_format, granularities or frozenset({"segment"})
    )
