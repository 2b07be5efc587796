"""Lists are narrowed by what one knows: of customers, subscriptions and payments of invoices."""

from typing import Any

from tests.billing.payments.paid import ADDRESS, Paid
from tests.support.furnished import made


async def names(paid: Paid, path: str, field: str, **query: Any) -> list[str]:
    return [row[field] for row in (await made(paid.tenant.get(path, **query)))["data"]]


async def test_customers_are_found_by_currency_country_what_they_owe_and_how_they_subscribe(paid: Paid) -> None:
    berlin = {**ADDRESS, "city": "Berlin", "country": "DE"}
    ada = await paid.customer()
    body = {"externalId": "bob", "name": "Bob", "address": berlin, "currency": "EUR"}
    body |= {"taxTreatment": "exempt", "taxExemptReason": "a test"}
    bob = (await made(paid.tenant.post("/billing/customers", body)))["customerId"]
    await paid.subscribe(ada, collection="send_invoice")
    lines = [{"description": "Work", "amountMinor": 100}]
    await made(paid.tenant.post("/billing/invoices", {"customerId": bob, "lines": lines, "finalize": True}))

    async def found(**query: Any) -> list[str]:
        return await names(paid, "/billing/customers", "externalId", **query)

    assert await found(currency="EUR") == ["bob"]
    assert await found(currency="USD") == ["ada", "self"]
    assert await found(country="DE") == ["bob"]
    assert await found(openInvoices="true") == ["bob"]
    assert await found(openInvoices="false", country="US") == ["ada"]
    assert await found(subscriptionStatus="active") == ["ada"]
    assert await found(subscriptionStatus="canceled") == []
    assert await found(customerId=[ada, bob], search="BO") == ["bob"]
    for wrong in ({"country": "de"}, {"subscriptionStatus": "gone"}, {"customerId": "x"}, {"openInvoices": "maybe"}):
        assert (await paid.tenant.get("/billing/customers", **wrong)).status_code == 422, wrong


async def test_subscriptions_are_found_by_who_has_them_and_by_plan(paid: Paid) -> None:
    ada, bob = await paid.customer(), await paid.customer("bob")
    await paid.subscribe(ada)
    await paid.subscribe(bob)

    async def found(**query: Any) -> list[str]:
        return await names(paid, "/billing/subscriptions", "customerId", **query)

    assert await found(search="ADA@customer") == [ada]
    assert await found(search="plan") == [bob, ada]
    assert await found(search="%") == []
    assert await found(plan="plan", customerId=bob) == [bob]
    assert await found(plan="starter") == []


async def test_payments_of_invoices_are_one_list(paid: Paid) -> None:
    ada, bob = await paid.customer(), await paid.customer("bob", card=None)
    await paid.bill(ada, 2_000)
    await paid.move("2026-01-31T10:00:01Z")
    invoice = await paid.bill(bob, 1_000)
    given = {"amountMinor": 400, "reference": "DE-17"}
    await made(paid.tenant.post(f"/billing/invoices/{invoice['invoiceId']}/payments", given))

    rows = (await made(paid.tenant.get("/billing/payments")))["data"]
    assert [(row["customerId"], row["means"], row["status"], row["amountMinor"]) for row in rows] == [
        (bob, "by_hand", "succeeded", 400),
        (ada, "intent", "succeeded", 2_000),
    ]
    assert (rows[0]["reference"], rows[0]["invoiceNumber"]) == ("DE-17", invoice["number"])
    first = await made(paid.tenant.get("/billing/payments", limit=1))
    assert await names(paid, "/billing/payments", "customerId", limit=1, cursor=first["nextCursor"]) == [ada]
    for query, expected in (
        ({"search": "de-1"}, [bob]),
        ({"search": "ada"}, [ada]),
        ({"search": invoice["number"]}, [bob]),
        ({"customerId": ada}, [ada]),
        ({"status": "failed"}, []),
    ):
        assert await names(paid, "/billing/payments", "customerId", **query) == expected, query


async def test_a_draft_takes_lines_until_it_is_final(paid: Paid) -> None:
    ada = await paid.customer()
    wanted = {"customerId": ada, "lines": [{"description": "Work", "amountMinor": 1_000}]}
    draft = (await made(paid.tenant.post("/billing/invoices", wanted)))["invoiceId"]
    path = f"/billing/invoices/{draft}/lines"
    more = {"lines": [{"description": "Travel", "quantity": "2.5", "unitPrice": "30"}]}
    first = await made(paid.tenant.post(path, more, key="k"))
    assert (first["lineCount"], first["totalMinor"]) == (2, 8_500)
    assert (await made(paid.tenant.post(path, more, key="k")))["replayed"] is True
    await made(paid.tenant.post(path, {"lines": [{"description": "Too much", "amountMinor": -500}]}))
    assert [row["totalMinor"] for row in await paid.invoices()] == [8_000]
    for wrong in ({"lines": []}, {"lines": [{"description": "Neither"}]}):
        assert (await paid.tenant.post(path, wrong)).status_code == 422, wrong
    final = await made(paid.tenant.post(f"/billing/invoices/{draft}/finalize"))
    assert final["totalMinor"] == 8_000
    late = await paid.tenant.post(path, more)
    assert (late.status_code, late.json()["code"]) == (409, "invoice_not_draft")
    lines = (await made(paid.tenant.get(path)))["data"]
    assert [row["description"] for row in lines] == ["Work", "Travel", "Too much"]
    assert (await made(paid.tenant.get(f"/billing/invoices/{draft}/recomputation")))["drifted"] is False
