"""A desk whose calls ring, its user agent, and the far end as plain text."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from her_os.telephony.sip.user_agent import UserAgent
from tests.telephony.sip.agents import Desk, user_agent
from tests.telephony.sip.raw_peer import RawPeer, raw_peer


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest_asyncio.fixture
async def agent(desk: Desk) -> AsyncIterator[UserAgent]:
    async with user_agent(desk) as agent:
        yield agent


@pytest_asyncio.fixture
async def peer(agent: UserAgent) -> AsyncIterator[RawPeer]:
    async with raw_peer(agent.port) as peer:
        yield peer
