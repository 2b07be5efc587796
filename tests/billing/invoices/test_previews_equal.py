"""A preview of the first invoice, a change, a pause, a resumption, an end or the next one equals the later invoice."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from tests.billing.invoices.conftest import Shop
from tests.billing.invoices.drawn import METERS, Case
from tests.support.furnished import made


@pytest.fixture
async def previewing(open_shop: Callable[..., Awaitable[Shop]]) -> Shop:
    """Final at once; the clock stands before Europe's clocks go forward."""
    shop = await open_shop("previewing", "2026-03-20T21:30:00Z", graceHours=0)
    for meter in METERS:
        aggregation = {"aggregation": "sum", "property": "amount"} if meter == "sales" else {"aggregation": "count"}
        await made(
            shop.caller.post("/billing/meters", {"code": meter, "name": meter, "eventName": meter, **aggregation})
        )
    return shop


async def test_previews_equal_the_later_invoice_to_the_cent(
    previewing: Shop, pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
) -> None:
    cases, seed = pytestconfig.getoption("--proof-count") or 5, pytestconfig.getoption("--proof-seed")
    compared = 0
    shop = previewing
    for number in range(cases):
        if number % 10 == 9:  # a proof takes longer than a token lives
            renewed = await made(shop.caller.post("/auth/refresh", {"refreshToken": shop.caller.refresh_token}))
            caller = replace(shop.caller, token=renewed["accessToken"], refresh_token=renewed["refreshToken"])
            shop = replace(shop, caller=caller)
        case = Case(shop, random.Random(f"{seed}-{number}"), number)
        await case.run()
        compared += case.compared
    assert compared >= cases
    record_property("result", f"{compared} previews of {cases} subscriptions, each equal to its later invoice")
