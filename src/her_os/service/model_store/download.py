"""One file over HTTP, resumed where it broke off. What arrives lies in a `.part` until its caller has checked it.

A part goes on only where the server can promise that it is the same file (RFC 9110, 13.1.5 If-Range with a strong
ETag) or where its SHA-256 is known anyway; else it begins anew.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from her_os.contracts.errors import HerOsError

PAUSES_S = (1.0, 2.0, 4.0, 8.0)
"""Before each further try, while nothing more arrives."""
_BLOCK = 1 << 20
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
Report = Callable[[int, int], None]
"""Bytes that are here, and in all (0: not known)."""


class DownloadFailed(HerOsError):
    """A file could not be had."""

    code = "download_failed"


class NotThere(DownloadFailed):
    """The server has no such file."""

    code = "not_there"


class _Unexpected(DownloadFailed):
    """Trying again would not help."""


@dataclass(frozen=True)
class Told:
    """What a server says of a file before it is fetched; 0 and empty: nothing."""

    size: int = 0
    revision: str = ""


def new_client(timeout_s: float = 30.0) -> httpx.Client:
    """Follows redirects, as hubs need it; a proxy of the environment is used."""
    return httpx.Client(follow_redirects=True, timeout=httpx.Timeout(timeout_s, connect=10.0))


def ask(client: httpx.Client, url: str) -> Told:
    """Size and revision, without the file. Raises NotThere, DownloadFailed."""
    try:
        response = client.head(url, headers={"Accept-Encoding": "identity"})
    except httpx.HTTPError as error:
        raise DownloadFailed(unreachable(url, error)) from error
    if response.status_code in {405, 501}:
        return Told()
    _refuse_status(response, url)
    return _told(response)


def download(
    client: httpx.Client,
    url: str,
    part: Path,
    *,
    size: int = 0,
    checked_after: bool = False,
    report: Report = lambda _here, _all: None,
    pauses_s: Sequence[float] = PAUSES_S,
) -> Told:
    """Fetch `url` into `part`, going on with what is there. `size` is what it must have, 0 unknown.

    `checked_after`: its SHA-256 is known, so a part may go on without the server's promise. Raises NotThere,
    DownloadFailed; the part stays for the next time.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    tries = 0
    while True:
        before = _length(part)
        try:
            return _once(client, url, part, size, checked_after, report)
        except (_Unexpected, NotThere):
            raise
        except (httpx.HTTPError, DownloadFailed) as error:
            tries = 0 if _length(part) > before else tries + 1
            if tries > len(pauses_s):
                reason = str(error) if isinstance(error, DownloadFailed) else unreachable(url, error)
                kept = f"; {_length(part)} bytes are kept, the next try goes on from there" if _length(part) else ""
                raise DownloadFailed(reason + kept) from error
            time.sleep(pauses_s[max(0, tries - 1)] if pauses_s else 0)


def sha256_of(path: Path, report: Report = lambda _here, _all: None) -> str:
    """The SHA-256 of a file."""
    digest, here, total = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            here += len(block)
            report(here, total)
    return digest.hexdigest()


def unreachable(url: str, error: Exception) -> str:
    """No network, in words."""
    host = httpx.URL(url).host
    return (
        f"{host} cannot be reached ({error or type(error).__name__}); is this machine online? Without a network: "
        "put the files on a stick elsewhere, then `her-os models import FOLDER`"
    )


def _once(client: httpx.Client, url: str, part: Path, size: int, checked_after: bool, report: Report) -> Told:
    offset, tag = _length(part), _tag_file(part)
    promise = tag.read_text() if tag.is_file() else ""
    headers = {"Accept-Encoding": "identity"}
    if offset and (promise or checked_after):
        headers["Range"] = f"bytes={offset}-"
        if promise:
            headers["If-Range"] = promise
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == 416 and size and offset == size:
            return _told(response)
        if response.status_code == 416:
            part.unlink(missing_ok=True)
            raise DownloadFailed(f"{url}: the part that was here is longer than the file; it begins anew")
        _refuse_status(response, url)
        goes_on = response.status_code == 206
        if goes_on and not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
            part.unlink(missing_ok=True)
            raise DownloadFailed(f"{url}: the server went on at another place than asked; it begins anew")
        offset = offset if goes_on else 0
        length = response.headers.get("Content-Length", "")
        total = offset + int(length) if length.isdecimal() else 0
        if size and total and total != size:
            raise _Unexpected(f"{url} has {total} bytes, expected {size}: this is not the file that was meant")
        etag = response.headers.get("ETag", "")
        tag.write_text("" if etag.startswith("W/") else etag)
        with part.open("ab" if goes_on else "wb") as file:
            for block in response.iter_bytes():  # as it comes: a larger block would be lost where it breaks off
                file.write(block)
                offset += len(block)
                report(offset, total or size)
                if size and offset > size:
                    raise _Unexpected(f"{url} sends more than the {size} bytes it should have")
        if total and offset < total:
            raise DownloadFailed(f"{url} broke off at {offset} of {total} bytes")
        tag.unlink(missing_ok=True)
        return _told(response)


def _refuse_status(response: httpx.Response, url: str) -> None:
    status = response.status_code
    if status in {200, 206}:
        return
    if status in {404, 410}:
        raise NotThere(f"{url} is not there (HTTP {status}); was it renamed? `models.catalogue` can say where it is")
    if status in {401, 403}:
        raise _Unexpected(
            f"{url} is not given to everyone (HTTP {status}): its licence has to be agreed to at the hub. Do that "
            "there, download the files with your account, then `her-os models import FOLDER`"
        )
    if status in _AGAIN:
        raise DownloadFailed(f"{url} was answered with HTTP {status}; try again later")
    raise _Unexpected(f"{url} was answered with HTTP {status}")


def _told(response: httpx.Response) -> Told:
    """Hubs redirect large files; what they say of them is in the first answer."""
    size, revision = "", ""
    for answer in (response, *response.history):
        revision = answer.headers.get("X-Repo-Commit", revision)
        size = answer.headers.get("X-Linked-Size", size)
    size = size or response.headers.get("Content-Length", "")
    return Told(int(size) if size.isdecimal() else 0, revision)


def _tag_file(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
