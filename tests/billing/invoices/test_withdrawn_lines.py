"""A line that somebody wrote by mistake is taken back while nobody was billed for it; everything else is refused."""

import asyncio
from typing import Any

from tests.billing.invoices.conftest import Shop, flat
from tests.billing.invoices.test_recomputation import drifts
from tests.support.furnished import made


def line(minor: int, description: str = "Work", **fields: Any) -> dict[str, Any]:
    return {"description": description, "amountMinor": minor, **fields}


async def draft(shop: Shop, customer: str, *lines: dict[str, Any]) -> str:
    body = {"customerId": customer, "lines": list(lines)}
    return (await made(shop.caller.post("/billing/invoices", body)))["invoiceId"]


async def lines_of(shop: Shop, invoice_id: str) -> list[dict[str, Any]]:
    return await shop.lines({"invoiceId": invoice_id})


async def refusal(answering: Any) -> tuple[int, str]:
    answer = await answering
    return answer.status_code, answer.json()["code"]


async def test_a_line_taken_off_a_draft_leaves_the_others_and_their_tax(shop: Shop) -> None:
    invoice_id = await draft(shop, await shop.customer(), line(10_000, "Right"), line(777, "Wrong"))
    wrong = next(one for one in await lines_of(shop, invoice_id) if one["description"] == "Wrong")
    path = f"/billing/invoices/{invoice_id}/lines/{wrong['itemId']}"
    left = await made(shop.caller.delete(path))
    assert (left["lineCount"], left["subtotalMinor"], left["taxMinor"], left["totalMinor"]) == (
        1,
        10_000,
        1_900,
        11_900,
    )
    (listed,) = await shop.invoices()
    assert (listed["lineCount"], listed["totalMinor"], listed["openMinor"]) == (1, 11_900, 11_900)
    assert await refusal(shop.caller.delete(path)) == (404, "invoice_item_not_found")
    final = await made(shop.caller.post(f"/billing/invoices/{invoice_id}/finalize"))
    assert (final["number"], final["totalMinor"]) == ("INV-00001", 11_900)
    kept = (await lines_of(shop, invoice_id))[0]
    path = f"/billing/invoices/{invoice_id}/lines/{kept['itemId']}"
    assert await refusal(shop.caller.delete(path)) == (409, "invoice_not_draft")
    result, found = await drifts(shop)
    assert (result.recomputed, found) == (1, [])


async def test_a_draft_may_lose_its_only_line_get_another_or_end_without_a_number(shop: Shop) -> None:
    ada = await shop.customer()
    invoice_id = await draft(shop, ada, line(777))
    (only,) = await lines_of(shop, invoice_id)
    empty = await made(shop.caller.delete(f"/billing/invoices/{invoice_id}/lines/{only['itemId']}"))
    assert (empty["lineCount"], empty["totalMinor"], empty["taxes"]) == (0, 0, [])
    assert (await made(shop.caller.get(f"/billing/invoices/{invoice_id}")))["lineCount"] == 0
    more = await made(shop.caller.post(f"/billing/invoices/{invoice_id}/lines", {"lines": [line(500)]}))
    assert (more["lineCount"], more["totalMinor"]) == (1, 595)
    (again,) = await lines_of(shop, invoice_id)
    await made(shop.caller.delete(f"/billing/invoices/{invoice_id}/lines/{again['itemId']}"))
    ended = await made(shop.caller.post(f"/billing/invoices/{invoice_id}/finalize"))
    assert (ended["status"], ended["number"], ended["totalMinor"]) == ("void", None, 0)
    other = await draft(shop, ada, line(100))
    assert (await made(shop.caller.post(f"/billing/invoices/{other}/finalize")))["number"] == "INV-00001"


async def test_a_waiting_line_is_listed_and_withdrawn_and_previews_and_the_run_know_nothing_of_it(shop: Shop) -> None:
    ada, bob = await shop.customer(), await shop.customer("Bob")
    await shop.plan(flat("29"))
    subscription = await shop.subscribe(ada)
    await shop.move("2026-02-01T00:00:00Z")
    await shop.rules(oneInvoicePer="customer")
    billed = {"billAt": "2026-02-28T10:00:00Z"}
    first, second = await shop.items(ada, 1_000, 2_000, **billed)
    await shop.items(bob, 5_000, **billed)
    waiting = (await made(shop.caller.get("/billing/invoices/items", customerId=ada)))["data"]
    assert [(one["itemId"], one["amountMinor"], one["kind"]) for one in waiting] == [
        (first, 1_000, "one_off"), (second, 2_000, "one_off")
    ]  # fmt: skip
    page = await made(shop.caller.get("/billing/invoices/items", limit=2))
    rest = await made(shop.caller.get("/billing/invoices/items", limit=2, cursor=page["nextCursor"]))
    assert [len(page["data"]), len(rest["data"]), rest["nextCursor"]] == [2, 1, None]
    gone = await made(shop.caller.delete(f"/billing/invoices/items/{first}"))
    assert (gone["itemId"], gone["amountMinor"]) == (first, 1_000)
    assert await refusal(shop.caller.delete(f"/billing/invoices/items/{first}")) == (404, "invoice_item_not_found")
    path = f"/billing/subscriptions/{subscription}/upcoming-invoice"
    (foreseen,) = (await made(shop.caller.get(path)))["invoices"]
    assert foreseen["subtotalMinor"] == 2_900 + 2_000
    await shop.move("2026-03-01T00:00:00Z")
    of_ada = (await shop.invoices(customerId=ada))[-1]
    assert (of_ada["subtotalMinor"], of_ada["totalMinor"]) == (4_900, foreseen["totalMinor"])
    assert await refusal(shop.caller.delete(f"/billing/invoices/items/{second}")) == (
        409, "invoice_line_not_withdrawable",
    )  # fmt: skip
    assert (await drifts(shop))[1] == []


async def test_what_the_run_computed_stays_on_its_draft(shop: Shop) -> None:
    ada = await shop.customer()
    await shop.plan(flat("29"))
    await shop.subscribe(ada)
    await made(shop.caller.post("/billing/test-clock", {"now": "2026-01-31T10:00:01Z"}))
    (invoice,) = await shop.invoices()
    assert invoice["status"] == "draft"
    await made(shop.caller.post(f"/billing/invoices/{invoice['invoiceId']}/lines", {"lines": [line(100)]}))
    of_run, of_hand = await shop.lines(invoice)
    path = f"/billing/invoices/{invoice['invoiceId']}/lines"
    assert await refusal(shop.caller.delete(f"{path}/{of_run['itemId']}")) == (409, "invoice_line_not_withdrawable")
    assert (await made(shop.caller.delete(f"{path}/{of_hand['itemId']}")))["subtotalMinor"] == 2_900


async def test_who_withdrew_a_line_and_what_it_said_stands_in_the_audit_log(shop: Shop) -> None:
    ada = await shop.customer()
    (item,) = await shop.items(ada, 1_234, billAt="2026-06-01T00:00:00Z")
    await made(shop.caller.delete(f"/billing/invoices/items/{item}"))
    row = (await made(shop.caller.get("/billing/audit")))["data"][0]
    assert row["actorId"]
    assert row["action"] == "withdraw_invoice_item"
    assert row["before"]["invoice_items.amount_minor"] == 1_234
    assert row["before"]["invoice_items.id"] == item
    assert row["after"] is None


async def test_a_line_withdrawn_while_the_run_bills_is_billed_or_withdrawn_and_nobody_is_parked(shop: Shop) -> None:
    customers = [await shop.customer(f"C{n}") for n in range(6)]
    items = [(await shop.items(one, 1_000, billAt="2026-02-01T00:00:00Z"))[0] for one in customers]
    calls = [shop.caller.delete(f"/billing/invoices/items/{item}") for item in items]
    _, *answers = await asyncio.gather(shop.move("2026-02-01T00:00:00Z"), *calls)
    withdrawn = [answer.status_code for answer in answers].count(200)
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len(await shop.invoices()) == 6 - withdrawn
    assert (await made(shop.caller.get("/billing/parked-customers")))["data"] == []


async def test_a_draft_that_was_voided_has_neither_lines_nor_amounts(shop: Shop) -> None:
    invoice_id = await draft(shop, await shop.customer(), line(777))
    void = await made(shop.caller.post(f"/billing/invoices/{invoice_id}/void"))
    assert (void["status"], void["lineCount"], void["subtotalMinor"], void["totalMinor"]) == ("void", 0, 0, 0)
    assert await lines_of(shop, invoice_id) == []
    detail = await made(shop.caller.get(f"/billing/invoices/{invoice_id}"))
    assert (detail["lineCount"], detail["taxes"], detail["totalMinor"]) == (0, [], 0)
