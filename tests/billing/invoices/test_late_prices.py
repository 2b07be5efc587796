"""Late usage under each kind of price and with floors: corrected to the cent, computed again, named when altered."""

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest

from core.billing.invoices.recomputing.comparing import Drift
from core.billing.invoices.recomputing.recompute import Recomputed, recompute_all
from tests.billing.invoices.altering import altered
from tests.billing.invoices.conftest import Shop, flat, metered
from tests.support.furnished import made
from tests.support.servers import Role

Connection = psycopg.AsyncConnection[Any]

FEBRUARY = "2026-02-20T08:00:00Z"
FIRST, SECOND = "2026-02-03T08:00:00Z", "2026-02-10T08:00:00Z"
JUMP = [
    {"firstUnit": 1, "lastUnit": 100, "unitPrice": "1"},
    {"firstUnit": 101, "lastUnit": None, "unitPrice": "0.50"},
]
PRICES: dict[str, tuple[str, dict[str, Any]]] = {
    "volume": ("EUR", {"model": "volume", "tiers": JUMP}),
    "share": ("EUR", {"model": "percentage", "rate": "2.9", "fixed": "0.30", "minimum": "0.50", "maximum": "10"}),
    "yen": ("JPY", {"model": "per_unit", "unitPrice": "0.5"}),
    "dinar": ("KWD", {"model": "per_unit", "unitPrice": "0.0015"}),
}
"""By the code of their meter; a customer of the same name has each."""


class Books:
    """What is used, and what came of it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.customers: dict[str, str] = {}
        self._sent = 0

    async def sells(
        self, code: str, currency: str, *parts: dict[str, Any], interval: str = "month", more: Any = None, **floors: Any
    ) -> None:
        """A meter, a plan and a customer of that name, who subscribes."""
        meter = {"code": code, "name": code, "aggregation": "sum", "eventName": code}
        await made(self.shop.caller.post("/billing/meters", meter))
        self.customers[code] = await self.shop.customer(code.capitalize(), currency=currency)
        price = {"currency": currency, "components": list(parts), **floors}
        await made(
            self.shop.caller.post(
                "/billing/plans", {"code": code, "name": code, "interval": interval, "prices": [price]}
            )
        )
        await self.shop.subscribe(self.customers[code], code, **(more or {}))

    async def use(self, code: str, *quantities: str, at: str = FEBRUARY) -> list[str]:
        """An event each; their ids."""
        events: list[dict[str, Any]] = []
        for quantity in quantities:
            self._sent += 1
            event = {"idempotencyKey": f"{code}-{self._sent}", "eventName": code, "quantity": quantity}
            events.append({**event, "customerId": self.customers[code], "occurredAt": at})
        answer = await made(self.shop.caller.post("/billing/usage/events", {"events": events}))
        assert answer["accepted"] == len(events), answer
        return [row["usageEventId"] for row in answer["data"]]

    async def void(self, event: str) -> None:
        """It was none."""
        body = {"kind": "void", "reason": "sent by mistake"}
        await made(self.shop.caller.post(f"/billing/usage/events/{event}/amendments", body))

    async def bills(self, code: str) -> list[dict[str, Any]]:
        """Of that customer, oldest first."""
        return await self.shop.invoices(customerId=self.customers[code])

    async def lines(self, invoice: dict[str, Any]) -> list[tuple[str, str, int]]:
        """Kind, code, amount; sorted."""
        return sorted((one["kind"], one["code"], one["amountMinor"]) for one in await self.shop.lines(invoice))

    async def trail(self, invoice: dict[str, Any]) -> list[tuple[str, int]]:
        """What was corrected of an invoice."""
        path = f"/billing/invoices/{invoice['invoiceId']}/corrections"
        return [(one["code"], one["amountMinor"]) for one in (await made(self.shop.caller.get(path)))["data"]]

    async def notes(self, invoice: dict[str, Any]) -> list[tuple[int, int]]:
        """Of an invoice, before tax and the tax."""
        rows = (await made(self.shop.caller.get("/billing/credit-notes", invoiceId=invoice["invoiceId"])))["data"]
        return [(one["netMinor"], one["taxMinor"]) for one in rows]

    async def drifts(self) -> list[Drift]:
        """All invoices computed again."""
        return [one async for one in recompute_all(self.shop.runtime.database, result=Recomputed())]


@pytest.fixture
async def books(shop: Shop) -> Books:
    """February is final on the 28th, an hour before the test goes on."""
    await shop.rules(timesHistory=1_000_000)
    books = Books(shop)
    for code, (currency, price) in PRICES.items():
        part = {"code": code, "name": code, "kind": "usage", "meter": code, "price": price}
        await books.sells(code, currency, part)
    await shop.move("2026-02-27T00:00:00Z")
    # 80 at 1.00; 3.20, 0.387 which is 0.50 at least, 29.30 which is 10.00 at most; 12.5 yen; 0.4995 dinars.
    await books.use("volume", "80")
    await books.use("share", "100", "3", "1000")
    await books.use("yen", "25")
    await books.use("dinar", "332")
    (mistaken,) = await books.use("dinar", "1")
    await shop.move("2026-02-28T12:30:00Z")
    billed = {code: [one["subtotalMinor"] for one in await books.bills(code)] for code in PRICES}
    assert billed == {"volume": [8_000], "share": [1_370], "yen": [13], "dinar": [500]}
    # 120 are in the cheaper tier, 60.00 in all; 6.10 and 0.50 more; 16 yen; 0.498 dinars.
    await books.use("volume", "40")
    await books.use("share", "200", "1")
    await books.use("yen", "7")
    await books.void(mistaken)
    return books


CORRECTED = {"volume": -2_000, "share": 660, "yen": 3, "dinar": -2}


async def test_more_usage_that_costs_less_percentages_yen_and_dinars_come_on_the_next_invoice(books: Books) -> None:
    await books.shop.move("2026-03-31T12:00:00Z")
    for code, amount_minor in CORRECTED.items():
        february, march = await books.bills(code)
        assert await books.trail(february) == [(code, amount_minor)]
        assert await books.lines(march) == [("correction", code, amount_minor), ("usage", code, 0)]
    # With 19 %: 23.80 go into the wallet, 7.854 and 3.57 are to pay; 0.002 dinars have a tax of 0.00038.
    totals = {code: (await books.bills(code))[1]["totalMinor"] for code in PRICES}
    assert totals == {"volume": -2_380, "share": 785, "yen": 4, "dinar": -2}
    assert await books.drifts() == []
    # Of 120 twenty-one were none: 99 at 1.00 each are more than all were.
    late = (await made(books.shop.caller.get("/billing/usage/events", limit=200)))["data"]
    (forty,) = [one["usageEventId"] for one in late if one["quantity"] == "40"]
    body = {"kind": "replace", "reason": "counted twice", "replacement": {"idempotencyKey": "less", "quantity": "19"}}
    await made(books.shop.caller.post(f"/billing/usage/events/{forty}/amendments", body))
    await books.shop.move("2026-04-01T00:00:00Z")
    assert await books.trail((await books.bills("volume"))[0]) == [("volume", -2_000), ("volume", 3_900)]
    assert await books.drifts() == []


# What is altered of each price behind our back, and what is named for it.
ALTERED = {
    **{f"UPDATE usage_events SET quantity = quantity + 1 WHERE idempotency_key LIKE '{code}-%'": ("events", code)
       for code in PRICES},
    "UPDATE price_components SET definition = jsonb_set(definition, '{tiers,1,unitPrice}', '\"0.51\"') "
    "WHERE code = 'volume'": ("price", "volume"),
    "UPDATE price_components SET definition = jsonb_set(definition, '{minimum}', '\"0.51\"') "
    "WHERE code = 'share'": ("price", "share"),
    **{f"UPDATE late_corrections c SET amount_minor = c.amount_minor + 1 FROM invoice_items i "
       f"WHERE i.id = c.item_id AND i.code = '{code}'": ("line", code) for code in PRICES},
}  # fmt: skip


async def test_as_credit_notes_and_invoices_of_their_own_they_come_out_again_and_what_is_altered_is_named(
    books: Books, connect: Callable[[Role], Awaitable[Connection]]
) -> None:
    await books.shop.settings(lateUsage="credit_note")
    await books.shop.move("2026-02-28T15:00:00Z")
    firsts = {code: (await books.bills(code))[0] for code in PRICES}
    # A quarter of 80.00 with its tax of 15.20; two of 500, whose tax of 95 gives 0.38 back, which is none.
    assert [await books.notes(firsts[code]) for code in PRICES] == [[(2_000, 380)], [], [], [(2, 0)]]
    more = {code: [await books.lines(one) for one in (await books.bills(code))[1:]] for code in PRICES}
    assert more == {
        "volume": [],
        "share": [[("correction", "share", 660)]],
        "yen": [[("correction", "yen", 3)]],
        "dinar": [],
    }
    assert await books.drifts() == []
    admin = await connect("admin")
    named: dict[str, set[tuple[str, str]]] = {}
    for statement in ALTERED:
        async with altered(admin, statement, tables=("usage_events", "late_corrections", "price_components")):
            corrected = [one for one in await books.drifts() if one.line and one.line.startswith("correction of ")]
            named[statement] = {(one.cause, one.line.split()[2]) for one in corrected if one.line}
    assert named == {statement: {wanted} for statement, wanted in ALTERED.items()}
    assert await books.drifts() == []


async def committed(shop: Shop) -> Books:
    """10.00 and 0.10 a call, at least 100.00 in two; weeks: 100 calls and 50; both final."""
    await shop.rules(timesHistory=1_000_000)
    books = Books(shop)
    commitment = {"model": "commitment", "amount": "100", "periods": 2}
    await books.sells("calls", "EUR", flat("10"), metered("0.10"), interval="week", commitment=commitment)
    await shop.move("2026-02-05T00:00:00Z")
    await books.use("calls", "100", at=FIRST)
    await shop.move("2026-02-13T00:00:00Z")
    await books.use("calls", "50", at=SECOND)
    await shop.move("2026-02-14T12:30:00Z")
    # 10.00 and 10.00, 10.00 and 5.00: 65.00 are missing to 100.00.
    assert [await books.lines(one) for one in await books.bills("calls")] == [
        [("recurring", "base", 1_000)],
        [("recurring", "base", 1_000), ("usage", "calls", 1_000)],
        [("commitment", "commitment", 6_500), ("recurring", "base", 1_000), ("usage", "calls", 500)],
    ]
    return books


async def test_late_usage_of_two_weeks_is_covered_by_their_commitment_until_that_is_reached(shop: Shop) -> None:
    books = await committed(shop)
    # 10.00 of the first week and 20.00 of the second: the commitment still covers both.
    await books.use("calls", "100", at=FIRST)
    await books.use("calls", "200", at=SECOND)
    await shop.move("2026-02-15T00:00:00Z")
    _, first, second = await books.bills("calls")
    assert await books.trail(first) == [("calls", 1_000)]
    assert sorted(await books.trail(second)) == [("calls", 2_000), ("commitment", -3_000)]
    # 50.00 more of the first: 35.00 were left to cover, 15.00 are to pay.
    await books.use("calls", "500", at=FIRST)
    await shop.move("2026-02-21T12:00:00Z")
    third = (await books.bills("calls"))[3]
    assert await books.lines(third) == [
        ("correction", "calls", 1_000),
        ("correction", "calls", 2_000),
        ("correction", "calls", 5_000),
        ("correction", "commitment", -3_500),
        ("correction", "commitment", -3_000),
        ("recurring", "base", 1_000),
        ("usage", "calls", 0),
    ]
    # 25.00 and 19 % of it.
    assert third["totalMinor"] == 2_975
    assert await books.drifts() == []


async def test_what_a_commitment_covers_costs_nothing_as_a_credit_note_either(
    shop: Shop, connect: Callable[[Role], Awaitable[Connection]]
) -> None:
    books = await committed(shop)
    await shop.settings(lateUsage="credit_note")
    await books.use("calls", "100", at=FIRST)
    await books.use("calls", "200", at=SECOND)
    await shop.move("2026-02-15T00:00:00Z")
    _, first, second = await books.bills("calls")
    assert await books.trail(first) == [("calls", 1_000)]
    assert sorted(await books.trail(second)) == [("calls", 2_000), ("commitment", -3_000)]
    # Nothing is given back and nothing is billed: the same hundred is owed.
    assert (await books.notes(first), await books.notes(second), len(await books.bills("calls"))) == ([], [], 3)
    assert await books.drifts() == []
    # 50.00 more of the first, of which 15.00 are beyond it.
    (many,) = await books.use("calls", "500", at=FIRST)
    await shop.move("2026-02-16T00:00:00Z")
    beyond = (await books.bills("calls"))[3]
    assert (await books.lines(beyond), beyond["totalMinor"]) == (
        [("correction", "calls", 5_000), ("correction", "commitment", -3_500)],
        1_785,
    )
    await books.void(many)
    await shop.move("2026-02-17T00:00:00Z")
    back = (await books.bills("calls"))[4]
    assert (await books.lines(back), back["totalMinor"]) == (
        [("correction", "calls", -5_000), ("correction", "commitment", 3_500)],
        -1_785,
    )
    assert await books.drifts() == []
    more = "UPDATE prices SET commitment = jsonb_set(commitment, '{amount}', '\"101\"')"
    async with altered(await connect("admin"), more, tables=("prices",)):
        drifts = await books.drifts()
    assert {one.cause for one in drifts} == {"price"}
    named = " ".join(str(one.line) for one in drifts)
    assert "(commitment)" in named
    assert "correction of commitment" in named


async def test_what_a_minimum_covers_is_given_back_only_beyond_it(shop: Shop) -> None:
    await shop.rules(timesHistory=1_000_000)
    books = Books(shop)
    await books.sells("calls", "EUR", metered("0.10"), minimum={"model": "minimum", "amount": "40"})
    await shop.settings(lateUsage="credit_note")
    await shop.move("2026-02-27T00:00:00Z")
    (first,) = await books.use("calls", "450")
    (second,) = await books.use("calls", "20")
    await shop.move("2026-02-28T12:30:00Z")
    (february,) = await books.bills("calls")
    assert await books.lines(february) == [("usage", "calls", 4_700)]
    # 2.00 of 47.00, with a tax of 0.38.
    await books.void(second)
    await shop.move("2026-02-28T15:00:00Z")
    assert (await books.trail(february), await books.notes(february)) == ([("calls", -200)], [(200, 38)])
    # Nothing was used: of the 45.00 the minimum keeps 40.00.
    await books.void(first)
    await shop.move("2026-02-28T18:00:00Z")
    assert await books.drifts() == []
    assert sum(net for net, _ in await books.notes(february)) == 700


async def test_of_what_coupons_left_the_same_part_is_given_back(shop: Shop) -> None:
    for coupon in ({"code": "tenth", "percent": "10"}, {"code": "five", "amountMinor": 500, "currency": "EUR"}):
        await made(shop.caller.post("/billing/coupons", {"name": "Less", **coupon}))
    await shop.settings(lateUsage="credit_note")
    await shop.rules(timesHistory=1_000_000)
    books = Books(shop)
    part = {"code": "calls", "name": "Calls", "kind": "usage", "meter": "calls"}
    more = {"coupons": ["tenth", "five"]}
    await books.sells("calls", "EUR", {**part, "price": {"model": "volume", "tiers": JUMP}}, more=more)
    await shop.move("2026-02-27T00:00:00Z")
    (eighty,) = await books.use("calls", "80")
    await shop.move("2026-02-28T12:30:00Z")
    (february,) = await books.bills("calls")
    # 80.00 less 8.00 less 5.00, and 19 % of 67.00.
    assert (february["discountMinor"], february["totalMinor"]) == (1_300, 7_973)
    (forty,) = await books.use("calls", "40")
    await shop.move("2026-02-28T15:00:00Z")
    # A quarter of 67.00 and of its tax of 12.73, which is 3.1825.
    assert await books.notes(february) == [(1_675, 318)]
    await books.void(eighty)
    await books.void(forty)
    await shop.move("2026-02-28T18:00:00Z")
    assert await books.trail(february) == [("calls", -2_000), ("calls", -6_000)]
    # All of it came back.
    assert sorted(await books.notes(february)) == [(1_675, 318), (5_025, 955)]
    assert await books.drifts() == []
