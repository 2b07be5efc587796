"""A tenant with something of everything, made by API calls: what another tenant's calls are aimed at."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from tests.support.callers import Caller, invite


@dataclass(frozen=True, kw_only=True)
class Furnished:
    """A tenant's owner and the ids of what it has, by the name of the path parameter that takes them."""

    owner: Caller
    ids: dict[str, str]
    keys: dict[str, str]
    """Idempotency keys it has used, by door."""


async def furnish(owner: Caller, *, stripe_url: str) -> Furnished:
    """Fill a funded tenant whose installation reaches a simulator of Stripe at that address."""
    invitation = await made(owner.post("/auth/invitations", {"email": "new@else.test", "role": "developer"}))
    member = await invite(owner, "finance")
    webhook = await made(owner.post("/notification/webhooks", {"url": "https://93.184.215.14/hooks"}))
    key = await made(owner.post("/auth/api-keys", {"name": "production", "scopes": ["usage:write"]}))
    product = await made(owner.post("/billing/products", {"code": "own-product", "name": "Own"}))
    plan = await made(
        owner.post("/billing/plans", {"code": "own-plan", "name": "Own", "amountMinor": 700, "product": "own-product"})
    )
    coupon = await made(
        owner.post(
            "/billing/coupons",
            {"code": "own-coupon", "name": "Own", "percent": "10", "plans": ["own-plan"], "products": ["own-product"]},
        )
    )
    await made(owner.post("/billing/packages", {"packageCode": "own-package", "name": "Own", "amountMinor": 300}))
    subscription = await made(owner.post("/billing/subscriptions", {"planId": "starter", "tenantId": owner.tenant}))
    hold_key, usage_key, purchase_key = (f"{door}-{uuid4().hex[:8]}" for door in ("hold", "usage", "purchase"))
    hold = await made(
        owner.post("/api/usage/holds", {"amount": "0.05", "idempotencyKey": hold_key, "ttlSeconds": 3600})
    )
    call = {"model": "gpt-4o", "inputTokens": 1000, "outputTokens": 500}
    charge = await made(
        owner.post("/api/usage/reconcile", {**call, "userId": "their-user", "idempotencyKey": usage_key})
    )
    purchase = await made(owner.post("/api/purchases", {"packageCode": "starter"}, key=purchase_key))
    meter = await made(
        owner.post(
            "/billing/meters", {"code": "own-meter", "name": "Own", "aggregation": "count", "eventName": "own-event"}
        )
    )
    event = {"idempotencyKey": f"metered-{uuid4().hex[:8]}", "eventName": "own-event", "externalId": "their-user"}
    metered = await made(owner.post("/billing/usage/events", {"events": [event]}))
    late = {**event, "idempotencyKey": f"late-{uuid4().hex[:8]}"}
    backfill = await made(
        owner.post("/billing/usage/backfills", {"reason": "a late file", "events": [late]}, key="own-backfill")
    )
    setup = await made(owner.post("/billing/payment-methods/setups", {"means": "intent"}, key="own-setup"))
    httpx.post(
        f"{stripe_url}/v1/setup_intents/{setup['setupIntentId']}/confirm",
        data={"payment_method": "pm_card_visa"},
        headers={"Authorization": "Bearer sk_test_tests"},
        trust_env=False,
    ).raise_for_status()
    saved = await made(owner.post(f"/billing/payment-methods/setups/{setup['setupId']}/sync"))
    address = {"line1": "Weg 1", "city": "Bonn", "postalCode": "53111", "country": "DE"}
    await made(
        owner.put("/billing/settings/invoices", {"legalName": "Own", "address": address, "taxNumber": "12/345/67890"})
    )
    payer = await made(owner.post("/billing/customers", {"externalId": "their-payer", "name": "P", "address": address}))
    written = {"customerId": payer["customerId"], "lines": [{"description": "Work", "amountMinor": 100}]}
    invoice = await made(owner.post("/billing/invoices", {**written, "finalize": True}))
    note = await made(owner.post(f"/billing/invoices/{invoice['invoiceId']}/credit-notes", {}))
    (item,) = (await made(owner.post("/billing/invoices/items", {**written, "billAt": "2031-01-01T00:00:00Z"})))["data"]
    rate = {"country": "DE", "name": "Own", "percent": "19", "effectiveFrom": "2030-01-01"}
    tax_rate = await made(owner.post("/billing/tax-rates", rate))
    other = await made(owner.post("/billing/invoices", {**written, "finalize": True}))
    payment = await made(
        owner.post(f"/billing/invoices/{other['invoiceId']}/payments", {"amountMinor": 40, "reference": "own"})
    )
    wallets = (await made(owner.get("/billing/wallets")))["data"]
    return Furnished(
        owner=owner,
        ids={
            "tenant_id": owner.tenant or "",
            "user_id": member.user_id or "",
            "invitation_id": invitation["invitationId"],
            "api_key_id": key["apiKeyId"],
            "plan_id": plan["planId"],
            "plan": plan["planId"],
            "product": product["productId"],
            "coupon": coupon["couponId"],
            "subscription_id": subscription["subscriptionId"],
            "hold_id": hold["holdId"],
            "usage_event_id": charge["usageEventId"],
            "meter_id": meter["meterId"],
            "metered_event_id": metered["data"][0]["usageEventId"],
            "backfill_id": backfill["backfillId"],
            "transaction_id": charge["transactionId"],
            "purchase_id": purchase["purchaseId"],
            "setup_id": setup["setupId"],
            "payment_method_id": saved["paymentMethodId"],
            "webhook_id": webhook["webhookId"],
            "invoice_id": invoice["invoiceId"],
            "item_id": item["itemId"],
            "payment_id": payment["paymentId"],
            "refund_id": payment["paymentId"],  # theirs, if no refund: that takes a worker
            "credit_note_id": note["creditNoteId"],
            "tax_rate_id": tax_rate["taxRateId"],
            "customer_id": wallets[0]["customerId"],
        },
        keys={"hold": hold_key, "usage": usage_key, "purchase": purchase_key},
    )


async def made(answering: Any) -> dict[str, Any]:
    """The body of an answer that has to be a success."""
    answer: httpx.Response = await answering
    assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
    return answer.json()
