"""What went wrong on the way to a daemon, in words for its operator: no library's internals."""

from __future__ import annotations

import os

import aiohttp


def in_words(error: Exception, timed_out: str = "it took too long", address: str = "") -> str:
    """Such as `connection refused on 127.0.0.1:8772`. `address` (HOST:PORT) where the error does not name it."""
    if isinstance(error, TimeoutError):
        return timed_out
    if isinstance(error, aiohttp.ClientConnectorError):
        address = f"{error.host}:{error.port}"
    if isinstance(error, OSError) and (reason := _reason(error)):
        return f"{reason} on {address}" if address else reason
    return str(error) or f"the connection broke off ({type(error).__name__})"


def _reason(error: OSError) -> str:
    """The system's words: asyncio writes the address into its own text, so the number is asked."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if cause.errno is None or cause.errno <= 0:  # below 0: the resolver's, whose text is good
        return cause.strerror or ""
    text = os.strerror(cause.errno)
    return text[:1].lower() + text[1:]
