"""The caller's side on a real socket: challenge, ringing, CANCEL and its races, lost packets, registration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from her_os.telephony.sip.calls import CallState, SipCall
from her_os.telephony.sip.digest import Credentials, parse_digest
from her_os.telephony.sip.errors import CallRefused, NotAcceptable, RequestTimeout
from her_os.telephony.sip.user_agent import UserAgent
from tests.telephony.sip.agents import Desk, uri_of, user_agent
from tests.telephony.sip.fake_media import FakeMedia
from tests.telephony.sip.raw_peer import OFFER, RawPeer, raw_peer

SDP = "Content-Type: application/sdp\r\n"
CHALLENGE = 'Digest realm="r", nonce="n{}", algorithm=MD5, qop="auth"{}'
ALICE = Credentials("alice", "secret")


@pytest_asyncio.fixture
async def caller() -> AsyncIterator[UserAgent]:
    async with user_agent() as agent:
        yield agent


@pytest_asyncio.fixture
async def callee(caller: UserAgent) -> AsyncIterator[RawPeer]:
    async with raw_peer(caller.port) as peer:
        yield peer


def calling(
    caller: UserAgent, callee: RawPeer, media: FakeMedia, credentials: Credentials | None = None
) -> asyncio.Task[SipCall]:
    target = f"sip:you@127.0.0.1:{callee.port}"
    return asyncio.create_task(caller.invite(target, media, credentials=credentials))


async def test_two_of_us() -> None:
    desk, media = Desk(), FakeMedia(("PCMU",))
    desk.auto_answer = True
    progress: list[int] = []
    async with user_agent(desk) as server, user_agent() as phone:
        call = await phone.invite(uri_of(server), media, on_progress=lambda response: progress.append(response.status))
        assert progress == [100, 180]
        assert media.sessions[0].codec == desk.media[0].sessions[0].codec == "PCMU"
        media.hold = True
        await call.reinvite()
        assert desk.media[0].sessions[-1].held
        media.hold = False
        await call.reinvite()
        assert not desk.media[0].sessions[-1].held
        await call.info("application/dtmf-relay", b"Signal=1\r\n")
        with pytest.raises(CallRefused):
            await call.info("text/plain", b"x")
        await desk.calls[0].bye("time to go")
        assert media.ended == ["the far end hung up (time to go)"]
        assert phone.calls == server.calls == []


async def test_lost_requests_are_repeated_and_late_repetitions_acknowledged(caller: UserAgent, callee: RawPeer) -> None:
    task = calling(caller, callee, FakeMedia())
    first, second = await callee.received("INVITE"), await callee.received("INVITE")
    assert first.headers.get("Via") == second.headers.get("Via")
    callee.reply(second, 200, extra=SDP, body=OFFER)
    await skip_to(callee, "ACK")
    callee.reply(second, 200, extra=SDP, body=OFFER)
    ack = await skip_to(callee, "ACK")
    assert ack.cseq == (1, "ACK")
    call = await task
    ending = asyncio.create_task(call.bye())
    callee.reply(await callee.received("BYE"), 200)
    await ending


async def skip_to(peer: RawPeer, method: str):
    while (message := await peer.next()) and getattr(message, "method", "") != method:
        pass
    return message


async def test_nobody_answers(caller: UserAgent, callee: RawPeer) -> None:
    with pytest.raises(RequestTimeout):
        await calling(caller, callee, FakeMedia())
    assert 5 <= len(callee.seen) <= 8


async def test_busy(caller: UserAgent, callee: RawPeer) -> None:
    task = calling(caller, callee, FakeMedia())
    invite = await callee.received("INVITE")
    for _ in range(2):
        callee.reply(invite, 486, extra='Reason: SIP;cause=486;text="two calls, no more"\r\n')
        ack = await callee.received("ACK")
        assert ack.headers.get("Via") == invite.headers.get("Via")
        assert ack.to.tag == callee.tag
    with pytest.raises(CallRefused) as caught:
        await task
    assert (caught.value.status, caught.value.reason) == (486, "two calls, no more")


@pytest.mark.parametrize(("status", "name"), [(401, "WWW-Authenticate"), (407, "Proxy-Authenticate")])
async def test_a_challenge_is_answered_once(caller: UserAgent, callee: RawPeer, status: int, name: str) -> None:
    task = calling(caller, callee, FakeMedia(), ALICE)
    first = await callee.received("INVITE")
    callee.reply(first, status, extra=f"{name}: {CHALLENGE.format(1, '')}\r\n")
    await callee.received("ACK")
    second = await callee.received("INVITE")
    answer = parse_digest(second.headers.get("Authorization" if status == 401 else "Proxy-Authorization"))
    assert (answer["username"], answer["nonce"]) == ("alice", "n1")
    assert second.cseq[0] == first.cseq[0] + 1
    assert second.top_via.branch != first.top_via.branch
    assert second.from_.tag == first.from_.tag
    callee.reply(second, status, extra=f"{name}: {CHALLENGE.format(2, '')}\r\n")
    await callee.received("ACK")
    with pytest.raises(CallRefused):
        await task


async def test_a_stale_nonce_is_answered_again(caller: UserAgent, callee: RawPeer) -> None:
    task = calling(caller, callee, FakeMedia(), ALICE)
    for number, tail in ((1, ""), (2, ", stale=true")):
        callee.reply(
            await callee.received("INVITE"), 401, extra=f"WWW-Authenticate: {CHALLENGE.format(number, tail)}\r\n"
        )
        await callee.received("ACK")
    invite = await callee.received("INVITE")
    assert parse_digest(invite.headers.get("Authorization"))["nonce"] == "n2"
    callee.reply(invite, 200, extra=SDP, body=OFFER)
    await callee.received("ACK")
    await finish(callee, await task)


async def finish(callee: RawPeer, call: SipCall) -> None:
    ending = asyncio.create_task(call.bye())
    callee.reply(await callee.received("BYE"), 200)
    await ending


async def test_cancelling_the_task_sends_cancel(caller: UserAgent, callee: RawPeer) -> None:
    task = calling(caller, callee, FakeMedia())
    invite = await callee.received("INVITE")
    callee.reply(invite, 180)
    await asyncio.sleep(0.05)
    task.cancel()
    cancel = await callee.received("CANCEL")
    assert cancel.headers.get("Via") == invite.headers.get("Via")
    assert cancel.cseq == (invite.cseq[0], "CANCEL")
    callee.reply(cancel, 200)
    callee.reply(invite, 487)
    await callee.received("ACK")
    await asyncio.wait({task})
    assert task.cancelled()


async def test_cancel_waits_for_the_first_provisional_answer(caller: UserAgent, callee: RawPeer) -> None:
    task = calling(caller, callee, FakeMedia())
    invite = await callee.received("INVITE")
    task.cancel()
    await asyncio.wait({task})
    assert not any(getattr(message, "method", "") == "CANCEL" for message in callee.seen)
    callee.reply(invite, 180)
    callee.reply(await skip_to(callee, "CANCEL"), 200)
    callee.reply(invite, 487)
    await skip_to(callee, "ACK")


async def test_an_answer_that_crosses_our_cancel_is_hung_up(caller: UserAgent, callee: RawPeer) -> None:
    task = calling(caller, callee, FakeMedia())
    invite = await callee.received("INVITE")
    callee.reply(invite, 180)
    await asyncio.sleep(0.05)
    task.cancel()
    callee.reply(await callee.received("CANCEL"), 200)
    callee.reply(invite, 200, extra=SDP, body=OFFER)
    await callee.received("ACK")
    callee.reply(await callee.received("BYE"), 200)
    assert caller.calls == []


async def test_a_second_branch_of_a_forked_call_is_hung_up(caller: UserAgent, callee: RawPeer) -> None:
    task = calling(caller, callee, FakeMedia())
    invite = await callee.received("INVITE")
    callee.reply(invite, 200, extra=SDP, body=OFFER)
    await callee.received("ACK")
    call = await task
    first_tag, callee.tag = callee.tag, "fork"
    callee.reply(invite, 200, extra=SDP, body=OFFER)
    await callee.received("ACK")
    bye = await callee.received("BYE")
    assert bye.to.tag == "fork"
    callee.reply(bye, 200)
    assert call.state is CallState.CONFIRMED
    callee.tag = first_tag
    await finish(callee, call)


async def test_an_answer_without_our_codecs_is_hung_up(caller: UserAgent, callee: RawPeer) -> None:
    task = calling(caller, callee, FakeMedia())
    callee.reply(await callee.received("INVITE"), 200, extra=SDP, body=OFFER.replace("0 8 9 101", "18"))
    await callee.received("ACK")
    callee.reply(await callee.received("BYE"), 200)
    with pytest.raises(NotAcceptable):
        await task


async def test_register(caller: UserAgent, callee: RawPeer) -> None:
    registrar = f"sip:127.0.0.1:{callee.port}"
    task = asyncio.create_task(caller.register(registrar, ALICE, expires_s=600))
    callee.reply(await callee.received("REGISTER"), 401, extra=f"WWW-Authenticate: {CHALLENGE.format(1, '')}\r\n")
    request = await callee.received("REGISTER")
    assert request.to.uri == "sip:alice@127.0.0.1"
    assert parse_digest(request.headers.get("Authorization"))["uri"] == registrar
    callee.reply(request, 200, extra=f"Contact: {request.headers.get('Contact')};expires=120\r\n")
    assert await task == 120
    assert await answered(callee, caller.options(registrar)) == 200


async def answered(callee: RawPeer, request) -> int:
    task = asyncio.create_task(request)
    callee.reply(await callee.received("OPTIONS"), 200)
    return (await task).status


async def test_stop_ends_calls_and_waiting_requests(callee: RawPeer) -> None:
    async with user_agent() as agent:
        callee.server = ("127.0.0.1", agent.port)
        media = FakeMedia()
        task = calling(agent, callee, media)
        callee.reply(await callee.received("INVITE"), 200, extra=SDP, body=OFFER)
        await task
        await callee.received("ACK")
        waiting = asyncio.create_task(agent.options(f"sip:127.0.0.1:{callee.port}"))
        await callee.received("OPTIONS")
        await agent.stop(grace_s=0.1)
        with pytest.raises(RequestTimeout):
            await waiting
        assert media.ended == ["we are shutting down"]


async def test_without_a_handler_calls_are_declined(caller: UserAgent, callee: RawPeer) -> None:
    callee.send(callee.request("INVITE", body=OFFER))
    await callee.response(480)
