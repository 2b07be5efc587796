"""What customers, operators and banks do, drawn from chance; whatever does not fit is refused by name."""

from datetime import timedelta
from typing import Any

import httpx

from tests.scenarios.lives import CARDS, PLANS, START, Deeds, Life
from tests.support.furnished import made


async def subscribes(life: Life) -> None:
    chance, customer = life.chance, life.somebody()
    body: dict[str, Any] = {
        "planId": chance.choice(list(PLANS)), "customerId": customer.id,
        "quantities": {"seats": str(chance.randint(0, 7))}, "addOns": chance.choice(([], ["extra"])),
        "collection": chance.choice(("automatic", "send_invoice")),
    }  # fmt: skip
    if chance.random() < 0.4:
        body["coupons"] = [chance.choice(("part", f"off-{customer.currency.lower()}"))]
    if chance.random() < 0.3:
        body["trialDays"] = chance.randint(1, 20)
    if (answer := await life.asks("/billing/subscriptions", body)) is not None:
        customer.subscriptions.append(answer["subscriptionId"])


async def changes(life: Life) -> None:
    chance, (_, one) = life.chance, life.subscribed()
    body: dict[str, Any] = {
        "quantities": {"seats": str(chance.randint(0, 9))}, "addOns": chance.choice(([], ["extra"])),
        "applies": chance.choice(("now", "now", "renewal")), "proration": chance.choice(("prorate", "none")),
        "billing": chance.choice(("now", "next_invoice")),
    }  # fmt: skip
    if chance.random() < 0.5:
        body["planId"] = chance.choice(list(PLANS))
    await life.asks(f"/billing/subscriptions/{one}/change", body)


async def cancels(life: Life) -> None:
    chance, (_, one) = life.chance, life.subscribed()
    body = {"when": chance.choice(("now", "period_end")), "unused": chance.choice(("credit", "keep"))}
    await life.asks(f"/billing/subscriptions/{one}/cancel", body)


async def pauses(life: Life) -> None:
    chance, (_, one) = life.chance, life.subscribed()
    body: dict[str, Any] = {"unused": chance.choice(("credit", "keep"))}
    if chance.random() < 0.5:
        body["resumeAt"] = (life.now + timedelta(hours=chance.randint(1, 500))).isoformat()
    await life.asks(f"/billing/subscriptions/{one}/pause", body)


async def resumes(life: Life) -> None:
    _, one = life.subscribed()
    await life.asks(f"/billing/subscriptions/{one}/resume")


async def uses(life: Life) -> None:
    chance, customer = life.chance, life.somebody()
    at = life.now - timedelta(seconds=chance.choice((0, 60, 3_600, 86_400, 20 * 86_400)))
    events: list[dict[str, Any]] = []
    for place in range(chance.randint(1, 12)):
        name = chance.choice(("calls", "bytes"))
        events.append({
            "idempotencyKey": f"{len(life.tale)}-{place}", "eventName": name, "customerId": customer.id,
            "occurredAt": max(at, START).isoformat(), "properties": {"size": chance.randint(0, 20)},
        })  # fmt: skip
    await life.asks("/billing/usage/events", {"events": events})


async def amends(life: Life) -> None:
    rows = (await made(life.story.caller.get("/billing/usage/events", limit=50)))["data"]
    if rows:
        row = life.chance.choice(rows)
        body: dict[str, Any] = {
            "kind": life.chance.choice(("void", "restore", "replace")),
            "reason": "it was wrong",
        }
        if body["kind"] == "replace":
            body["replacement"] = {"idempotencyKey": f"again-{len(life.tale)}", "properties": {"size": 3}}
        await life.asks(f"/billing/usage/events/{row['usageEventId']}/amendments", body)


async def one_off(life: Life) -> None:
    customer = life.somebody()
    lines = [{"description": "Work", "amountMinor": life.chance.choice((-700, 1, 250, 9_999))}]
    if life.chance.random() < 0.5:
        await life.asks("/billing/invoices/items", {"customerId": customer.id, "lines": lines})
    else:
        body = {"customerId": customer.id, "lines": lines, "finalize": life.chance.random() < 0.7}
        await life.asks("/billing/invoices", body | {"collection": life.chance.choice(("automatic", "send_invoice"))})


async def credits(life: Life) -> None:
    chance, customer = life.chance, life.somebody()
    body: dict[str, Any] = {
        "customerId": customer.id, "amount": f"{chance.randint(0, 30)}.{chance.randint(1, 999_999):06}",
        "priority": chance.choice((10, 50)),
    }  # fmt: skip
    if chance.random() < 0.5:
        body["expiresAt"] = (life.now + timedelta(days=chance.randint(1, 40))).isoformat()
    if chance.random() < 0.3:
        body["meters"] = ["calls"]
    await life.asks("/billing/credits/grants", body, key=f"grant-{len(life.tale)}")


async def buys(life: Life) -> None:
    bought = await life.asks("/api/purchases", {"packageCode": "starter"}, key=f"buy-{len(life.tale)}")
    if bought is not None and life.chance.random() < 0.8:
        life.story.pays(bought["paymentIntentId"])
        await made(life.story.caller.post(f"/api/purchases/{bought['purchaseId']}/sync"))


async def turns_card(life: Life) -> None:
    customer, behaviour = life.somebody(), life.chance.choice(CARDS)
    if customer.card:
        life.tell(f"the card of {customer.id} does {behaviour}")
        life.story.card_does(customer.card, **behaviour)


async def _invoice(life: Life, *states: str) -> dict[str, Any] | None:
    found = [one for one in await life.story.invoices() if one["status"] in states]
    return life.chance.choice(found) if found else None


async def pays_by_hand(life: Life) -> None:
    if invoice := await _invoice(life, "open", "open", "uncollectible"):
        part = life.chance.choice((invoice["openMinor"], max(1, invoice["openMinor"] // 3)))
        body = {"amountMinor": part, "reference": f"T-{len(life.tale)}"}
        await life.asks(f"/billing/invoices/{invoice['invoiceId']}/payments", body)


async def pays(life: Life) -> None:
    if invoice := await _invoice(life, "open"):
        await life.asks(f"/billing/invoices/{invoice['invoiceId']}/pay", {})


async def credit_note(life: Life) -> None:
    if invoice := await _invoice(life, "open", "paid", "uncollectible"):
        chance = life.chance
        body: dict[str, Any] = {}
        if chance.random() < 0.6:
            line = chance.choice(await life.story.lines(invoice))
            body["lines"] = [{"lineId": line["lineId"], "amountMinor": max(1, abs(line["netMinor"]) // 2)}]
        if chance.random() < 0.4:
            body["refundMinor"] = chance.randint(1, max(1, invoice["paidMinor"]))
        await life.asks(f"/billing/invoices/{invoice['invoiceId']}/credit-notes", body)


async def voids(life: Life) -> None:
    if invoice := await _invoice(life, "open", "draft", "paid"):
        await life.asks(f"/billing/invoices/{invoice['invoiceId']}/void")


async def gives_up(life: Life) -> None:
    if invoice := await _invoice(life, "open"):
        await life.asks(f"/billing/invoices/{invoice['invoiceId']}/uncollectible")


async def takes_back(life: Life) -> None:
    if invoice := await _invoice(life, "paid", "open"):
        path = f"/billing/invoices/{invoice['invoiceId']}/payments"
        by_hand = [one for one in (await made(life.story.caller.get(path)))["data"] if one["means"] == "by_hand"]
        if by_hand:
            await life.asks(f"{path}/{life.chance.choice(by_hand)['paymentId']}/take-back")


async def _charged(life: Life, of: str | None = None) -> str | None:
    """A payment of ours at the provider, of this invoice if one is given."""
    found = [
        one
        for one in life.there("payment_intents")
        if one["status"] == "succeeded" and of in (None, one["metadata"].get("cloudbill_invoice_id"))
    ]
    return life.chance.choice(found)["id"] if found else None


async def disputed(life: Life, of: str | None = None) -> None:
    if intent := await _charged(life, of):
        life.tell(f"disputed {intent}")
        try:
            dispute = life.story.house.stripe.control("disputes", payment_intent=intent)
        except httpx.HTTPStatusError as refusal:
            life.tell(f"refused: {refusal}")
            return
        if life.chance.random() < 0.6:
            await life.the_provider_tells()
            await life.waits(timedelta(days=life.chance.randint(1, 9)))
            life.story.house.stripe.control(
                f"disputes/{dispute['id']}/close", status=life.chance.choice(("won", "lost"))
            )
        await life.the_provider_tells()


async def refunded_there(life: Life, most: int = 300, of: str | None = None) -> None:
    if intent := await _charged(life, of):
        life.tell(f"refunded at the provider: {intent}")
        try:
            life.story.house.stripe.control("refunds", payment_intent=intent, amount=life.chance.randint(1, most))
        except httpx.HTTPStatusError as refusal:
            life.tell(f"refused: {refusal}")
        await life.the_provider_tells()


async def retries_refund(life: Life) -> None:
    for invoice in await life.story.invoices():
        path = f"/billing/invoices/{invoice['invoiceId']}"
        payments = (await made(life.story.caller.get(f"{path}/payments")))["data"] if invoice["number"] else []
        for refund in [one for payment in payments for one in payment["refunds"] if one["status"] == "failed"]:
            await life.asks(f"{path}/refunds/{refund['refundId']}/retry")


async def refunds_and_is_overtaken(life: Life) -> None:
    """The dashboard gives money back between a credit note and its refund, then the bank takes all of it."""
    invoice = await _invoice(life, "paid")
    if invoice is None or not invoice["paidMinor"]:
        return
    path = f"/billing/invoices/{invoice['invoiceId']}"
    row = life.chance.choice(await life.story.lines(invoice))
    part = life.chance.randint(1, max(1, min(invoice["paidMinor"], abs(row["netMinor"]))))
    line = {"lineId": row["lineId"], "amountMinor": part}
    await life.asks(f"{path}/credit-notes", {"lines": [line], "refundMinor": part})
    await refunded_there(life, most=20_000, of=invoice["invoiceId"])
    await retries_refund(life)
    await disputed(life, of=invoice["invoiceId"])


async def new_version(life: Life) -> None:
    plan = life.chance.choice(list(PLANS))
    body = {"prices": life.prices(plan), "applies": life.chance.choice(("new", "renewal"))}
    await life.asks(f"/billing/plans/{plan}/versions", body)


async def new_tax(life: Life) -> None:
    day = (life.now + timedelta(days=life.chance.randint(1, 9))).date().isoformat()
    body = {
        "country": "DE",
        "name": "MwSt.",
        "percent": life.chance.choice(("16", "19", "21")),
        "effectiveFrom": day,
    }
    await life.asks("/billing/tax-rates", body)


async def coupon(life: Life) -> None:
    customer, one = life.subscribed()
    await life.asks(
        f"/billing/subscriptions/{one}/coupons",
        {"coupon": life.chance.choice(("part", f"off-{customer.currency.lower()}"))},
    )


DEEDS: Deeds = {
    subscribes: 3,
    changes: 4,
    cancels: 2,
    pauses: 2,
    resumes: 1,
    uses: 6,
    amends: 2,
    one_off: 2,
    credits: 3,
    buys: 2,
    turns_card: 3,
    pays_by_hand: 3,
    pays: 2,
    credit_note: 3,
    voids: 1,
    gives_up: 1,
    disputed: 1,
    refunded_there: 1,
    retries_refund: 1,
    refunds_and_is_overtaken: 2,
    takes_back: 1,
    new_version: 1,
    new_tax: 1,
    coupon: 1,
}
