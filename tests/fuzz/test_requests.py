"""Requests that make no sense: each has an answer that the document allows, and nobody else notices."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz import nasty
from tests.fuzz.under_fire import TIMES, WAITS, Fire, under_fire

AT_ONCE = 10
"""Requests of one example, one after the other."""
QUIET = [
    HealthCheck.function_scoped_fixture,
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.large_base_example,
]


def usual(examples: int) -> Any:
    return settings(
        max_examples=examples * TIMES, deadline=None, derandomize=TIMES == 1, database=None,
        suppress_health_check=QUIET,
        phases=[Phase.generate],  # to shrink, ask the hub again by hand: what is told is the whole request
    )  # fmt: skip


FIRED = [each for each in nasty.ALL if each.path not in WAITS and each.path != "/static/{path}"]
OFTEN = [each for each in FIRED if each.path.endswith(("/publish", "/schedules", "/search", "/events", "/history"))]


async def send(fire: Fire, requests: list[Any]) -> None:
    for method, address, headers, body in requests:
        await fire.ask(method, address, headers, body)
    await fire.publish()


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.timeout(240 * TIMES)
def test_whatever_is_asked_has_an_answer(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        context = under_fire(tmp_path)
        fire = runner.run(context.__aenter__())
        many = st.lists(nasty.requests(FIRED + OFTEN * 2, fire.known), min_size=AT_ONCE, max_size=AT_ONCE)

        @usual(100)
        @given(many)
        def check(requests: list[Any]) -> None:
            runner.run(send(fire, requests))

        try:
            check()
        finally:
            runner.run(context.__aexit__(*sys.exc_info()))
        print(f"{sum(fire.statuses.values())} requests: {dict(sorted(fire.statuses.items()))}")
