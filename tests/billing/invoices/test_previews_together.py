"""Previews of bills with more than one thing on them, or none: figures by hand, and what comes is the same."""

from tests.billing.invoices.conftest import flat, metered
from tests.billing.invoices.test_previews_odd import HALF, Case, Open, begin
from tests.support.furnished import made


async def test_an_end_at_the_instant_of_the_beginning_is_on_its_bill(open_shop: Open) -> None:
    shop = await open_shop("odd", graceHours=0)
    await shop.plan(flat("28"))
    ada = await shop.customer()
    case = Case(shop, ada, f"/billing/subscriptions/{await shop.subscribe(ada)}")
    # Nobody has drafted the first 28.00 yet: they and what comes back are one invoice of nothing.
    said = [("recurring", "base", 2_800), ("unused", "base", -2_800)]
    assert await case.comes(await case.does("cancel", when="now")) == [(said, 0, 0)]


async def test_one_invoice_a_customer_has_all_that_is_due_then(open_shop: Open) -> None:
    shop = await open_shop("odd", graceHours=0)
    await shop.rules(oneInvoicePer="customer")
    await shop.plan(flat("28"))
    await shop.plan(flat("10", "other"), code="second")
    ada = await shop.customer()
    one, _ = await shop.subscribe(ada), await shop.subscribe(ada, "second")
    await shop.move("2026-01-31T10:00:01Z")
    await shop.items(ada, 500, billAt="2026-02-28T10:00:00Z")
    case = Case(shop, ada, f"/billing/subscriptions/{one}")
    together = [("one_off", "one-off", 500), ("recurring", "base", 2_800), ("recurring", "other", 1_000)]
    # 43.00 and 8.17.
    assert await case.comes(await case.upcoming()) == [(together, 817, 5_117)]


async def test_what_is_late_of_the_month_before_is_on_the_next_bill_already_before_it(open_shop: Open) -> None:
    case = await begin(open_shop, flat("28"), metered("0.10"))
    await case.shop.move("2026-03-01T00:00:00Z")
    late = {"eventName": "calls", "customerId": case.customer, "occurredAt": "2026-02-20T00:00:00Z"}
    events = [{"idempotencyKey": f"late-{n}", **late} for n in range(4)]
    await made(case.shop.caller.post("/billing/usage/events", {"events": events}))
    said = [("correction", "calls", 40), ("recurring", "base", 2_800), ("usage", "calls", 0)]
    # 28.40 with 5.40 of tax: 0.08 and 5.32.
    assert await case.comes(await case.upcoming()) == [(said, 540, 3_380)]


async def test_credits_that_end_before_the_bill_do_not_pay_it(open_shop: Open) -> None:
    shop = await open_shop("odd", graceHours=0)
    price = {"currency": "USD", "components": [flat("28")]}
    await made(shop.caller.post("/billing/plans", {"code": "plan", "name": "Plan", "prices": [price]}))
    ada = await shop.customer(currency="USD")
    case = Case(shop, ada, f"/billing/subscriptions/{await shop.subscribe(ada)}")
    await shop.move("2026-01-31T10:00:01Z")
    for amount, ends in (("5", "2026-02-20T00:00:00Z"), ("3", "2026-03-20T00:00:00Z")):
        body = {"customerId": ada, "amount": amount, "expiresAt": ends}
        await made(shop.caller.post("/billing/credits/grants", body))
    # 33.32 less 3.00.
    (upcoming,) = await case.upcoming()
    assert upcoming["appliedMinor"] == 300
    assert await case.comes([upcoming]) == [([("recurring", "base", 2_800)], 532, 3_032)]


async def test_the_end_of_a_trial_is_at_the_version_that_holds_by_then(open_shop: Open) -> None:
    shop = await open_shop("odd", graceHours=0)
    await shop.plan(flat("28"))
    ada = await shop.customer()
    price = {"currency": "EUR", "components": [flat("30")]}
    body = {"prices": [price], "applies": "renewal", "effectiveFrom": "2026-02-05T00:00:00Z"}
    await made(shop.caller.post("/billing/plans/plan/versions", body))
    asked = {"planId": "plan", "customerId": ada, "collection": "send_invoice", "trialDays": 14}
    previews = (await made(shop.caller.post("/billing/subscriptions/preview", asked)))["invoices"]
    one = (await made(shop.caller.post("/billing/subscriptions", asked)))["subscriptionId"]
    case = Case(shop, ada, f"/billing/subscriptions/{one}")
    assert await case.comes(previews) == [([("recurring", "base", 3_000)], 570, 3_570)]


async def test_a_pause_and_its_end_are_previewed(open_shop: Open) -> None:
    case = await begin(open_shop, flat("28"))
    await case.shop.move(HALF)
    back = [("unused", "base", -1_400)]
    # From 21 February on a quarter of the 28 days is left: 7.00 and 1.33, of the 16.66 in the wallet.
    assert await case.comes(await case.does("pause", resumeAt="2026-02-21T10:00:00Z")) == [
        (back, -266, 0),
        ([("recurring", "base", 700)], 133, 0),
    ]


async def test_of_a_plan_of_no_seats_nothing_is_foreseen(open_shop: Open) -> None:
    seats = {"code": "seats", "name": "Seats", "price": {"model": "per_unit", "unitPrice": "10"}}
    case = await begin(open_shop, seats, more=({}, {"quantities": {"seats": "0"}}))
    assert await case.upcoming() == []
    # What is written to be billed with it is, though nothing of it comes before.
    one = await case.does("change", quantities={"seats": "1"}, applies="renewal")
    assert await case.comes(one) == [([("recurring", "seats", 1_000)], 190, 1_190)]
