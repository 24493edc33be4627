"""What offer and answer settled about a call's media; replaced as a whole at a re-INVITE."""

from __future__ import annotations

from dataclasses import dataclass

from her_os.telephony.rtp.protection import MediaProtection


@dataclass(frozen=True, slots=True)
class MediaFormat:
    """`send` and `receive` are seen from our side; both False is a call on hold.

    `ptime_ms` is what the peer prefers to receive. It is kept for statistics only: RFC 8866 section 6.14 leaves
    the packet's length to the sender, and every ms beyond 20 would delay an interruption.
    """

    codec: str
    payload_type: int
    dtmf_payload_type: int | None
    send: bool
    receive: bool
    ptime_ms: int = 20
    protection: MediaProtection | None = None
    """None: packets go in the open."""
