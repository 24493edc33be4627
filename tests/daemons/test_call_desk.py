"""The desk's word to the watchdog: a call whose media thread is stuck is one the daemon must be restarted for."""

from __future__ import annotations

import threading
from typing import cast

from her_os.conversation.call_loop import CallLoop
from her_os.daemons.phone_call import CallDesk, House
from her_os.settings import Settings
from her_os.telephony.rtp.session import RtpSession
from tests.fakes.line import ScriptedLine
from tests.fakes.listener import Listener
from tests.telephony.rtp.listening import POOL, Peer
from tests.waiting import until


async def test_a_stuck_media_thread_is_told_to_the_watchdog() -> None:
    peer, gate = Peer(), threading.Event()
    session = RtpSession("127.0.0.1", POOL, call_id="stuck")
    session.configure(peer.address, "PCMU", 0, None, send=True, receive=True)
    line, house = ScriptedLine(), House(Settings(), *[None] * 6)  # type: ignore[arg-type]
    line.statistics = session.statistics
    desk = CallDesk(house)
    desk._talking[cast(CallLoop, object())] = line
    assert desk.alive(), "before the media has begun"
    try:
        session.start(Listener())
        await until(lambda: session.statistics().packets_sent > 3)
        assert desk.alive()
        session._sender._tick = lambda _now: gate.wait()
        await until(lambda: not desk.alive(), patience_s=60)
        assert session.statistics().extra["tick_overdue_ms"] >= 5000
    finally:
        gate.set()
        session.stop()
        peer.close()
    assert desk.alive(), "a call that is over owes nothing"
