"""How a conversation reaches the text-to-speech daemon: SpeechSynthesizer over one persistent aiohttp session."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from urllib.parse import quote

import aiohttp
import msgspec

from her_os.audio.resample import StreamResampler
from her_os.clients.network_errors import in_words
from her_os.contracts.audio import CONVERSATION_RATE, SAMPLE_WIDTH, WordMark
from her_os.contracts.errors import CancelledTurn, ProtocolError, SidecarUnavailable, SynthesisError
from her_os.contracts.text_to_speech import CancelReport, SpeechStream, SynthesisRequest

SERVICE = "tts"
CONNECT_S = 1.0
"""The daemon is on this machine: a connection that takes longer will not come."""
SILENCE_S = 20.0
"""Longest wait for the next audio of a running synthesis."""
_REMEMBERED_CANCELS = 256


class TtsClient:
    """Speaks and cancels. An async context manager: leaving it closes every connection.

    A session that this client has cancelled is refused here already, before the daemon is asked.
    """

    def __init__(self, base_url: str, token: str) -> None:
        self._base_url, self._token = base_url.rstrip("/"), token
        self._http: aiohttp.ClientSession | None = None
        self._cancelled: OrderedDict[str, None] = OrderedDict()

    async def __aenter__(self) -> TtsClient:
        self._session()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. Idempotent; a later `speak` opens new ones."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    def speak(self, session_id: str, text: str) -> AbstractAsyncContextManager[SpeechStream]:
        """Begin a synthesis; see SpeechSynthesizer. The stream is at 16 kHz, whole samples in each chunk."""
        return self._speak(session_id, text)

    @asynccontextmanager
    async def _speak(self, session_id: str, text: str) -> AsyncGenerator[SpeechStream]:
        self._refuse_cancelled(session_id)
        try:
            response = await self._request_speech(msgspec.json.encode(SynthesisRequest(session_id, text)))
        except (aiohttp.ClientError, TimeoutError) as error:
            self._refuse_cancelled(session_id)
            raise _unavailable(error) from error
        try:
            await _check(response)
            yield _PcmStream(response, session_id, self)
        finally:
            response.close()

    async def _request_speech(self, body: bytes) -> aiohttp.ClientResponse:
        url = f"{self._base_url}/v1/synthesize"
        try:
            return await self._session().post(url, data=body)
        except aiohttp.ServerDisconnectedError:
            # A kept-alive connection that the daemon (restarted) had closed. Asking again does no harm.
            return await self._session().post(url, data=body)

    async def cancel(self, session_id: str) -> CancelReport:
        """End every request of the session; see SpeechSynthesizer. Marked here first, whatever the daemon answers."""
        self._cancelled[session_id] = None
        while len(self._cancelled) > _REMEMBERED_CANCELS:
            self._cancelled.popitem(last=False)
        try:
            async with self._session().post(f"{self._base_url}/cancel/{quote(session_id, safe='')}") as response:
                await _check(response)
                return msgspec.json.decode(await response.read(), type=CancelReport)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unavailable(error) from error
        except msgspec.MsgspecError as error:
            raise ProtocolError(f"the answer to a cancel is no CancelReport: {error}") from error

    def is_cancelled(self, session_id: str) -> bool:
        """Whether this client has cancelled the session (of the last few hundred)."""
        return session_id in self._cancelled

    def _refuse_cancelled(self, session_id: str) -> None:
        if self.is_cancelled(session_id):
            raise CancelledTurn(f"session {session_id} was cancelled")

    def _session(self) -> aiohttp.ClientSession:
        """One session for the life of the client: kept-alive connections save the handshake of each sentence."""
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60.0),
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S),
                skip_auto_headers=("Accept-Encoding", "User-Agent"),
                read_bufsize=8192,
            )
        return self._http


class _PcmStream:
    """SpeechStream over one response: resampled to 16 kHz, a truncation told from an end."""

    sample_rate = CONVERSATION_RATE
    marks: tuple[WordMark, ...] = ()

    def __init__(self, response: aiohttp.ClientResponse, session_id: str, client: TtsClient) -> None:
        self._response, self._session_id, self._client = response, session_id, client
        self._resampler = StreamResampler(_rate_of(response), CONVERSATION_RATE, align=True)
        self._half_sample = b""
        self._ended = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._ended:
            if pcm := await self._next_pcm():
                return pcm
        raise StopAsyncIteration

    async def _next_pcm(self) -> bytes:
        """The next samples; empty when more must arrive first, or at the end."""
        try:
            data = await self._response.content.readany()
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            self._ended = True
            if self._client.is_cancelled(self._session_id):
                raise CancelledTurn(f"session {self._session_id} was cancelled") from error
            raise SynthesisError(f"the voice broke off in the middle ({error or type(error).__name__})") from error
        if data:
            data = self._half_sample + data
            whole = len(data) - len(data) % SAMPLE_WIDTH
            self._half_sample = data[whole:]
            return self._resampler.process(data[:whole])
        self._ended = True
        if self._half_sample:
            raise SynthesisError("the voice ended with half a sample")
        return self._resampler.flush()


def _rate_of(response: aiohttp.ClientResponse) -> int:
    """The rate that the content type names, as in `audio/pcm;rate=16000`. Raises ProtocolError."""
    header = response.headers.get("Content-Type", "")
    kind, _, parameter = header.replace(" ", "").partition(";")
    name, _, value = parameter.partition("=")
    if kind != "audio/pcm" or name != "rate" or not (value.isascii() and value.isdigit() and len(value) < 7):
        raise ProtocolError(f"expected audio/pcm;rate=N, the daemon sent {header!r}")
    return int(value)


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raise what a status other than 200 stands for."""
    if response.status == 200:
        return
    try:
        detail = (await response.text())[:300]
    except (aiohttp.ClientError, TimeoutError):
        detail = ""
    message = f"answered {response.status}: {detail}"
    if response.status == 410:
        raise CancelledTurn(message)
    if response.status in {502, 503, 504}:
        raise SidecarUnavailable(SERVICE, message)
    raise SynthesisError(f"{SERVICE} {message}")


def _unavailable(error: Exception) -> SidecarUnavailable:
    return SidecarUnavailable(SERVICE, f"cannot be reached ({in_words(error)}); is her-os-tts running?")
