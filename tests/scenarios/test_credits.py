"""Stories of credits: which are used first, which end, what is told of them."""

from collections.abc import Awaitable, Callable

from tests.scenarios.story import TAXED, Story, flat, metered
from tests.support.furnished import made

Begin = Callable[..., Awaitable[Story]]
START = "2026-01-31T10:00:00Z"


async def left(story: Story, customer: str) -> list[tuple[str, str]]:
    """What is left of each lot, in the order of use."""
    found = await made(story.caller.get(f"/billing/credits/{customer}"))
    return [(lot["label"], lot["remaining"]) for lot in found["data"]]


async def test_credits_that_end_sooner_are_used_first_whenever_they_were_given(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.grants(ada, "10", label="never ends")
    await story.grants(ada, "10", label="ends in june", expiresAt="2026-06-01T00:00:00Z")
    await story.grants(ada, "10", label="ends in march", expiresAt="2026-03-01T00:00:00Z")
    await story.charges_once(ada, ("Work", 1_200))
    await story.until("2026-02-01T00:00:00Z")
    assert await story.bills(ada) == ["INV-00001 2026-01-31 paid: one-off 12.00 = 12.00 EUR, 12.00 from the wallet"]
    assert await left(story, ada) == [("ends in june", "8"), ("never ends", "10")]
    await story.until("2026-06-02T00:00:00Z")
    assert await left(story, ada) == [("never ends", "10")]
    assert await story.ledger(ada) == ["grant 10", "grant 10", "grant 10", "invoice -12", "expiry -8"]
    (expired,) = await story.webhooks("credits.expired")
    assert expired["timestamp"] == "2026-06-01T00:00:00Z"


async def test_a_lower_priority_number_goes_before_an_earlier_end(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.grants(ada, "5", label="sooner", expiresAt="2026-02-15T00:00:00Z", priority=50)
    await story.grants(ada, "5", label="first", priority=10)
    await story.charges_once(ada, ("Work", 600))
    await story.until("2026-02-01T00:00:00Z")
    assert await left(story, ada) == [("sooner", "4")]
    await story.until("2026-03-01T00:00:00Z")
    assert await story.ledger(ada) == ["grant 5", "grant 5", "invoice -6", "expiry -4"]


async def test_what_rolls_over_pays_the_next_month_and_ends_then(begin: Begin) -> None:
    story = await begin("2026-01-01T00:00:00Z")
    ada = await story.customer()
    await story.grants(ada, "10", label="plan", expiresAt="2026-02-01T00:00:00Z", rollover="4", rolloverDays=28)
    await story.until("2026-02-02T00:00:00Z")
    # Six are gone, four go on until 1 March.
    assert await left(story, ada) == [("plan", "4")]
    await story.charges_once(ada, ("Work", 100))
    await story.until("2026-03-02T00:00:00Z")
    assert await story.ledger(ada) == ["grant 10", "expiry -6", "invoice -1", "expiry -3"]


async def test_credits_that_end_as_the_invoice_is_made_do_not_pay_it(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.grants(ada, "10", expiresAt="2026-02-28T10:30:00Z")
    await story.sells("pro", flat("10"))
    await story.subscribes(ada, "pro", trialDays=28)
    # Due at 10:00, final at 11:00: half an hour after they ended.
    await story.until("2026-03-01T00:00:00Z")
    assert await story.bills(ada) == ["INV-00001 2026-02-28 open: base 10.00 = 10.00 EUR"]
    assert await story.ledger(ada) == ["grant 10", "expiry -10"]


async def test_where_the_tenant_wants_that_credits_pay_no_invoices(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.rules(appliesCredits=False)
    await story.grants(ada, "10")
    await story.charges_once(ada, ("Work", 1_000))
    await story.until("2026-02-01T00:00:00Z")
    assert await story.bills(ada) == ["INV-00001 2026-01-31 open: one-off 10.00 = 10.00 EUR"]
    assert await story.balance(ada) == "10"


async def test_the_same_grant_sent_twice_is_given_once(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    body = {"customerId": ada, "amount": "5"}
    first = await made(story.caller.post("/billing/credits/grants", body, key="gift"))
    second = await made(story.caller.post("/billing/credits/grants", body, key="gift"))
    assert first["creditLotId"] == second["creditLotId"]
    other = await story.caller.post("/billing/credits/grants", {**body, "amount": "6"}, key="gift")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert await story.ledger(ada) == ["grant 5"]


async def test_a_top_up_that_is_asked_for_and_reported_twice_is_booked_once(begin: Begin) -> None:
    story = await begin(START, currency="USD")
    ada = await story.customer(currency="USD")
    wanted = {"packageCode": "starter", "customerId": ada}
    first = await made(story.caller.post("/api/purchases", wanted, key="top-up"))
    again = await made(story.caller.post("/api/purchases", wanted, key="top-up"))
    assert (again["purchaseId"], again["replayed"]) == (first["purchaseId"], True)
    story.pays(first["paymentIntentId"])
    for _ in range(2):
        synced = await made(story.caller.post(f"/api/purchases/{first['purchaseId']}/sync"))
        assert synced["status"] == "paid"
    assert await story.ledger(ada) == ["purchase 5"]
    assert await story.balance(ada) == "5"
    assert [one["data"]["amountMinor"] for one in await story.webhooks("payment.succeeded")] == [500]
    assert [mail["template"] for mail in (await made(story.caller.get("/notification/messages")))["data"]] == [
        "receipt"
    ]


async def test_credits_for_a_meter_pay_its_lines_and_go_back_to_it(begin: Begin) -> None:
    story = await begin(START)
    await story.bills_as(**TAXED)
    ada = await story.customer()
    await story.meters()
    await story.sells("both", flat("10"), metered("0.10"))
    await story.subscribes(ada, "both")
    await story.grants(ada, "50", label="calls only", meters=["calls"])
    await story.uses(ada, 30)
    await story.until("2026-03-01T00:00:00Z")
    # The base is paid ahead and not by them. In February: 3.00 of calls with 0.57 of tax.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 10.00, tax 1.90 = 11.90 EUR",
        "INV-00002 2026-02-28 open: calls 3.00, base 10.00, tax 2.47 = 15.47 EUR, 3.57 from the wallet",
    ]
    assert await usable(story, ada) == ("0", [(["calls"], "46.43")])
    # What a credit note gives back goes to where it came from, before anything becomes free to use.
    second = (await story.invoices(ada))[1]
    calls = next(row for row in await story.lines(second) if row["code"] == "calls")
    lines = [{"lineId": calls["lineId"], "amountMinor": 300}]
    body = {"reason": "requested", "lines": lines, "walletMinor": 357}
    note = await made(story.caller.post(f"/billing/invoices/{second['invoiceId']}/credit-notes", body))
    assert note["toWalletMinor"] == 357
    assert await usable(story, ada) == ("0", [(["calls"], "50")])
    rows = (await made(story.caller.get("/api/ledger", customerId=ada)))["data"][::-1]
    assert [(row["kind"], row["amount"], row["limited"]) for row in rows] == [
        ("grant", "0", "50"),
        ("invoice", "0", "-3.57"),
        ("invoice_credit", "0", "3.57"),
    ]


async def test_a_preview_knows_what_credits_for_a_meter_will_pay_and_voiding_returns_it(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters()
    await story.sells("both", flat("10"), metered("0.10"))
    subscription = await story.subscribes(ada, "both")
    await story.grants(ada, "2", meters=["calls"])
    await story.grants(ada, "4")
    await story.uses(ada, 30)
    upcoming = await made(story.caller.get(f"/billing/subscriptions/{subscription}/upcoming-invoice"))
    # The first invoice is a draft yet, and will have taken the 4.00 by then.
    assert [(one["totalMinor"], one["appliedMinor"]) for one in upcoming["invoices"]] == [(1300, 200)]
    await story.until("2026-03-01T00:00:00Z")
    # The first invoice took the 4.00 that are for anything; of the second's 3.00 of calls, 2.00 are theirs.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 10.00 = 10.00 EUR, 4.00 from the wallet",
        "INV-00002 2026-02-28 open: calls 3.00, base 10.00 = 13.00 EUR, 2.00 from the wallet",
    ]
    for invoice in await story.invoices(ada):
        await made(story.caller.post(f"/billing/invoices/{invoice['invoiceId']}/void"))
    assert await usable(story, ada) == ("4", [(["calls"], "2")])


async def usable(story: Story, customer: str) -> tuple[str, list[tuple[list[str], str]]]:
    """What may be used for anything, and what for which meters."""
    wallet = await made(story.caller.get(f"/billing/wallets/{customer}"))
    return wallet["available"], [(one["meters"], one["available"]) for one in wallet["limited"]]
