"""Previews on odd days and of odd changes: each is the later invoice to the cent, with figures by hand."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.billing.invoices import working
from tests.billing.invoices.conftest import Shop, flat, metered
from tests.billing.invoices.drawn import TOTALS, shown
from tests.support.furnished import made

Open = Callable[..., Awaitable[Shop]]
HALF = "2026-02-14T10:00:00Z"
"""Half of the 28 days from 31 January, 10:00, on."""


class Case:
    """One subscription of a German tenant whose invoices are final at once."""

    def __init__(self, shop: Shop, customer: str, path: str) -> None:
        self.shop, self.customer, self.path = shop, customer, path

    async def upcoming(self) -> list[dict[str, Any]]:
        """What is said that comes next."""
        return (await made(self.shop.caller.get(f"{self.path}/upcoming-invoice")))["invoices"]

    async def does(self, what: str, **body: Any) -> list[dict[str, Any]]:
        """Asks what a change or a cancellation will bill, then makes it."""
        previews = (await made(self.shop.caller.post(f"{self.path}/{what}/preview", body)))["invoices"]
        await made(self.shop.caller.post(f"{self.path}/{what}", body))
        return previews

    async def comes(self, previews: list[dict[str, Any]]) -> list[tuple[list[tuple[str, str, int]], int, int]]:
        """Goes on to when each is billed and holds it against that; (lines, tax, what is left to pay) of each."""
        found: list[tuple[list[tuple[str, str, int]], int, int]] = []
        for preview in previews:
            now = datetime.fromisoformat((await made(self.shop.caller.get("/billing/test-clock")))["now"])
            billed = datetime.fromisoformat(preview["billAt"]) + timedelta(seconds=1)
            await self.shop.move(max(now, billed).isoformat())
            invoices = await self.shop.invoices(customerId=self.customer)
            (invoice,) = [one for one in invoices if one["billAt"] == preview["billAt"]]
            assert {name: invoice[name] for name in TOTALS} == {name: preview[name] for name in TOTALS}
            lines = await self.shop.lines(invoice)
            assert sorted(map(shown, lines)) == sorted(map(shown, preview["lines"]))
            said = sorted((line["kind"], line["code"], line["amountMinor"]) for line in lines)
            found.append((said, invoice["taxMinor"], invoice["openMinor"]))
        return found


async def begin(
    open_shop: Open, *parts: dict[str, Any], now: str = "2026-01-31T10:00:00Z", more: Any = None, **terms: Any
) -> Case:
    """Subscribed; what was previewed of its beginning came so. `more`: of the customer, of the subscription."""
    shop = await open_shop("odd", now, graceHours=0)
    await shop.rules(timesHistory=1_000_000, monthsAhead=120)
    if any(part.get("meter") for part in parts):
        meter = {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "calls"}
        await made(shop.caller.post("/billing/meters", meter))
    await shop.plan(*parts, **terms)
    profile, fields = more or ({}, {})
    customer = await shop.customer(**profile)
    body = {"planId": "plan", "customerId": customer, "collection": "send_invoice", **fields}
    previews = (await made(shop.caller.post("/billing/subscriptions/preview", body)))["invoices"]
    subscription = (await made(shop.caller.post("/billing/subscriptions", body)))["subscriptionId"]
    case = Case(shop, customer, f"/billing/subscriptions/{subscription}")
    await case.comes(previews)
    return case


async def test_from_31_january_on_half_of_february_is_14_days(open_shop: Open) -> None:
    case = await begin(open_shop, flat("28"))
    await case.shop.plan(flat("56"), code="large")
    await case.shop.move(HALF)
    previews = await case.does("change", planId="large")
    assert [one["billAt"] for one in previews] == ["2026-02-28T10:00:00Z"]
    half = [("recurring", "base", 5_600), ("remaining", "base", 2_800), ("unused", "base", -1_400)]
    assert await case.comes(previews) == [(half, 1_330, 8_330)]
    again = await case.upcoming()
    assert [one["billAt"] for one in again] == ["2026-03-31T10:00:00Z"]
    assert await case.comes(again) == [([("recurring", "base", 5_600)], 1_064, 6_664)]


async def test_a_year_from_29_february_has_365_days_and_ends_on_the_28th(open_shop: Open) -> None:
    case = await begin(open_shop, flat("365"), now="2028-02-29T10:00:00Z", interval="year")
    await case.shop.plan(flat("730"), code="large", interval="year")
    await case.shop.move("2028-03-01T10:00:00Z")
    previews = await case.does("change", planId="large", billing="now")
    # 364 of 365 days at 2.00, less as many at 1.00.
    day = [("remaining", "base", 72_800), ("unused", "base", -36_400)]
    assert (await case.comes(previews))[0] == (day, 6_916, 43_316)
    assert (await case.shop.invoices())[-1]["billAt"] == "2029-02-28T10:00:00Z"
    assert [one["billAt"] for one in await case.upcoming()] == ["2030-02-28T10:00:00Z"]


async def test_on_the_day_the_clocks_go_forward_the_month_has_743_hours(open_shop: Open) -> None:
    berlin = ({"timeZone": "Europe/Berlin"}, {})
    case = await begin(open_shop, flat("743"), now="2026-02-28T23:00:00Z", more=berlin)
    await case.shop.plan(flat("1486"), code="large")
    # Midnight in Berlin: 23 hours of the 29th, and 24 of each of the two days after it.
    await case.shop.move("2026-03-28T23:00:00Z")
    (now, _) = previews = await case.does("change", planId="large", billing="now")
    hours = [("remaining", "base", 14_200), ("unused", "base", -7_100)]
    assert await case.comes([now]) == [(hours, 1_349, 8_449)]
    assert previews[1]["billAt"] == "2026-03-31T22:00:00Z"
    assert await case.comes(previews[1:]) == [([("recurring", "base", 148_600)], 28_234, 176_834)]


async def test_down_in_the_morning_and_up_in_the_afternoon_the_wallet_pays_what_it_was_given(open_shop: Open) -> None:
    case = await begin(open_shop, flat("56"))
    await case.shop.plan(flat("28"), code="small")
    await case.shop.move(HALF)
    down = (await case.does("change", planId="small", billing="now"))[:1]
    assert await case.comes(down) == [([("remaining", "base", 1_400), ("unused", "base", -2_800)], -266, 0)]
    await case.shop.move("2026-02-14T16:00:00Z")
    up = await case.does("change", planId="plan", billing="now")
    # 13.75 of 28 days: 27.50 and 13.75 back; 16.36 with its tax of 2.6125, of the 16.66 in the wallet.
    assert up[0]["appliedMinor"] == 1_636
    assert await case.comes(up) == [
        ([("remaining", "base", 2_750), ("unused", "base", -1_375)], 261, 0),
        # 0.30 are left of it: 66.64 less those.
        ([("recurring", "base", 5_600)], 1_064, 6_634),
    ]


async def test_of_no_seats_there_is_no_line_and_what_was_paid_ahead_comes_back(open_shop: Open) -> None:
    seats = {"code": "seats", "name": "Seats", "price": {"model": "per_unit", "unitPrice": "10"}}
    case = await begin(open_shop, flat("28"), seats, more=({}, {"quantities": {"seats": "3"}}))
    await case.shop.move(HALF)
    none = [("recurring", "base", 2_800), ("unused", "seats", -1_500)]
    assert await case.comes(await case.does("change", quantities={"seats": "0"})) == [(none, 247, 1_547)]
    assert await case.comes(await case.upcoming()) == [([("recurring", "base", 2_800)], 532, 3_332)]
    # And one again, from the renewal on.
    one = await case.does("change", quantities={"seats": "1"}, applies="renewal")
    assert await case.comes(one) == [([("recurring", "base", 2_800), ("recurring", "seats", 1_000)], 722, 4_522)]


async def test_a_pause_over_a_renewal_is_billed_when_it_ends(open_shop: Open) -> None:
    case = await begin(open_shop, flat("28"))
    await case.shop.move(HALF)
    await made(case.shop.caller.post(f"{case.path}/pause", {"resumeAt": "2026-03-10T10:00:00Z"}))
    await case.shop.move("2026-02-14T10:00:01Z")
    (back,) = (await case.shop.invoices())[1:]
    assert (back["totalMinor"], back["billAt"]) == (-1_666, "2026-02-14T10:00:00Z")
    resumed = await case.upcoming()
    assert [one["billAt"] for one in resumed] == ["2026-03-10T10:00:00Z"]
    # 21 of 31 days: 18.97 with 3.60, of which the wallet pays 16.66.
    assert await case.comes(resumed) == [([("recurring", "base", 1_897)], 360, 591)]
    assert await case.comes(await case.upcoming()) == [([("recurring", "base", 2_800)], 532, 3_332)]


async def test_who_was_to_end_with_the_period_and_stays_is_billed_as_if_nothing_had_been(open_shop: Open) -> None:
    case = await begin(open_shop, flat("28"), metered("0.10"))
    await case.shop.move(HALF)
    events = [{"idempotencyKey": f"e{n}", "eventName": "calls", "customerId": case.customer} for n in range(7)]
    await made(case.shop.caller.post("/billing/usage/events", {"events": events}))
    before = await case.upcoming()
    last = await case.does("cancel", when="period_end")
    assert [(one["billAt"], one["totalMinor"]) for one in last] == [("2026-02-28T10:00:00Z", 83)]
    assert [one["totalMinor"] for one in await case.upcoming()] == [83]
    assert (await case.shop.caller.delete(f"{case.path}/cancel")).status_code == 200
    after = await case.upcoming()
    assert [list(map(shown, one["lines"])) for one in after] == [list(map(shown, one["lines"])) for one in before]
    assert await case.comes(after) == [([("recurring", "base", 2_800), ("usage", "calls", 70)], 545, 3_415)]
    # At its very end it does end.
    assert await case.comes(await case.does("cancel", when="period_end")) == [([("usage", "calls", 0)], 0, 0)]


async def test_who_owes_the_tax_themselves_isshown_none_before_either(open_shop: Open) -> None:
    vienna = {"line1": "Ring 1", "city": "Wien", "postalCode": "1010", "country": "AT"}
    case = await begin(open_shop, flat("28"), more=({"address": vienna, "taxId": "ATU13585627"}, {}))
    await case.shop.plan(flat("56"), code="large")
    await case.shop.move(HALF)
    previews = await case.does("change", planId="large")
    assert {line["taxCategory"] for line in previews[0]["lines"]} == {"AE"}
    half = [("recurring", "base", 5_600), ("remaining", "base", 2_800), ("unused", "base", -1_400)]
    assert await case.comes(previews) == [(half, 0, 7_000)]


async def test_what_comes_back_of_a_reverse_charge_gives_no_tax_back(shop: Shop) -> None:
    abroad = {"line1": "Rue 1", "city": "Paris", "postalCode": "75001", "country": "FR"}
    await shop.plan(flat("100"))
    bob = await shop.customer("Bob", address=abroad, taxId="FR40303265045")
    subscription = await shop.subscribe(bob)
    await shop.move("2026-02-10T00:00:00Z")
    await made(shop.caller.patch(f"/billing/customers/{bob}", {"taxId": None}))
    await made(shop.caller.post(f"/billing/subscriptions/{subscription}/cancel", {"when": "now"}))
    await shop.move("2026-02-12T12:00:00Z")
    charged, back = await shop.invoices()
    lines = [
        (one["taxCategory"], one["netMinor"], one["taxMinor"]) for i in (charged, back) for one in await shop.lines(i)
    ]
    assert lines == [("AE", 10_000, 0), ("AE", -6_577, 0)]
    again = await made(shop.caller.get(f"/billing/invoices/{back['invoiceId']}/recomputation"))
    assert again["drifts"] == []


async def test_what_comes_back_to_who_told_a_number_meanwhile_is_rounded_with_the_rest(open_shop: Open) -> None:
    case = await begin(open_shop, flat("0.26"))
    await case.shop.plan(flat("0.52"), code="large")
    await case.shop.move(HALF)
    await made(case.shop.caller.patch(f"/billing/customers/{case.customer}", {"taxId": "DE136695976"}))
    previews = await case.does("change", planId="large")
    # 19 % of 0.65 is 0.1235; of 0.78 it would be 0.15, and of the 0.13 that come back 0.02.
    half = [("recurring", "base", 52), ("remaining", "base", 26), ("unused", "base", -13)]
    assert await case.comes(previews) == [(half, 12, 77)]
    for invoice in await case.shop.invoices():
        again = await made(case.shop.caller.get(f"/billing/invoices/{invoice['invoiceId']}/recomputation"))
        assert again["drifts"] == []


async def test_what_came_back_by_the_rule_of_then_is_no_difference_now(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.plan(flat("100"))
    bob = await shop.customer("Bob")
    subscription = await shop.subscribe(bob)
    await shop.move("2026-02-10T00:00:00Z")
    await made(shop.caller.patch(f"/billing/customers/{bob}", {"taxTreatment": "exempt", "taxExemptReason": "Embassy"}))
    with monkeypatch.context() as then:
        then.setattr(working, "SCHEMA", 1)
        await made(shop.caller.post(f"/billing/subscriptions/{subscription}/cancel", {"when": "now"}))
        await shop.move("2026-02-12T12:00:00Z")
    _, back = await shop.invoices()
    assert [(one["taxCategory"], one["taxMinor"]) for one in await shop.lines(back)] == [("E", 0)]
    again = await made(shop.caller.get(f"/billing/invoices/{back['invoiceId']}/recomputation"))
    assert again["drifts"] == []
