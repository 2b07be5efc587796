"""Whatever happens to a tenant, everything that is said of its money agrees."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from tests.scenarios.deeds import DEEDS
from tests.scenarios.lives import START, Life
from tests.scenarios.story import Story

Begin = Callable[..., Awaitable[Story]]


@pytest.mark.timeout(0)
async def test_whatever_happens_everything_said_of_the_money_agrees(
    begin: Begin, pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
) -> None:
    lives, seed = pytestconfig.getoption("--proof-count") or 1, pytestconfig.getoption("--proof-seed")
    stretches = 4 if pytestconfig.getoption("--proof-count") else 2
    answers = Counter[int]()
    for number in range(lives):
        life = Life(await begin(START.isoformat()), random.Random(f"{seed}-{number}"))
        await life.run(stretches, DEEDS)
        answers += life.answers
    refused = sum(count for status, count in answers.items() if status >= 400)
    assert answers[200] + answers[201] > refused
    record_property("result", f"{lives} lives: {answers.total()} wishes, {refused} of them refused by name")
