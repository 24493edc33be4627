"""What a daemon and the process that holds its recogniser say to each other.

A frame is the header's length and the payload's (four bytes each, big endian), the header as JSON (one of the messages
below), and the payload: raw 16 kHz int16 PCM, or nothing.

    daemon                              worker
                                        (loads its model) Loaded, or Refused and its end
    Recognise + PCM                     Recognised, or Refused
    Inspect                             Inspected
    (closes the socket)                 (ends)
"""

from __future__ import annotations

import msgspec

from her_os.contracts.speech_to_text import Final

OUT_OF_MEMORY = "out_of_memory"
"""Code of a refusal after which the worker is not used again: what it holds may be broken."""


class Recognise(msgspec.Struct, frozen=True, kw_only=True, tag="recognise"):
    """What is said in the payload?"""

    language: str


class Inspect(msgspec.Struct, frozen=True, tag="inspect"):
    """What have you imported?"""


class Loaded(msgspec.Struct, frozen=True, kw_only=True, tag="loaded"):
    """The model is loaded and warm. Sent once, first."""

    engine: str
    load_ms: int


class Recognised(msgspec.Struct, frozen=True, kw_only=True, tag="recognised"):
    """The stretches that were heard, times in milliseconds of the payload."""

    finals: tuple[Final, ...]


class Inspected(msgspec.Struct, frozen=True, kw_only=True, tag="inspected"):
    """Names of all modules in the import table, and the most memory that was ever resident."""

    modules: tuple[str, ...]
    peak_rss_bytes: int


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """It cannot be done. `code` is from the error tree, `message` says why; `field` and `file` where a setting is."""

    code: str
    message: str
    field: str = ""
    file: str = ""


WorkerRequest = Recognise | Inspect
WorkerAnswer = Loaded | Recognised | Inspected | Refused
