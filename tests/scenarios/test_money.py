"""Stories of money: currencies, taxes, one-off lines, credit notes, what a run stops at."""

from collections.abc import Awaitable, Callable

from tests.scenarios.story import TAXED, Story, flat, metered, per_unit
from tests.support.furnished import made

Begin = Callable[..., Awaitable[Story]]
START = "2026-01-31T10:00:00Z"


async def test_yen_have_no_decimals(begin: Begin) -> None:
    story = await begin("2026-04-01T00:00:00Z", currency="JPY")
    ada = await story.customer(currency="JPY")
    await story.sells("small", flat("1000"), currency="JPY")
    await story.sells("large", flat("2500"), currency="JPY")
    one = await story.subscribes(ada, "small")
    await story.until("2026-04-11T00:00:00Z")
    await story.does(one, "change", planId="large", billing="now")
    await story.until("2026-05-01T12:00:00Z")
    # 20 of 30 days: 666.67 back, 1,666.67 to pay.
    assert await story.bills(ada) == [
        "INV-00001 2026-04-01 open: base 1000 = 1000 JPY",
        "INV-00002 2026-04-11 open: unused base -667, remaining base 1667 = 1000 JPY",
        "INV-00003 2026-05-01 open: base 2500 = 2500 JPY",
    ]


async def test_dinars_have_three(begin: Begin) -> None:
    story = await begin(START, currency="KWD")
    ada = await story.customer(currency="KWD")
    await story.meters()
    await story.sells("pro", flat("10.125"), metered("0.0015"), currency="KWD")
    await story.subscribes(ada, "pro")
    await story.uses(ada, 333)
    await story.until("2026-03-01T00:00:00Z")
    # 333 x 0.0015 is 0.4995.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 10.125 = 10.125 KWD",
        "INV-00002 2026-02-28 open: calls 0.500, base 10.125 = 10.625 KWD",
    ]


async def test_each_customer_pays_in_their_own_currency(begin: Begin) -> None:
    story = await begin(START)
    ada, bob = await story.customer("Ada", currency="EUR"), await story.customer("Bob", currency="USD")
    prices = [
        {"currency": currency, "components": [flat(amount)]} for currency, amount in (("EUR", "9"), ("USD", "11"))
    ]
    await made(story.caller.post("/billing/plans", {"code": "pro", "name": "Pro", "prices": prices}))
    await story.subscribes(ada, "pro")
    await story.until("2026-01-31T12:00:00Z")
    await story.subscribes(bob, "pro")
    eve = await story.customer("Eve", currency="JPY")
    refused = await story.caller.post("/billing/subscriptions", {"planId": "pro", "customerId": eve})
    assert refused.status_code == 422, refused.text
    await story.until("2026-02-01T00:00:00Z")
    assert (await story.bills(ada), await story.bills(bob), await story.bills(eve)) == (
        ["INV-00001 2026-01-31 open: base 9.00 = 9.00 EUR"],
        ["INV-00002 2026-01-31 open: base 11.00 = 11.00 USD"],
        [],
    )


async def test_a_tax_that_changes_in_the_middle_holds_from_its_day_on(begin: Begin) -> None:
    story = await begin(START, **TAXED)
    ada = await story.customer()
    await story.meters()
    await story.sells("small", flat("100"), metered("1"))
    await story.sells("large", flat("200"), metered("1"))
    rate = {"country": "DE", "name": "MwSt.", "percent": "21", "effectiveFrom": "2026-02-15"}
    await made(story.caller.post("/billing/tax-rates", rate))
    one = await story.subscribes(ada, "small")
    await story.uses(ada, 10)
    await story.until("2026-02-21T10:00:00Z")
    await story.does(one, "change", planId="large")
    await story.until("2026-03-01T00:00:00Z")
    # 25.00 comes back with the 19 % that it was charged with; all else of February's bill bears 21 %:
    # 21 % of 50.00 + 10.00 + 200.00 is 54.60, less 4.75.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 100.00, tax 19.00 = 119.00 EUR",
        "INV-00002 2026-02-28 open: unused base -25.00, remaining base 50.00, calls 10.00, calls 0.00, base 200.00, "
        "tax 49.85 = 284.85 EUR",
    ]


async def test_a_business_elsewhere_in_the_union_owes_the_tax_itself(begin: Begin) -> None:
    story = await begin(START, **TAXED)
    vienna = {"line1": "Ring 1", "city": "Wien", "postalCode": "1010", "country": "AT"}
    ada = await story.customer("Ada", address=vienna, taxId="ATU13585627")
    bob = await story.customer("Bob", address=vienna)
    await story.sells("pro", flat("100"))
    await story.subscribes(ada, "pro")
    await story.until("2026-01-31T12:00:00Z")
    await story.subscribes(bob, "pro")
    await story.until("2026-02-01T00:00:00Z")
    # Bob is no business: the seller's own rate.
    assert await story.bills(ada) == ["INV-00001 2026-01-31 open: base 100.00 = 100.00 EUR"]
    assert await story.bills(bob) == ["INV-00002 2026-01-31 open: base 100.00, tax 19.00 = 119.00 EUR"]
    (invoice,) = await story.invoices(ada)
    whole = await made(story.caller.get(f"/billing/invoices/{invoice['invoiceId']}"))
    assert [(tax["category"], tax["rate"], tax["taxMinor"]) for tax in whole["taxes"]] == [("AE", "0", 0)]


async def test_who_is_exempt_or_far_away_pays_no_tax(begin: Begin) -> None:
    story = await begin(START, **TAXED)
    exempt = await story.customer("Ada", taxTreatment="exempt", taxExemptReason="Article 132")
    far = await story.customer("Bob", address={"line1": "1 Main St", "city": "Boston", "country": "US"})
    await story.sells("pro", flat("100"))
    await story.subscribes(exempt, "pro")
    await story.until("2026-01-31T12:00:00Z")
    await story.subscribes(far, "pro")
    await story.until("2026-02-01T00:00:00Z")
    categories = []
    for invoice in await story.invoices():
        whole = await made(story.caller.get(f"/billing/invoices/{invoice['invoiceId']}"))
        categories.append((whole["taxes"][0]["category"], whole["totalMinor"]))
    assert categories == [("E", 10_000), ("O", 10_000)]


async def test_tax_is_rounded_once_a_rate_or_once_a_line_as_the_tenant_chose(begin: Begin) -> None:
    # 19 % of 0.99 is 0.1881; of 0.33 three times 0.06.
    for rounding, total in (("rate", "0.19 = 1.18"), ("line", "0.18 = 1.17")):
        story = await begin(START, **TAXED, taxRounding=rounding)
        ada = await story.customer()
        await story.charges_once(ada, ("A", 33), ("B", 33), ("C", 33))
        await story.until("2026-02-01T00:00:00Z")
        assert await story.bills(ada) == [
            f"INV-00001 2026-01-31 open: one-off 0.33, one-off 0.33, one-off 0.33, tax {total} EUR"
        ]


async def test_one_off_lines_wait_for_their_day(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.charges_once(ada, ("Now", 1_000))
    await story.charges_once(ada, ("Later", 2_500), ("Less", -500), billAt="2026-02-10T00:00:00Z")
    await story.until("2026-02-09T00:00:00Z")
    assert await story.bills(ada) == ["INV-00001 2026-01-31 open: one-off 10.00 = 10.00 EUR"]
    await story.until("2026-02-11T00:00:00Z")
    assert (await story.bills(ada))[1] == "INV-00002 2026-02-10 open: one-off 25.00, one-off -5.00 = 20.00 EUR"


async def test_credited_in_parts_the_tax_comes_back_to_the_cent(begin: Begin) -> None:
    story = await begin(START, **TAXED)
    ada = await story.customer()
    await story.charges_once(ada, ("Work", 999))
    await story.until("2026-02-01T00:00:00Z")
    (invoice,) = await story.invoices(ada)
    (line,) = await story.lines(invoice)
    path = f"/billing/invoices/{invoice['invoiceId']}/credit-notes"
    for _ in range(3):
        await made(story.caller.post(path, {"lines": [{"lineId": line["lineId"], "amountMinor": 333}]}))
    # 19 % of 9.99 is 1.90: 0.63, 0.64, 0.63 by the running sum.
    notes = await story.webhooks("credit_note.issued")
    assert [(note["data"]["number"], note["data"]["totalMinor"]) for note in notes] == [
        ("CN-00001", 396),
        ("CN-00002", 397),
        ("CN-00003", 396),
    ]
    assert (await story.invoices(ada))[0]["openMinor"] == 0
    more = await story.caller.post(path, {"lines": [{"lineId": line["lineId"], "amountMinor": 1}]})
    assert more.status_code in (409, 422), more.text


async def test_a_void_invoice_keeps_its_number_and_gives_its_credits_back(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.grants(ada, "4")
    await story.charges_once(ada, ("Work", 1_000))
    await story.until("2026-01-31T12:00:00Z")
    (invoice,) = await story.invoices(ada)
    await made(story.caller.post(f"/billing/invoices/{invoice['invoiceId']}/void"))
    await story.charges_once(ada, ("Work again", 300))
    await story.until("2026-02-01T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 void: one-off 10.00 = 10.00 EUR, 4.00 from the wallet",
        "INV-00002 2026-01-31 paid: one-off 3.00 = 3.00 EUR, 3.00 from the wallet",
    ]
    assert await story.ledger(ada) == ["grant 4", "invoice -4", "invoice_credit 4", "invoice -3"]
    assert await story.told("invoice") == [
        "invoice.created", "invoice.finalized", "invoice.voided",
        "invoice.created", "invoice.finalized", "invoice.paid",
    ]  # fmt: skip


async def test_numbers_have_no_gap_where_a_draft_was_thrown_away(begin: Begin) -> None:
    story = await begin(START)
    for name in ("Ada", "Bob", "Cid"):
        await story.charges_once(await story.customer(name), ("Work", 1_000))
    await story.until("2026-01-31T10:00:01Z")
    drafts = await story.invoices()
    await made(story.caller.post(f"/billing/invoices/{drafts[1]['invoiceId']}/void"))
    await story.until("2026-02-01T00:00:00Z")
    assert sorted(one["number"] for one in await story.invoices() if one["number"]) == ["INV-00001", "INV-00002"]


async def test_all_that_is_due_together_is_one_invoice_where_the_tenant_wants_that(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.rules(oneInvoicePer="customer")
    await story.sells("pro", flat("10"))
    await story.sells("team", per_unit("5"))
    await story.subscribes(ada, "pro")
    await story.subscribes(ada, "team", quantities={"seats": "4"})
    await story.until("2026-03-01T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 10.00, seats 20.00 = 30.00 EUR",
        "INV-00002 2026-02-28 open: base 10.00, seats 20.00 = 30.00 EUR",
    ]


async def test_a_run_that_would_bill_far_too_much_sets_that_customer_aside_only(begin: Begin) -> None:
    story = await begin(START)
    ada, bob = await story.customer("Ada"), await story.customer("Bob")
    await story.rules(timesHistory=3, freeBelowMinor=10_000)
    for customer in (ada, bob):
        await story.charges_once(customer, ("January", 5_000))
    await story.until("2026-02-01T00:00:00Z")
    await story.charges_once(ada, ("A slip", 5_000_000))
    await story.charges_once(bob, ("February", 5_000))
    await story.until("2026-02-02T00:00:00Z")
    assert len(await story.bills(ada)) == 1
    # January's two have the numbers before it.
    assert (await story.bills(bob))[1] == "INV-00003 2026-02-01 open: one-off 50.00 = 50.00 EUR"
    (parked,) = (await made(story.caller.get("/billing/parked-customers")))["data"]
    assert (parked["customerId"], parked["code"]) == (ada, "times_history")
    story.parked_at_the_end = 1


async def test_a_customer_without_a_tax_rate_is_set_aside_and_taken_up_again(begin: Begin) -> None:
    story = await begin(START, **TAXED)
    ada = await story.customer()
    line = {"description": "Odd", "amountMinor": 500, "taxCode": "books"}
    await made(story.caller.post("/billing/invoices/items", {"customerId": ada, "lines": [line]}))
    await story.until("2026-02-01T00:00:00Z")
    assert await story.bills(ada) == []
    rate = {"country": "DE", "code": "books", "name": "Bücher", "percent": "7", "effectiveFrom": "2020-01-01"}
    await made(story.caller.post("/billing/tax-rates", rate))
    await made(story.caller.post(f"/billing/parked-customers/{ada}/replay", {}))
    await story.until("2026-02-02T00:00:00Z")
    assert await story.bills(ada) == ["INV-00001 2026-02-01 open: one-off 5.00, tax 0.35 = 5.35 EUR"]


async def test_a_plan_bears_the_rate_of_its_product_and_goods_are_taxed_as_goods_abroad(begin: Begin) -> None:
    story = await begin(START, **TAXED)
    vienna = {"line1": "Ring 1", "city": "Wien", "postalCode": "1010", "country": "AT"}
    boston = {"line1": "1 Main St", "city": "Boston", "country": "US"}
    ada, bob, eve = [
        await story.customer(name, **profile)
        for name, profile in (
            ("Ada", {}), ("Bob", {"address": vienna, "taxId": "ATU13585627"}), ("Eve", {"address": boston}),
        )
    ]  # fmt: skip
    await story.meters()
    rate = {"country": "DE", "code": "books", "name": "MwSt. ermäßigt", "percent": "7", "effectiveFrom": "2020-01-01"}
    await made(story.caller.post("/billing/tax-rates", rate))
    magazine = {"code": "magazine", "name": "Magazine", "taxCode": "books", "isGoods": True}
    product = await made(story.caller.post("/billing/products", magazine))
    assert (product["taxCode"], product["isGoods"]) == ("books", True)
    await story.sells(
        "post", flat("10"), metered("0.05"), minimum={"model": "minimum", "amount": "12"}, product="magazine"
    )
    one = await story.subscribes(ada, "post")
    for other in (bob, eve):
        await story.subscribes(other, "post")
    await story.uses(ada, 20)
    await story.until("2026-03-01T00:00:00Z")
    bills = [await story.bills(each) for each in (ada, bob, eve)]
    # 10.00 and 1.00 are brought up to 12.00 a month; all of it bears 7 %. Abroad nothing is charged on goods.
    assert bills[0][1].endswith("calls 1.00, minimum 1.00, base 10.00, tax 0.84 = 12.84 EUR"), bills
    assert [bill.rpartition(" = ")[2] for bill in (bills[0][0], bills[1][0], bills[2][0])] == [
        "10.70 EUR", "10.00 EUR", "10.00 EUR",
    ]  # fmt: skip
    found: list[tuple[str, str]] = []
    for each in (ada, bob, eve):
        invoice = (await story.invoices(each))[0]
        whole = await made(story.caller.get(f"/billing/invoices/{invoice['invoiceId']}"))
        found += [(tax["category"], tax["rate"]) for tax in whole["taxes"]]
        xml = await story.caller.get(f"/billing/invoices/{invoice['invoiceId']}/xml")
        assert xml.status_code == 200, xml.text
    assert found == [("S", "7"), ("K", "0"), ("G", "0")]
    # What comes later of the same month bears its product's rate, too.
    await story.uses(ada, 40, at="2026-02-10T00:00:00Z")
    await story.until("2026-03-03T00:00:00Z")
    upcoming = (await made(story.caller.get(f"/billing/subscriptions/{one}/upcoming-invoice")))["invoices"][0]
    assert {line["taxRate"] for line in upcoming["lines"]} == {"7"}
