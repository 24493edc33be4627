"""The restart budget: time is an argument."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her_os.contracts.service_state import LOADER_ARROWS, SERVICE_ARROWS, LoaderState
from her_os.loader.start_plan import RestartBudget, RestartPolicy

POLICY = RestartPolicy(initial_s=1, max_s=5, max_restarts=4, window_s=100)


def test_delays_double_up_to_the_cap_and_end() -> None:
    budget = RestartBudget(POLICY)
    assert [budget.next_delay_s(now) for now in (0, 1, 2, 3, 4)] == [1, 2, 4, 5, None]


def test_restarts_that_left_the_window_are_forgiven() -> None:
    budget = RestartBudget(POLICY)
    for now in (0, 1, 2, 3):
        budget.next_delay_s(now)
    assert budget.next_delay_s(90) is None
    assert budget.next_delay_s(101.5) == 4
    assert budget.next_delay_s(500) == 1


@given(st.lists(st.floats(min_value=0, max_value=50), max_size=60))
def test_never_more_restarts_in_a_window_than_allowed(gaps: list[float]) -> None:
    budget, now, granted = RestartBudget(POLICY), 0.0, list[float]()
    for gap in gaps:
        now += gap
        delay = budget.next_delay_s(now)
        if delay is not None:
            assert POLICY.initial_s <= delay <= POLICY.max_s
            granted.append(now)
        assert len([t for t in granted if now - t <= POLICY.window_s]) <= POLICY.max_restarts


def test_every_state_has_a_way_to_stopped() -> None:
    for state in SERVICE_ARROWS:
        reached, edge = {state}, {state}
        while edge:
            edge = {to for start in edge for to in SERVICE_ARROWS[start]} - reached
            reached |= edge
        assert len(reached) == len(SERVICE_ARROWS)


def test_the_loader_reaches_stopped_from_everywhere_and_only_comes_back_by_a_check() -> None:
    for state in LOADER_ARROWS:
        reached, edge = {state}, {state}
        while edge:
            edge = {to for start in edge for to in LOADER_ARROWS[start]} - reached
            reached |= edge
        assert reached >= set(LoaderState) - {LoaderState.INIT}
    assert LOADER_ARROWS[LoaderState.STOPPED] == {LoaderState.PRECHECK}
    assert LOADER_ARROWS[LoaderState.STOPPING] == {LoaderState.STOPPED}


@pytest.mark.parametrize(
    ("kind", "status", "wanted"),
    [
        ("on-failure", 0, False),
        ("on-failure", 1, True),
        ("on-failure", -9, True),
        ("always", 0, True),
        ("never", 1, False),
    ],
)
def test_which_end_asks_for_a_restart(
    kind: Literal["on-failure", "always", "never"], status: int, wanted: bool
) -> None:
    assert RestartPolicy(1, 5, 4, 100, kind=kind).wants_restart(status) is wanted
