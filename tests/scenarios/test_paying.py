"""Stories of being paid: cards that fail and recover, money that comes too late, reminders, and two whole years."""

from collections.abc import Awaitable, Callable

from tests.scenarios.story import Story, flat
from tests.support.furnished import made

Begin = Callable[..., Awaitable[Story]]
START = "2026-01-31T10:00:00Z"


async def test_two_years_of_a_customer(begin: Begin) -> None:
    story = await begin(START, graceHours=0)
    ada = await story.customer()
    card = await story.saves_card(ada)
    for code, amount in (("solo", "10"), ("team", "25"), ("firm", "60")):
        await story.sells(code, flat(amount), trialDays=14)
    one = await story.subscribes(ada, "solo", collection="automatic")
    # A trial until 14 February; then the 14th of each month, at ten.
    assert await story.status(one) == "trialing"
    await story.until("2026-04-29T10:00:00Z")
    # The first change: half of the 30 days from 14 April is left.
    await story.does(one, "change", planId="team")
    await story.until("2026-09-01T00:00:00Z")
    # The second waits for 14 September.
    await story.does(one, "change", planId="firm", applies="renewal")
    await story.until("2027-01-29T22:00:00Z")
    # The third: half of the 31 days from 14 January is left.
    await story.does(one, "change", planId="team")
    await story.until("2027-05-01T00:00:00Z")
    story.card_does(card, decline_code="insufficient_funds")
    await story.until("2027-05-20T00:00:00Z")
    # Refused on the 14th and three days after; mails go out before the card is mended.
    assert await story.status(one) == "past_due"
    await story.work()
    story.card_does(card, card="pm_card_visa")
    await story.until("2027-05-21T10:00:00Z")
    # Tried again on the seventh day.
    assert await story.status(one) == "active"
    await story.until("2028-01-20T00:00:00Z")
    await story.does(one, "cancel")
    await story.until("2028-06-01T00:00:00Z")
    ended = await story.subscription(one)
    assert (ended["status"], ended["canceledAt"], ended["cancelReason"]) == (
        "canceled", "2028-02-14T10:00:00Z", "at_period_end",
    )  # fmt: skip
    months = [
        *((f"2026-{month:02}-14", "10.00") for month in (2, 3, 4)),
        ("2026-05-14", "32.50"),
        *((f"2026-{month:02}-14", "25.00") for month in (6, 7, 8)),
        *((f"2026-{month:02}-14", "60.00") for month in (9, 10, 11, 12)),
        ("2027-01-14", "60.00"),
        ("2027-02-14", "7.50"),
        *((f"2027-{month:02}-14", "25.00") for month in range(3, 13)),
        ("2028-01-14", "25.00"),
    ]
    of_lines = {
        "32.50": "unused base -5.00, remaining base 12.50, base 25.00",
        "7.50": "unused base -30.00, remaining base 12.50, base 25.00",
    }
    assert await story.bills(ada) == [
        f"INV-{place:05} {day} paid: {of_lines.get(total, f'base {total}')} = {total} EUR"
        for place, (day, total) in enumerate(months, 1)
    ]
    # 3 x 10.00 + 32.50 + 3 x 25.00 + 5 x 60.00 + 7.50 + 11 x 25.00.
    assert sum(invoice["paidMinor"] for invoice in await story.invoices(ada)) == 72_000
    told = await story.told("subscription", "dunning")
    assert told[:3] == ["subscription.created", "subscription.trial_ending", "subscription.activated"]
    assert told.count("subscription.changed") == 3
    # Of 23 renewals 22: the one that failed is told as that, and as recovered.
    assert told.count("subscription.renewed") == 22
    assert (told.count("subscription.past_due"), told.count("dunning.recovered")) == (1, 1)
    assert told[-1] == "subscription.canceled"
    mails = [mail.partition(" to ")[0] for mail in await story.mails()]
    assert mails.count("receipt") == 23
    failed = mails.index("payment_failed")
    assert mails[failed : failed + 3] == ["payment_failed", "payment_failed", "payment_recovered"]
    assert (mails[0], mails[-1], len(mails)) == ("trial_ending", "subscription_canceled", 28)


async def test_the_same_renewal_fails_and_then_succeeds_and_is_told_as_that(begin: Begin) -> None:
    story = await begin(START, graceHours=0)
    ada = await story.customer()
    card = await story.saves_card(ada)
    await story.sells("pro", flat("20"))
    one = await story.subscribes(ada, "pro", collection="automatic")
    await story.until("2026-02-01T00:00:00Z")
    story.card_does(card, decline_code="do_not_honor")
    await story.until("2026-02-28T12:00:00Z")
    await story.work()
    assert await story.status(one) == "past_due"
    story.card_does(card, card="pm_card_visa")
    await story.until("2026-03-04T00:00:00Z")
    assert await story.status(one) == "active"
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 paid: base 20.00 = 20.00 EUR",
        "INV-00002 2026-02-28 paid: base 20.00 = 20.00 EUR",
    ]
    # Never "paid" and "failed" of one renewal: it failed, and then it came after all.
    assert [mail.partition(" to ")[0] for mail in await story.mails()] == [
        "receipt", "payment_failed", "payment_recovered",
    ]  # fmt: skip
    told = await story.told("subscription", "payment", "dunning")
    assert "subscription.renewed" not in told
    assert told[-2:] == ["dunning.recovered", "subscription.activated"]
    # The next one is paid at once, and told as renewed after that.
    await story.until("2026-03-31T12:00:00Z")
    kinds = [one["type"] for one in await story.webhooks("invoice.paid", "subscription.renewed")]
    assert kinds == ["invoice.paid", "invoice.paid", "invoice.paid", "subscription.renewed"]


async def test_the_end_of_a_trial_is_told_by_the_outcome_of_its_first_payment(begin: Begin) -> None:
    story = await begin(START, graceHours=0)
    await story.sells("pro", flat("20"), trialDays=14)
    told: dict[str, list[str]] = {}
    for name, outcome in (("Ada", "pays"), ("Bob", "recovers"), ("Cy", "never"), ("Di", "owes nothing")):
        customer = await story.customer(name)
        card = await story.saves_card(customer)
        one = await story.subscribes(customer, "pro", collection="automatic")
        told[one] = [outcome, card]
        if outcome == "owes nothing":
            await story.offers("free", percent="100")
            await made(story.caller.post(f"/billing/subscriptions/{one}/coupons", {"coupon": "free"}))
    ada, bob, cy, di = told
    await story.until("2026-02-14T09:00:00Z")
    for one in (bob, cy):
        story.card_does(told[one][1], decline_code="insufficient_funds")
    await story.until("2026-02-15T00:00:00Z")
    assert [await story.status(one) for one in told] == ["active", "past_due", "past_due", "active"]
    heard = await story.webhooks("subscription.activated")
    assert {one["data"]["subscriptionId"] for one in heard} == {ada, di}
    story.card_does(told[bob][1], card="pm_card_visa")
    await story.until("2026-03-10T00:00:00Z")
    heard = await story.webhooks()
    of_each = {one: [fact["type"] for fact in heard if fact["data"].get("subscriptionId") == one] for one in told}
    trial = ["subscription.created", "subscription.trial_ending"]
    states = {one: [kind for kind in of_each[one] if kind.startswith("subscription.")] for one in told}
    assert states == {
        ada: [*trial, "subscription.activated"],
        bob: [*trial, "subscription.past_due", "subscription.activated"],
        cy: [*trial, "subscription.past_due", "subscription.canceled"],
        di: [*trial, "subscription.activated"],
    }
    # Of Ada the money is told before what it brought.
    assert of_each[ada].index("invoice.paid") < of_each[ada].index("subscription.activated")


async def test_money_that_comes_after_the_cancellation_pays_the_bill_and_brings_nothing_back(begin: Begin) -> None:
    story = await begin(START, graceHours=0)
    ada = await story.customer()
    card = await story.saves_card(ada)
    await story.sells("pro", flat("20"))
    one = await story.subscribes(ada, "pro", collection="automatic")
    await story.until("2026-02-01T00:00:00Z")
    story.card_does(card, decline_code="insufficient_funds")
    await story.until("2026-03-22T00:00:00Z")
    # Day 21 of 28 February was 21 March.
    ended = await story.subscription(one)
    assert (ended["status"], ended["canceledAt"]) == ("canceled", "2026-03-21T10:00:00Z")
    story.card_does(card, card="pm_card_visa")
    owed = (await story.invoices(ada))[1]
    paid = await made(story.caller.post(f"/billing/invoices/{owed['invoiceId']}/pay"))
    assert paid["status"] == "succeeded"
    await story.until("2026-06-01T00:00:00Z")
    assert await story.status(one) == "canceled"
    assert (await story.bills(ada))[:2] == [
        "INV-00001 2026-01-31 paid: base 20.00 = 20.00 EUR",
        "INV-00002 2026-02-28 paid: base 20.00 = 20.00 EUR",
    ]


async def test_a_stolen_card_is_tried_once(begin: Begin) -> None:
    story = await begin(START, graceHours=0)
    ada = await story.customer()
    card = await story.saves_card(ada)
    await story.sells("pro", flat("20"))
    await story.subscribes(ada, "pro", collection="automatic")
    await story.until("2026-02-01T00:00:00Z")
    story.card_does(card, decline_code="stolen_card")
    await story.until("2026-03-20T00:00:00Z")
    (collection, *_) = (await made(story.caller.get("/billing/collections")))["data"]
    assert (collection["tries"], collection["nextStep"]) == (1, "never")


async def test_the_wallet_pays_first_and_the_card_the_rest(begin: Begin) -> None:
    story = await begin(START, graceHours=0)
    ada = await story.customer()
    await story.saves_card(ada)
    await story.grants(ada, "7.5")
    await story.sells("pro", flat("20"))
    one = await story.subscribes(ada, "pro", collection="automatic")
    await story.until("2026-02-01T00:00:00Z")
    (invoice,) = await story.invoices(ada)
    assert (invoice["appliedMinor"], invoice["paidMinor"]) == (750, 1_250)
    assert await story.bills(ada) == ["INV-00001 2026-01-31 paid: base 20.00 = 20.00 EUR, 7.50 from the wallet"]
    assert await story.status(one) == "active"
    assert await story.ledger(ada) == ["grant 7.5", "invoice -7.5"]


async def test_without_a_card_the_first_invoice_is_never_paid_and_the_subscription_never_begins(begin: Begin) -> None:
    story = await begin(START, graceHours=0)
    ada = await story.customer()
    await story.sells("pro", flat("20"))
    one = await story.subscribes(ada, "pro", collection="automatic")
    await story.until("2026-03-15T00:00:00Z")
    ended = await story.subscription(one)
    assert (ended["status"], ended["cancelReason"]) == ("canceled", "never_paid")
    assert [bill.split()[2] for bill in await story.bills(ada)] == ["void:"]
