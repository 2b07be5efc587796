"""Stories of trials, pauses and cancellations."""

from collections.abc import Awaitable, Callable

from tests.scenarios.story import Story, flat, metered, per_unit
from tests.support.furnished import made

Begin = Callable[..., Awaitable[Story]]
START = "2026-01-31T10:00:00Z"


async def test_a_trial_over_a_month_end_is_free_and_is_told_before_it_ends(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters()
    await story.sells("pro", flat("10"), metered("1"), flat("50", "setup", kind="one_time"), trialDays=14)
    one = await story.subscribes(ada, "pro")
    await story.until("2026-02-10T00:00:00Z")
    await story.uses(ada, 9)
    assert (await story.status(one), await story.bills(ada)) == ("trialing", [])
    await story.until("2026-03-14T12:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-02-14 open: base 10.00, setup 50.00 = 60.00 EUR",
        "INV-00002 2026-03-14 open: calls 0.00, base 10.00 = 10.00 EUR",
    ]
    (ending,) = await story.webhooks("subscription.trial_ending")
    assert (ending["timestamp"], ending["data"]["trialEnd"]) == ("2026-02-11T10:00:00Z", "2026-02-14T10:00:00Z")
    assert await story.told("subscription") == [
        "subscription.created",
        "subscription.trial_ending",
        "subscription.activated",
        "subscription.renewed",
    ]
    assert (await story.mails())[
        0
    ] == f"trial_ending to ada@example.test: Your trial with {story.slug} ends on 2026-02-14"


async def test_a_trial_that_is_canceled_costs_nothing(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("pro", flat("10"), trialDays=14)
    one = await story.subscribes(ada, "pro")
    await story.until("2026-02-05T00:00:00Z")
    await story.does(one, "cancel", when="now")
    await story.until("2026-04-01T00:00:00Z")
    assert (await story.status(one), await story.bills(ada)) == ("canceled", [])
    assert await story.told() == ["subscription.created", "subscription.canceled"]


async def test_a_trial_that_is_to_end_with_its_period_never_becomes_paid(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("pro", flat("10"), trialDays=14)
    one = await story.subscribes(ada, "pro")
    await story.does(one, "cancel")
    await story.until("2026-04-01T00:00:00Z")
    assert (await story.subscription(one))["canceledAt"] == "2026-02-14T10:00:00Z"
    assert await story.bills(ada) == []


async def test_another_plan_during_the_trial_is_the_one_that_is_paid(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("pro", flat("10"), trialDays=14)
    await story.sells("max", flat("30"), trialDays=14)
    one = await story.subscribes(ada, "pro")
    await story.until("2026-02-10T10:00:00Z")
    await story.does(one, "change", planId="max")
    await story.until("2026-02-15T00:00:00Z")
    assert (await story.status(one), await story.bills(ada)) == (
        "active",
        ["INV-00001 2026-02-14 open: base 30.00 = 30.00 EUR"],
    )


async def test_no_trial_where_the_subscription_says_so(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("pro", flat("10"), trialDays=14)
    one = await story.subscribes(ada, "pro", trialDays=0)
    await story.until("2026-02-01T00:00:00Z")
    assert await story.status(one) == "active"
    assert await story.bills(ada) == ["INV-00001 2026-01-31 open: base 10.00 = 10.00 EUR"]


async def test_a_pause_gives_the_rest_back_and_bills_nothing_until_it_is_over(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters()
    await story.sells("pro", flat("28"), metered("1"))
    one = await story.subscribes(ada, "pro")
    await story.until("2026-02-07T10:00:00Z")
    await story.does(one, "pause", resumeAt="2026-03-14T10:00:00Z")
    await story.until("2026-02-20T00:00:00Z")
    await story.uses(ada, 1000)
    await story.until("2026-04-01T00:00:00Z")
    # 21.00 comes back into the wallet; 17 of the 31 days from 28 February on are left: 15.35, and the wallet pays it;
    # 5.65 of it is still there for the next one.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 28.00 = 28.00 EUR",
        "INV-00002 2026-02-07 paid: unused base -21.00, calls 0.00 = -21.00 EUR, 21.00 into the wallet",
        "INV-00003 2026-03-14 paid: base 15.35 = 15.35 EUR, 15.35 from the wallet",
        "INV-00004 2026-03-31 open: calls 0.00, base 28.00 = 28.00 EUR, 5.65 from the wallet",
    ]
    assert await story.ledger(ada) == ["invoice_credit 21", "invoice -15.35", "invoice -5.65"]
    assert await story.told("subscription") == [
        "subscription.created",
        "subscription.paused",
        "subscription.resumed",
        "subscription.renewed",
    ]


async def test_what_is_kept_through_a_pause_is_not_paid_again(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("pro", flat("28"))
    one = await story.subscribes(ada, "pro")
    await story.until("2026-02-07T10:00:00Z")
    await story.does(one, "pause", unused="keep")
    await story.until("2026-02-14T10:00:00Z")
    await story.does(one, "resume")
    await story.until("2026-03-01T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 28.00 = 28.00 EUR",
        "INV-00002 2026-02-28 open: base 28.00 = 28.00 EUR",
    ]


async def test_canceled_now_everything_is_settled_at_once(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters()
    await story.sells("team", flat("28"), per_unit("28"), metered("1"))
    one = await story.subscribes(ada, "team")
    await story.uses(ada, 4)
    await story.until("2026-02-07T10:00:00Z")
    await story.does(one, "change", quantities={"seats": "2"})
    await story.until("2026-02-14T10:00:00Z")
    await story.does(one, "cancel", when="now")
    await story.until("2026-04-01T00:00:00Z")
    # The second seat for the 7 days that it was there: 42.00 - 28.00 - 21.00 + ... = 7.00; half of the base back, half
    # of both seats back, four calls: 7 - 14 - 14 + 4 = -17.00.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 28.00, seats 28.00 = 56.00 EUR",
        "INV-00002 2026-02-14 paid: unused seats -21.00, remaining seats 42.00, unused base -14.00, unused seats "
        "-28.00, calls 4.00 = -17.00 EUR, 17.00 into the wallet",
    ]
    assert await story.ledger(ada) == ["invoice_credit 17"]
    # An invoice that pays back is nothing to pay, and was paid by nobody: no reminder, no receipt.
    assert await story.mails() == [
        f"invoice_ready to ada@example.test: Invoice INV-00001 from {story.slug}",
        f"subscription_canceled to ada@example.test: Your subscription with {story.slug} is canceled",
    ]


async def test_canceled_now_without_anything_back_what_was_used_is_still_billed(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters()
    await story.sells("pro", flat("28"), metered("1"))
    one = await story.subscribes(ada, "pro")
    await story.uses(ada, 6)
    await story.until("2026-02-14T10:00:00Z")
    await story.does(one, "cancel", when="now", unused="keep")
    await story.until("2026-03-01T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 28.00 = 28.00 EUR",
        "INV-00002 2026-02-14 open: calls 6.00 = 6.00 EUR",
    ]


async def test_canceled_at_the_period_end_it_runs_out_with_its_usage(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters()
    await story.sells("pro", flat("28"), metered("0.5"))
    one = await story.subscribes(ada, "pro")
    await story.does(one, "cancel")
    await story.until("2026-02-27T00:00:00Z")
    await story.uses(ada, 3)
    await story.until("2026-06-01T00:00:00Z")
    assert (await story.status(one), await story.bills(ada)) == (
        "canceled",
        [
            "INV-00001 2026-01-31 open: base 28.00 = 28.00 EUR",
            "INV-00002 2026-02-28 open: calls 1.50 = 1.50 EUR",
        ],
    )


async def test_a_cancellation_that_was_taken_back_changes_nothing(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("pro", flat("28"))
    one = await story.subscribes(ada, "pro")
    await story.does(one, "cancel")
    kept = await story.caller.delete(f"/billing/subscriptions/{one}/cancel")
    assert (kept.status_code, kept.json()["cancelAt"]) == (200, None)
    await story.until("2026-03-01T00:00:00Z")
    assert (await story.status(one), len(await story.bills(ada))) == ("active", 2)


async def test_who_comes_back_after_canceling_begins_anew_and_uses_what_came_back(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("pro", flat("28"))
    one = await story.subscribes(ada, "pro")
    await story.until("2026-02-14T10:00:00Z")
    await story.does(one, "cancel", when="now")
    await story.until("2026-02-20T10:00:00Z")
    await story.subscribes(ada, "pro")
    await story.until("2026-02-21T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 28.00 = 28.00 EUR",
        "INV-00002 2026-02-14 paid: unused base -14.00 = -14.00 EUR, 14.00 into the wallet",
        "INV-00003 2026-02-20 open: base 28.00 = 28.00 EUR, 14.00 from the wallet",
    ]
    assert await story.balance(ada) == "0"


async def test_the_end_of_a_pause_is_put_off_taken_away_and_set_anew(begin: Begin) -> None:
    story = await begin("2026-02-01T00:00:00Z", graceHours=0)
    await story.sells("pro", flat("28"))
    ada = await story.customer()
    one = await story.subscribes(ada, "pro")
    await story.until("2026-02-08T00:00:00Z")
    await story.does(one, "pause", resumeAt="2026-02-15T00:00:00Z")
    preview = await story.does(one, "pause/preview", resumeAt="2026-02-22T00:00:00Z")
    # A quarter of February's 28 days is left then.
    assert [(bill["billAt"], bill["subtotalMinor"]) for bill in preview["invoices"]] == [("2026-02-22T00:00:00Z", 700)]
    assert (await story.subscription(one))["resumeAt"] == "2026-02-15T00:00:00Z"
    assert (await story.does(one, "pause", resumeAt="2026-02-22T00:00:00Z"))["resumeAt"] == "2026-02-22T00:00:00Z"
    assert (await story.does(one, "pause"))["resumeAt"] == "2026-02-22T00:00:00Z"  # says nothing of it
    await story.until("2026-02-16T00:00:00Z")
    past = await story.caller.post(f"/billing/subscriptions/{one}/pause", {"resumeAt": "2026-02-15T00:00:00Z"})
    assert (past.status_code, past.json()["code"]) == (422, "negative_period")
    assert (await story.does(one, "pause", resumeAt=None))["resumeAt"] is None
    await story.until("2026-02-23T00:00:00Z")
    assert await story.status(one) == "paused"
    await story.does(one, "pause", resumeAt="2026-03-01T00:00:00Z")
    await story.until("2026-03-02T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-02-01 open: base 28.00 = 28.00 EUR",
        "INV-00002 2026-02-08 paid: unused base -21.00 = -21.00 EUR, 21.00 into the wallet",
        "INV-00003 2026-03-01 open: base 28.00 = 28.00 EUR, 21.00 from the wallet",
    ]
    trail = (await made(story.caller.get(f"/billing/subscriptions/{one}/changes")))["data"]
    moved = [(row["details"]["from"], row["details"]["to"]) for row in trail if row["kind"] == "resumption_moved"]
    assert moved == [
        (None, "2026-03-01T00:00:00+00:00"),
        ("2026-02-22T00:00:00+00:00", None),
        ("2026-02-15T00:00:00+00:00", "2026-02-22T00:00:00+00:00"),
    ]


async def test_a_pause_that_keeps_what_was_paid_is_previewed_with_the_minimum_it_counts_for(begin: Begin) -> None:
    story = await begin("2026-02-01T00:00:00Z", graceHours=0)
    await story.sells("pro", flat("28"), minimum={"model": "minimum", "amount": "42"})
    ada = await story.customer()
    one = await story.subscribes(ada, "pro")
    await story.until("2026-02-15T00:00:00Z")
    # Three quarters of February are to come to 31.50, of which 28.00 were paid ahead, and March's 28.00.
    preview = await story.does(one, "pause/preview", unused="keep", resumeAt="2026-02-22T00:00:00Z")
    said = [[(line["code"], line["amountMinor"]) for line in bill["lines"]] for bill in preview["invoices"]]
    assert said == [[("minimum", 350), ("base", 2800)]]
    await story.does(one, "pause", unused="keep", resumeAt="2026-02-22T00:00:00Z")
    await story.until("2026-03-02T00:00:00Z")
    assert [bill.partition(": ")[2] for bill in await story.bills(ada) if not bill.startswith("None")] == [
        "base 28.00 = 28.00 EUR",
        "minimum 3.50, base 28.00 = 31.50 EUR",
    ]


async def test_what_was_kept_through_a_pause_comes_back_with_the_cancellation(begin: Begin) -> None:
    story = await begin("2026-02-01T00:00:00Z", graceHours=0)
    await story.sells("pro", flat("28"))
    await story.sells("floor", flat("28"), minimum={"model": "minimum", "amount": "56"})
    ada, bob, cy, dee = [await story.customer(name) for name in ("Ada", "Bob", "Cy", "Dee")]
    plans = ((ada, "pro"), (bob, "pro"), (cy, "floor"), (dee, "floor"))
    ones = [await story.subscribes(customer, plan) for customer, plan in plans]
    await story.until("2026-02-15T00:00:00Z")
    for one in ones:
        await story.does(one, "pause", unused="keep")
    await story.until("2026-02-22T00:00:00Z")
    preview = await story.does(ones[0], "cancel/preview", when="now")
    assert [bill["subtotalMinor"] for bill in preview["invoices"]] == [-700]
    await story.does(ones[0], "cancel", when="now")
    await story.does(ones[1], "cancel", when="now", unused="keep")
    await story.does(ones[2], "cancel", when="now")
    await story.until("2026-03-02T00:00:00Z")
    await story.does(ones[3], "cancel", when="now")
    await story.until("2026-03-03T00:00:00Z")
    bills = {
        name: [bill.partition(": ")[2] for bill in await story.bills(name) if not bill.startswith("None")]
        for name in (ada, bob, cy, dee)
    }
    # Of 28 days the last seven, which are a quarter.
    assert bills[ada] == ["base 28.00 = 28.00 EUR", "unused base -7.00 = -7.00 EUR, 7.00 into the wallet"]
    assert bills[bob] == ["base 28.00 = 28.00 EUR"]
    # Half of February was to come to 28.00, which were paid: less what comes back 7.00 lack.
    assert bills[cy] == ["base 28.00 = 28.00 EUR", "unused base -7.00, minimum 7.00 = 0.00 EUR"]
    # Of February nothing is left in March.
    assert bills[dee] == ["base 28.00 = 28.00 EUR"]


async def test_what_a_minimum_lacks_after_a_kept_pause_counts_for_the_commitment(begin: Begin) -> None:
    story = await begin("2026-02-01T00:00:00Z", graceHours=0)
    floors = {
        "minimum": {"model": "minimum", "amount": "56"},
        "commitment": {"model": "commitment", "amount": "100", "periods": 3},
    }
    await story.sells("floors", flat("28"), **floors)
    ada = await story.customer()
    one = await story.subscribes(ada, "floors")
    await story.until("2026-02-15T00:00:00Z")
    await story.does(one, "pause", unused="keep")
    await story.until("2026-02-22T00:00:00Z")
    preview = await story.does(one, "cancel/preview", when="now")
    await story.does(one, "cancel", when="now")
    await story.until("2026-02-23T00:00:00Z")
    # 28.00 were paid, 7.00 come back and 7.00 lack to half of February: of 100.00 there lack 72.00.
    assert (await story.bills(ada))[-1] == (
        "INV-00002 2026-02-22 open: unused base -7.00, minimum 7.00, commitment 72.00 = 72.00 EUR"
    )
    assert [bill["totalMinor"] for bill in preview["invoices"]] == [7_200]


async def test_a_coupon_is_taken_off_once_though_a_kept_pause_ends_with_the_subscription(begin: Begin) -> None:
    story = await begin("2026-02-01T00:00:00Z", graceHours=0)
    await story.sells("floor", flat("28"), minimum={"model": "minimum", "amount": "56"})
    await story.offers("five", amountMinor=500, currency="EUR", duration="forever")
    await story.offers("half", percent="50", duration="once")
    ada, bob = await story.customer(), await story.customer("Bob")
    ones = [await story.subscribes(who, "floor", coupons=[code]) for who, code in ((ada, "five"), (bob, "half"))]
    await story.until("2026-02-15T00:00:00Z")
    for one in ones:
        await story.does(one, "pause", unused="keep")
    await story.until("2026-02-22T00:00:00Z")
    for one in ones:
        await story.does(one, "cancel", when="now")
    await story.until("2026-02-23T00:00:00Z")
    bills = [[bill for bill in await story.bills(who) if not bill.startswith("None")] for who in (ada, bob)]
    # What comes back and what lacks are of the period that the coupon was taken off already.
    assert [[bill.partition(": ")[2] for bill in own] for own in bills] == [
        ["base 28.00, coupons -5.00 = 23.00 EUR", "unused base -7.00, minimum 7.00 = 0.00 EUR"],
        ["base 28.00, coupons -14.00 = 14.00 EUR", "unused base -7.00, minimum 7.00 = 0.00 EUR"],
    ]


async def test_with_one_key_a_pause_as_it_is_and_one_without_an_end_are_not_the_same(begin: Begin) -> None:
    story = await begin("2026-02-01T00:00:00Z", graceHours=0)
    await story.sells("pro", flat("28"))
    one = await story.subscribes(await story.customer(), "pro")
    await story.does(one, "pause", resumeAt="2026-02-15T00:00:00Z")
    path = f"/billing/subscriptions/{one}/pause"
    assert (await made(story.caller.post(path, {}, key="pause")))["resumeAt"] == "2026-02-15T00:00:00Z"
    assert (await made(story.caller.post(path, {}, key="pause")))["replayed"] is True
    other = await story.caller.post(path, {"resumeAt": None}, key="pause")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
