"""Subscriptions over months, through the API on a test clock: what is billed, when, and why. Figures by hand."""

from collections.abc import Awaitable, Callable

from tests.billing.subscriptions.selling import Seller, flat, metered, per_unit

Open = Callable[..., Awaitable[Seller]]


async def test_begun_on_31_january_it_renews_on_the_last_days_of_months(seller: Seller) -> None:
    await seller.plan(flat("10"))
    one = await seller.subscribe()
    assert (one["status"], one["period"], one["currentPeriodEnd"]) == ("active", 0, "2026-02-28T10:00:00Z")
    await seller.until("2026-05-01T00:00:00Z")
    assert await seller.bills(one) == [
        ("2026-01-31 10:00", [("recurring", "base", 1000)], 1000),
        ("2026-02-28 10:00", [("recurring", "base", 1000)], 1000),
        ("2026-03-31 10:00", [("recurring", "base", 1000)], 1000),
        ("2026-04-30 10:00", [("recurring", "base", 1000)], 1000),
    ]
    now = await seller.get(one)
    assert (now["period"], now["currentPeriodStart"], now["currentPeriodEnd"]) == (
        3,
        "2026-04-30T10:00:00Z",
        "2026-05-31T10:00:00Z",
    )


async def test_begun_on_29_february_it_renews_on_28_february_in_common_years(open_seller: Open) -> None:
    seller = await open_seller("2028-02-29T00:00:00Z")
    await seller.plan(flat("120"), interval="year")
    one = await seller.subscribe()
    await seller.until("2030-02-01T00:00:00Z")
    await seller.until("2032-02-01T00:00:00Z")
    await seller.until("2032-03-01T00:00:00Z")
    assert [bill[0] for bill in await seller.bills(one)] == [
        "2028-02-29 00:00",
        "2029-02-28 00:00",
        "2030-02-28 00:00",
        "2031-02-28 00:00",
        "2032-02-29 00:00",
    ]


async def test_days_of_23_and_25_hours_are_days_of_the_customer(open_seller: Open) -> None:
    seller = await open_seller("2026-03-28T11:00:00Z")
    await seller.plan(flat("1"), interval="day")
    one = await seller.subscribe(timeZone="Europe/Berlin")
    await seller.until("2026-03-30T12:00:00Z")
    # Noon in Berlin is 11:00 UTC on the 28th and 10:00 UTC from the 29th on.
    assert [bill[0] for bill in await seller.bills(one)] == [
        "2026-03-28 11:00",
        "2026-03-29 10:00",
        "2026-03-30 10:00",
    ]


async def test_a_calendar_cycle_begins_with_the_part_of_the_month_that_is_left(seller: Seller) -> None:
    await seller.plan(flat("31"), cycle="calendar", proration="day")
    one = await seller.subscribe()
    await seller.until("2026-03-01T00:00:00Z")
    # On 31 January one day of 31 is left.
    assert await seller.bills(one) == [
        ("2026-01-31 10:00", [("recurring", "base", 100)], 100),
        ("2026-02-01 00:00", [("recurring", "base", 3100)], 3100),
        ("2026-03-01 00:00", [("recurring", "base", 3100)], 3100),
    ]


async def test_an_anchor_day_sets_the_day_of_the_month(seller: Seller) -> None:
    await seller.plan(flat("31"), proration="day")
    one = await seller.subscribe(anchorDay=15)
    assert one["currentPeriodEnd"] == "2026-02-15T00:00:00Z"
    # From 15 January to 15 February are 31 days, 15 of them from 31 January on.
    assert (await seller.bills(one))[0] == ("2026-01-31 10:00", [("recurring", "base", 1500)], 1500)


async def test_usage_is_billed_afterwards_and_prices_ahead(seller: Seller) -> None:
    await seller.meter("calls")
    await seller.plan(flat("10"), per_unit("5"), metered("0.01"))
    one = await seller.subscribe(quantities={"seats": "3"})
    await seller.use(one["customerId"], "2026-01-31T10:00:00Z", times=200)
    await seller.until("2026-02-20T00:00:00Z")
    await seller.use(one["customerId"], "2026-02-19T00:00:00Z", times=50)
    await seller.until("2026-02-28T10:00:00Z")
    await seller.use(one["customerId"], "2026-02-28T10:00:00Z", times=7)
    await seller.until("2026-04-01T00:00:00Z")
    assert await seller.bills(one) == [
        ("2026-01-31 10:00", [("recurring", "base", 1000), ("recurring", "seats", 1500)], 2500),
        (
            "2026-02-28 10:00",
            [("usage", "calls", 250), ("recurring", "base", 1000), ("recurring", "seats", 1500)],
            2750,
        ),
        ("2026-03-31 10:00", [("usage", "calls", 7), ("recurring", "base", 1000), ("recurring", "seats", 1500)], 2507),
    ]


async def test_a_trial_over_a_month_end_is_free_and_billing_begins_when_it_ends(seller: Seller) -> None:
    await seller.meter("calls")
    await seller.plan(flat("10"), metered("1"), flat("50", "setup", kind="one_time"), trialDays=14)
    one = await seller.subscribe()
    assert (one["status"], one["trialEnd"], one["period"]) == ("trialing", "2026-02-14T10:00:00Z", -1)
    await seller.until("2026-02-10T00:00:00Z")
    await seller.use(one["customerId"], "2026-02-09T00:00:00Z", times=9)
    await seller.until("2026-03-14T10:00:00Z")
    assert await seller.bills(one) == [
        ("2026-02-14 10:00", [("recurring", "base", 1000), ("one_time", "setup", 5000)], 6000),
        ("2026-03-14 10:00", [("usage", "calls", 0), ("recurring", "base", 1000)], 1000),
    ]
    assert (await seller.get(one))["status"] == "active"


async def test_an_upgrade_and_a_downgrade_in_one_day_cancel_to_the_cent(seller: Seller) -> None:
    await seller.plan(flat("10"), code="small")
    await seller.plan(flat("100"), code="large")
    one = await seller.subscribe("small")
    await seller.until("2026-02-14T10:00:00Z")
    up = await seller.act(one, "change", planId="large")
    assert up["planCode"] == "large"
    await seller.act(one, "change", planId="small")
    await seller.until("2026-02-28T10:00:00Z")
    # Half of the 28 days is left.
    assert await seller.bills(one) == [
        ("2026-01-31 10:00", [("recurring", "base", 1000)], 1000),
        (
            "2026-02-28 10:00",
            [
                ("unused", "base", -500),
                ("remaining", "base", 5000),
                ("unused", "base", -5000),
                ("remaining", "base", 500),
                ("recurring", "base", 1000),
            ],
            1000,
        ),
    ]


async def test_more_seats_are_charged_for_the_rest_now_or_on_the_next_invoice(seller: Seller) -> None:
    await seller.plan(per_unit("28"))
    one = await seller.subscribe()
    await seller.until("2026-02-07T10:00:00Z")
    await seller.act(one, "change", quantities={"seats": "3"}, billing="now")
    await seller.until("2026-02-21T10:00:00Z")
    await seller.act(one, "change", quantities={"seats": "2"})
    await seller.until("2026-03-01T00:00:00Z")
    # 21 of 28 days are left, then 7.
    assert await seller.bills(one) == [
        ("2026-01-31 10:00", [("recurring", "seats", 2800)], 2800),
        ("2026-02-07 10:00", [("unused", "seats", -2100), ("remaining", "seats", 6300)], 4200),
        (
            "2026-02-28 10:00",
            [("unused", "seats", -2100), ("remaining", "seats", 1400), ("recurring", "seats", 5600)],
            4900,
        ),
    ]


async def test_a_change_at_renewal_waits_for_it_and_can_be_withdrawn(seller: Seller) -> None:
    await seller.plan(flat("10"), per_unit("1", "boost", addOn=True))
    one = await seller.subscribe()
    waiting = await seller.act(one, "change", addOns=["boost"], quantities={"boost": "5"}, applies="renewal")
    assert waiting["scheduled"] == {
        "planCode": "plan",
        "version": 1,
        "quantities": {"boost": "5"},
        "addOns": ["boost"],
    }
    assert [part["code"] for part in waiting["parts"]] == ["base"]
    await seller.until("2026-02-28T10:00:00Z")
    now = await seller.get(one)
    assert (now["scheduled"], [(part["code"], part["quantity"]) for part in now["parts"]]) == (
        None,
        [("base", "1"), ("boost", "5")],
    )
    assert (await seller.bills(one))[-1] == (
        "2026-02-28 10:00",
        [("recurring", "base", 1000), ("recurring", "boost", 500)],
        1500,
    )
    await seller.act(one, "change", addOns=[], applies="renewal")
    withdrawn = await seller.caller.delete(f"/billing/subscriptions/{one['subscriptionId']}/change")
    assert withdrawn.json()["scheduled"] is None
    await seller.until("2026-03-31T10:00:00Z")
    assert (await seller.bills(one))[-1][2] == 1500


async def test_a_price_that_changes_between_periods_is_taken_at_the_renewal_if_it_says_so(seller: Seller) -> None:
    await seller.plan(flat("10"))
    one = await seller.subscribe()
    await seller.version(flat("12"), applies="renewal", effectiveFrom="2026-03-01T00:00:00Z")
    await seller.version(flat("99"), applies="new", effectiveFrom="2026-04-15T00:00:00Z")
    await seller.until("2026-05-31T10:00:00Z")
    assert [bill[2] for bill in await seller.bills(one)] == [1000, 1000, 1200, 1200, 1200]
    assert (await seller.get(one))["version"] == 2


async def test_a_plan_of_another_interval_begins_its_own_period_now(seller: Seller) -> None:
    await seller.meter("calls")
    await seller.plan(flat("28"), metered("1"), code="monthly")
    await seller.plan(flat("300"), metered("1"), code="yearly", interval="year")
    one = await seller.subscribe("monthly")
    await seller.use(one["customerId"], "2026-01-31T10:00:00Z", times=3)
    await seller.until("2026-02-07T10:00:00Z")
    moved = await seller.act(one, "change", planId="yearly")
    assert (moved["currentPeriodStart"], moved["currentPeriodEnd"], moved["period"]) == (
        "2026-02-07T10:00:00Z",
        "2027-02-07T10:00:00Z",
        1,
    )
    assert (await seller.bills(one))[-1] == (
        "2026-02-07 10:00",
        [("unused", "base", -2100), ("usage", "calls", 300), ("recurring", "base", 30000)],
        28200,
    )


async def test_canceled_at_the_period_end_it_ends_then_and_the_wish_can_be_undone(seller: Seller) -> None:
    await seller.plan(flat("10"))
    one = await seller.subscribe()
    wished = await seller.act(one, "cancel")
    assert (wished["status"], wished["cancelAt"]) == ("active", "2026-02-28T10:00:00Z")
    kept = await seller.caller.delete(f"/billing/subscriptions/{one['subscriptionId']}/cancel")
    assert kept.json()["cancelAt"] is None
    await seller.until("2026-03-01T00:00:00Z")
    await seller.act(one, "cancel")
    await seller.until("2026-07-01T00:00:00Z")
    ended = await seller.get(one)
    assert (ended["status"], ended["canceledAt"], ended["cancelReason"], ended["parts"]) == (
        "canceled",
        "2026-03-31T10:00:00Z",
        "at_period_end",
        [],
    )
    assert [bill[0] for bill in await seller.bills(one)] == ["2026-01-31 10:00", "2026-02-28 10:00"]
    undone = await seller.caller.delete(f"/billing/subscriptions/{one['subscriptionId']}/cancel")
    assert (undone.status_code, undone.json()["code"]) == (409, "subscription_state")


async def test_canceled_now_usage_is_billed_the_rest_comes_back_and_what_waited_comes_with_it(seller: Seller) -> None:
    await seller.meter("calls")
    await seller.plan(flat("28"), per_unit("28"), metered("1"))
    one = await seller.subscribe()
    await seller.use(one["customerId"], "2026-01-31T10:00:00Z", times=4)
    await seller.until("2026-02-07T10:00:00Z")
    await seller.act(one, "change", quantities={"seats": "2"})
    await seller.until("2026-02-14T10:00:00Z")
    ended = await seller.act(one, "cancel", when="now")
    assert (ended["status"], ended["cancelReason"]) == ("canceled", "requested")
    again = await seller.act(one, "cancel", when="now")
    assert again["canceledAt"] == "2026-02-14T10:00:00Z"
    assert await seller.bills(one) == [
        ("2026-01-31 10:00", [("recurring", "base", 2800), ("recurring", "seats", 2800)], 5600),
        (
            "2026-02-14 10:00",
            [
                ("unused", "seats", -2100),
                ("remaining", "seats", 4200),
                ("unused", "base", -1400),
                ("unused", "seats", -2800),
                ("usage", "calls", 400),
            ],
            -1700,
        ),
    ]


async def test_a_pause_bills_nothing_and_a_resumption_takes_up_the_same_days(seller: Seller) -> None:
    await seller.meter("calls")
    await seller.plan(flat("28"), metered("1"))
    one = await seller.subscribe()
    await seller.until("2026-02-07T10:00:00Z")
    paused = await seller.act(one, "pause", resumeAt="2026-03-14T10:00:00Z")
    assert (paused["status"], paused["pausedAt"], paused["resumeAt"]) == (
        "paused",
        "2026-02-07T10:00:00Z",
        "2026-03-14T10:00:00Z",
    )
    await seller.until("2026-02-20T00:00:00Z")
    await seller.use(one["customerId"], "2026-02-19T00:00:00Z", times=1000)
    await seller.until("2026-04-01T00:00:00Z")
    # The period of 28 February to 31 March has 31 days, 17 of them from 14 March on.
    assert await seller.bills(one) == [
        ("2026-01-31 10:00", [("recurring", "base", 2800)], 2800),
        ("2026-02-07 10:00", [("unused", "base", -2100), ("usage", "calls", 0)], -2100),
        ("2026-03-14 10:00", [("recurring", "base", 1535)], 1535),
        ("2026-03-31 10:00", [("usage", "calls", 0), ("recurring", "base", 2800)], 2800),
    ]
    now = await seller.get(one)
    assert (now["status"], now["currentPeriodEnd"]) == ("active", "2026-04-30T10:00:00Z")


async def test_what_is_kept_through_a_pause_is_not_charged_again(seller: Seller) -> None:
    await seller.plan(flat("28"))
    one = await seller.subscribe()
    await seller.until("2026-02-07T10:00:00Z")
    await seller.act(one, "pause", unused="keep")
    await seller.until("2026-02-14T10:00:00Z")
    back = await seller.act(one, "resume")
    assert (back["status"], back["currentPeriodEnd"]) == ("active", "2026-02-28T10:00:00Z")
    await seller.until("2026-03-01T00:00:00Z")
    assert [bill[1:] for bill in await seller.bills(one)] == [
        ([("recurring", "base", 2800)], 2800),
        ([("recurring", "base", 2800)], 2800),
    ]


async def test_a_minimum_counts_what_the_period_came_to(seller: Seller) -> None:
    await seller.meter("calls")
    await seller.plan(flat("10"), metered("1"), minimum={"model": "minimum", "amount": "50"})
    one = await seller.subscribe()
    await seller.use(one["customerId"], "2026-01-31T10:00:00Z", times=15)
    await seller.until("2026-03-01T00:00:00Z")
    await seller.use(one["customerId"], "2026-02-28T12:00:00Z", times=40)
    await seller.until("2026-04-14T10:00:00Z")
    await seller.act(one, "cancel", when="now")
    bills = await seller.bills(one)
    assert bills[1][1] == [("usage", "calls", 1500), ("minimum", "minimum", 2500), ("recurring", "base", 1000)]
    assert bills[2][1] == [("usage", "calls", 4000), ("recurring", "base", 1000)]
    # Of the 30 days from 31 March to 30 April 14 were used: 14/30 of 50.00 less 14/30 of 10.00.
    assert bills[3] == (
        "2026-04-14 10:00",
        [("unused", "base", -533), ("usage", "calls", 0), ("minimum", "minimum", 1866)],
        1333,
    )


async def test_a_commitment_is_settled_once_after_its_periods_or_at_the_end(seller: Seller) -> None:
    await seller.plan(flat("10"), commitment={"model": "commitment", "amount": "100", "periods": 3})
    one = await seller.subscribe()
    await seller.until("2026-05-01T00:00:00Z")
    bills = await seller.bills(one)
    assert [bill[1] for bill in bills] == [
        [("recurring", "base", 1000)],
        [("recurring", "base", 1000)],
        [("recurring", "base", 1000)],
        [("commitment", "commitment", 7000), ("recurring", "base", 1000)],
    ]
    await seller.until("2026-05-15T10:00:00Z")
    await seller.act(one, "cancel", when="now", unused="keep")
    # Of the second hundred one period was charged.
    assert (await seller.bills(one))[-1][1] == [("commitment", "commitment", 9000)]


async def test_coupons_hold_by_period_and_across_a_change_of_plan(seller: Seller) -> None:
    await seller.meter("calls")
    await seller.plan(flat("10"), metered("1"), code="small")
    await seller.plan(flat("100"), metered("1"), code="large")
    await seller.caller.post(
        "/billing/coupons", {"code": "half", "name": "Half", "percent": "50", "duration": "repeating", "periods": 2}
    )
    await seller.caller.post(
        "/billing/coupons", {"code": "gift", "name": "Gift", "amountMinor": 300, "currency": "USD", "duration": "once"}
    )
    one = await seller.subscribe("small", coupons=["half", "gift"])
    assert [coupon["code"] for coupon in one["coupons"]] == ["half", "gift"]
    await seller.use(one["customerId"], "2026-01-31T10:00:00Z", times=10)
    await seller.until("2026-02-14T10:00:00Z")
    await seller.act(one, "change", planId="large")
    await seller.until("2026-04-01T00:00:00Z")
    bills = await seller.bills(one)
    assert [bill[2] for bill in bills] == [
        200,  # half of 10.00, less 3.00
        # -5.00 + 50.00 + usage 10.00 of period 0 at half, and 100.00 of period 1 at half
        2750 + 5000,
        # usage of period 1 was none; period 2 has no coupon
        10000,
    ]


async def test_a_currency_without_decimals_is_prorated_to_whole_units(open_seller: Open) -> None:
    seller = await open_seller("2026-04-01T00:00:00Z", currency="JPY")
    await seller.plan(flat("1000"), code="small", currency="JPY")
    await seller.plan(flat("2500"), code="large", currency="JPY")
    one = await seller.subscribe("small")
    await seller.until("2026-04-11T00:00:00Z")
    await seller.act(one, "change", planId="large", billing="now")
    # 20 of 30 days: 666.67 back, 1,666.67 charged.
    assert (await seller.bills(one))[-1] == (
        "2026-04-11 00:00",
        [("unused", "base", -667), ("remaining", "base", 1667)],
        1000,
    )


async def test_the_customers_currency_and_zone_are_taken_unless_others_are_named(seller: Seller) -> None:
    price = {"model": "flat", "amount": "9"}
    parts = [{"code": "base", "name": "Base", "price": price}]
    prices = [{"currency": "EUR", "components": parts}, {"currency": "USD", "components": parts}]
    await seller.caller.post("/billing/plans", {"code": "plan", "name": "Plan", "prices": prices})
    customer = await seller.customer(currency="EUR", timeZone="Asia/Tokyo")
    one = await seller.subscribe(customerId=customer)
    assert (one["currency"], one["timeZone"]) == ("EUR", "Asia/Tokyo")
    other = await seller.subscribe(customerId=customer, currency="USD", timeZone="UTC")
    assert (other["currency"], other["timeZone"]) == ("USD", "UTC")


async def test_without_a_payment_it_waits_is_not_renewed_and_ends(seller: Seller) -> None:
    await seller.plan(flat("10"))
    one = await seller.subscribe(collection="automatic")
    assert one["status"] == "incomplete"
    await seller.until("2026-02-07T10:00:00Z")
    ended = await seller.get(one)
    assert (ended["status"], ended["cancelReason"]) == ("canceled", "never_paid")
    assert len(await seller.bills(one)) == 1


async def test_what_costs_nothing_needs_no_payment(seller: Seller) -> None:
    await seller.plan(flat("0"))
    assert (await seller.subscribe(collection="automatic"))["status"] == "active"
