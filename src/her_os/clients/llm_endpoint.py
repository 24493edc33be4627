"""Which language model server a client talks to: our own on loopback, or a remote one that speaks the OpenAI API.

What a server can tell about a cancel differs. llama.cpp's has `/slots`; vLLM counts running requests in `/metrics`; of
any other nothing is known but that it hung up. A remote server is shared: its slots are never pinned.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from her_os.settings.schema import LanguageModel as LanguageModelSettings

ServerKind = Literal["llama.cpp", "vllm", "openai"]


@dataclass(frozen=True)
class LlmEndpoint:
    """`base` is what stands before `/v1`."""

    host: str
    port: int
    base: str = ""
    tls: ssl.SSLContext | None = None
    kind: ServerKind = "llama.cpp"
    model: str = ""
    remote: bool = False

    @property
    def authority(self) -> str:
        """For the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def fields(self, slot: int) -> dict[str, Any]:
        """What a request says beside the OpenAI API, as far as this server understands it."""
        if self.kind == "llama.cpp":
            pinned = {} if self.remote else {"id_slot": slot}
            named = {"model": self.model} if self.model else {}
            return {"return_progress": True, "cache_prompt": True, **pinned, **named}
        return {"model": self.model}


def endpoint_of(settings: LanguageModelSettings) -> LlmEndpoint:
    """The server that the settings name; the address was checked with the settings."""
    if not settings.remote:
        return LlmEndpoint(settings.host, settings.port)
    url = urlsplit(settings.remote)
    secure = url.scheme == "https"
    return LlmEndpoint(
        url.hostname or "",
        url.port or (443 if secure else 80),
        url.path.rstrip("/").removesuffix("/v1"),
        ssl.create_default_context() if secure else None,
        settings.remote_kind,
        settings.remote_model,
        remote=True,
    )


def running_requests(metrics: str) -> int:
    """Requests that a vLLM works on or holds in its queue, by its Prometheus text. Raises ValueError without them."""
    counts = [
        float(line.rpartition(" ")[2])
        for line in metrics.splitlines()
        if line.startswith(("vllm:num_requests_running", "vllm:num_requests_waiting"))
        and not line.startswith("vllm:num_requests_waiting_by")
    ]
    if not counts:
        raise ValueError("there is no vllm:num_requests_running")
    return round(sum(counts))
