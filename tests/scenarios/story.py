"""A story: a tenant that sells, its customers, its clock, and what came of it, in few words.

Everything goes through the API. What came of it is said in lines that a person reads:

    "INV-00002 2026-02-28 open: calls 2.50, base 10.00, tax 2.38 = 14.88 EUR"
"""

import itertools
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import stripe
from standardwebhooks import Webhook

from core.billing.ledger.heads import Heads
from core.billing.ledger.signing import load_signing_keys
from core.billing.ledger.verification.verify import verify
from core.billing.payments.providers.simulator.main import Simulator
from core.foundation.money import minor_digits
from core.foundation.runtime import Runtime
from core.worker.app import run_until_idle
from tests.scenarios.listening import Ears
from tests.support.callers import Caller
from tests.support.furnished import made

_keys = itertools.count(1)

SELLER = {
    "legalName": "Acme GmbH",
    "address": {"line1": "Hauptstr. 1", "city": "Berlin", "postalCode": "10115", "country": "DE"},
    "graceHours": 1,
    "netDays": 365,  # nobody is reminded, unless a story wants that
}
TAXED: dict[str, Any] = {"taxIds": {"DE": "DE136695976"}}
"""A seller who is registered in Germany: 19 % on what Germans buy."""
UNTAXED: dict[str, Any] = {"taxIds": {}}
"""A seller who is not registered for tax: figures without it."""

COLOGNE = {"line1": "Weg 1", "city": "Köln", "postalCode": "50667", "country": "DE"}


@dataclass(frozen=True, kw_only=True)
class House:
    """What all stories share."""

    client: httpx.AsyncClient
    runtime: Runtime
    stripe: Simulator
    ears: Ears


@dataclass(kw_only=True)
class Story:
    """A tenant, asked over the API as its owner."""

    house: House
    caller: Caller
    slug: str
    secret: str = ""
    parked_at_the_end: int = 0
    """How many customers the story leaves set aside."""
    names: dict[str, str] = field(default_factory=dict[str, str])
    verified: int = 0
    """How many webhooks have been seen to be signed; a signature is taken for five minutes only."""

    # What the tenant does

    async def listens(self, *kinds: str) -> None:
        """Has webhooks sent."""
        body = {"url": self.house.ears.url(self.slug), "kinds": list(kinds)}
        self.secret = (await made(self.caller.post("/notification/webhooks", body)))["secret"]

    async def bills_as(self, **changes: Any) -> None:
        """How its invoices are made; without tax unless it says `**TAXED`."""
        await made(self.caller.put("/billing/settings/invoices", {**SELLER, **UNTAXED, **changes}))

    async def rules(self, **changes: Any) -> None:
        """How its run makes them."""
        await made(self.caller.put("/billing/settings/invoicing", changes))

    async def sells(self, code: str, *parts: dict[str, Any], currency: str = "EUR", **terms: Any) -> str:
        """A plan of one currency; its code."""
        floors = {name: terms.pop(name) for name in ("minimum", "commitment") if name in terms}
        price = {"currency": currency, "components": list(parts), **floors}
        await made(self.caller.post("/billing/plans", {"code": code, "name": code, "prices": [price], **terms}))
        return code

    async def sells_anew(self, code: str, *parts: dict[str, Any], currency: str = "EUR", **terms: Any) -> None:
        """Another version of a plan."""
        price = {"currency": currency, "components": list(parts)}
        await made(self.caller.post(f"/billing/plans/{code}/versions", {"prices": [price], **terms}))

    async def meters(self, code: str = "calls", **fields: Any) -> None:
        """A meter of events of its name."""
        body = {"code": code, "name": code, "aggregation": "count", "eventName": code, **fields}
        await made(self.caller.post("/billing/meters", body))

    async def offers(self, code: str, **terms: Any) -> str:
        """A coupon; its code."""
        await made(self.caller.post("/billing/coupons", {"code": code, "name": code.capitalize(), **terms}))
        return code

    async def customer(self, name: str = "Ada", **profile: Any) -> str:
        """A customer in Cologne; its id."""
        profile = {"address": COLOGNE, "email": f"{name.lower()}@example.test", "currency": "EUR", **profile}
        body = {"externalId": name.lower(), "name": name, **profile}
        found = (await made(self.caller.post("/billing/customers", body)))["customerId"]
        self.names[found] = name
        return found

    async def subscribes(self, customer: str, plan: str, **fields: Any) -> str:
        """A subscription that is billed and not charged; its id."""
        body = {"planId": plan, "customerId": customer, "collection": "send_invoice", **fields}
        return (await made(self.caller.post("/billing/subscriptions", body)))["subscriptionId"]

    async def does(self, subscription: str, action: str, **body: Any) -> dict[str, Any]:
        """POST …/change, cancel, pause, resume; the subscription after it."""
        return await made(self.caller.post(f"/billing/subscriptions/{subscription}/{action}", body))

    async def uses(self, customer: str, times: int, *, at: str | None = None, of: str = "calls", **fields: Any) -> None:
        """Events of a customer, now unless `at` says when."""
        given = {"eventName": of, "customerId": customer, **({"occurredAt": at} if at else {}), **fields}
        for first in range(0, times, 1000):
            events = [{"idempotencyKey": f"e-{next(_keys)}", **given} for _ in range(min(1000, times - first))]
            answer = await made(self.caller.post("/billing/usage/events", {"events": events}))
            assert {row["status"] for row in answer["data"]} == {"accepted"}, answer

    async def charges_once(self, customer: str, *lines: tuple[str, int], **fields: Any) -> None:
        """One-off lines for the next run."""
        rows = [{"description": description, "amountMinor": minor} for description, minor in lines]
        await made(self.caller.post("/billing/invoices/items", {"customerId": customer, "lines": rows, **fields}))

    async def grants(self, customer: str, amount: str, **fields: Any) -> None:
        """Credits for nothing."""
        body = {"customerId": customer, "amount": amount, **fields}
        await made(self.caller.post("/billing/credits/grants", body, key=f"grant-{next(_keys)}"))

    async def until(self, now: str) -> None:
        """Moves the clock, doing what falls due on the way."""
        await made(self.caller.post("/billing/test-clock", {"now": now}))

    async def saves_card(self, customer: str, card: str = "pm_card_visa") -> str:
        """Saves a card on the provider's page; the provider's name of it."""
        setup = await made(self.caller.post("/billing/payment-methods/setups", {"customerId": customer}))
        self.house.stripe.control(f"checkout/{setup['pageUrl'].rpartition('/')[2]}", card=card)
        synced = await made(self.caller.post(f"/billing/payment-methods/setups/{setup['setupId']}/sync"))
        assert synced["status"] == "succeeded", synced
        client = stripe.StripeClient(
            "sk_test_tests", base_addresses={"api": self.house.stripe.url}, max_network_retries=0
        )
        return client.v1.payment_methods.list({"limit": 1}).data[0].id

    def pays(self, payment_intent: str) -> None:
        """The customer confirms on the provider's page, by a card that pays."""
        client = stripe.StripeClient(
            "sk_test_tests", base_addresses={"api": self.house.stripe.url}, max_network_retries=0
        )
        client.v1.payment_intents.confirm(payment_intent, {"payment_method": "pm_card_visa"})

    def card_does(self, card: str, /, **behaviour: str) -> None:
        """From now on a saved card does something else: `card` a test card's name, or `decline_code`."""
        self.house.stripe.control(f"cards/{card}", **behaviour)

    # What came of it

    async def subscription(self, subscription: str) -> dict[str, Any]:
        """As it is now."""
        return await made(self.caller.get(f"/billing/subscriptions/{subscription}"))

    async def status(self, subscription: str) -> str:
        """Its state."""
        return (await self.subscription(subscription))["status"]

    async def invoices(self, customer: str | None = None) -> list[dict[str, Any]]:
        """Oldest first."""
        params = {"customerId": customer} if customer else {}
        return (await made(self.caller.get("/billing/invoices", limit=200, **params)))["data"][::-1]

    async def bills(self, customer: str | None = None) -> list[str]:
        """Each invoice in a line."""
        return [await self._line_of(invoice) for invoice in await self.invoices(customer)]

    async def lines(self, invoice: dict[str, Any]) -> list[dict[str, Any]]:
        """What an invoice is made of."""
        return (await made(self.caller.get(f"/billing/invoices/{invoice['invoiceId']}/lines", limit=200)))["data"]

    async def ledger(self, customer: str) -> list[str]:
        """Postings of a wallet, oldest first: "grant 10", "invoice -4.5"."""
        rows = (await made(self.caller.get("/api/ledger", customerId=customer, limit=200)))["data"][::-1]
        return [f"{row['kind']} {row['amount']}" for row in rows]

    async def balance(self, customer: str) -> str:
        """What is in the wallet."""
        return (await made(self.caller.get(f"/billing/wallets/{customer}")))["balance"]

    async def work(self) -> None:
        """Lets the worker do all that waits."""
        await run_until_idle(self.house.runtime)

    async def webhooks(self, *kinds: str) -> list[dict[str, Any]]:
        """What programs were told, in its order; of these kinds, if any are named."""
        await self.work()
        told = [orjson.loads(body) for _, body in self.house.ears.heard[self.slug]]
        return [one for one in told if not kinds or one["type"] in kinds]

    async def told(self, *parts: str) -> list[str]:
        """The kinds of the webhooks; only those of these subjects, such as "invoice", if any are named."""
        kinds = [one["type"] for one in await self.webhooks()]
        return [kind for kind in kinds if not parts or kind.partition(".")[0] in parts]

    async def mails(self) -> list[str]:
        """ "template to address: subject", oldest first."""
        await self.work()
        rows = (await made(self.caller.get("/notification/messages", limit=200)))["data"][::-1]
        whole = [await made(self.caller.get(f"/notification/messages/{row['messageId']}")) for row in rows]
        return [f"{one['template']} to {one['to']}: {one['subject']}" for one in whole]

    # What must hold at the end of every story

    async def books_agree(self) -> None:
        """Invoices computed anew, sums, the ledger's chain, webhooks: signed, and each fact told once."""
        parked = (await made(self.caller.get("/billing/parked-customers", open="true")))["data"]
        assert len(parked) == self.parked_at_the_end, parked
        for invoice in await self.invoices():
            if invoice["number"] is None:
                continue
            again = await made(self.caller.get(f"/billing/invoices/{invoice['invoiceId']}/recomputation"))
            assert again["drifted"] is False, again
            rows = await self.lines(invoice)
            assert sum(row["amountMinor"] for row in rows) == invoice["subtotalMinor"]
            assert sum(row["netMinor"] for row in rows) == invoice["subtotalMinor"] - invoice["discountMinor"]
            assert invoice["totalMinor"] == sum(row["netMinor"] + row["taxMinor"] for row in rows)
        numbers = sorted(one["number"] for one in await self.invoices() if one["number"])
        assert numbers == [f"INV-{place:05}" for place in range(1, len(numbers) + 1)]
        await self.work()
        heads = Heads(self.house.runtime.settings.heads_path, load_signing_keys(self.house.runtime.settings))
        assert [one async for one in verify(self.house.runtime.database, heads, slug=self.slug)] == []
        heard = self.house.ears.heard[self.slug]
        for headers, body in heard[self.verified :]:
            Webhook(self.secret).verify(body, headers)
        self.verified = len(heard)
        ids = [headers["webhook-id"] for headers, _ in heard]
        assert len(set(ids)) == len(ids), "a webhook was delivered twice"
        await self._renewals_have_one_outcome([orjson.loads(body) for _, body in heard])

    async def _renewals_have_one_outcome(self, told: list[dict[str, Any]]) -> None:
        """Of one renewal programs hear that it was renewed or that its payment failed, never both."""
        failed = {
            one["data"]["invoiceId"]
            for one in told
            if one["type"] in ("payment.failed", "invoice.payment_failed") and one["data"].get("invoiceId")
        }
        bills = [one for one in await self.invoices() if one["invoiceId"] in failed]
        both = {(one["subscriptionId"], one["billAt"]) for one in bills} & {
            (one["data"]["subscriptionId"], one["data"]["currentPeriodStart"])
            for one in told
            if one["type"] == "subscription.renewed"
        }
        assert not both

    async def _line_of(self, invoice: dict[str, Any]) -> str:
        digits = minor_digits(invoice["currency"])
        whole = invoice
        if invoice["status"] == "draft":
            whole = await made(self.caller.get(f"/billing/invoices/{invoice['invoiceId']}"))
        said = [f"{_word(row)}{row['code']} {_money(row['amountMinor'], digits)}" for row in await self.lines(invoice)]
        if whole["discountMinor"]:
            said.append(f"coupons {_money(-whole['discountMinor'], digits)}")
        if whole["taxMinor"]:
            said.append(f"tax {_money(whole['taxMinor'], digits)}")
        total = f"{_money(whole['totalMinor'], digits)} {invoice['currency']}"
        applied = whole["appliedMinor"]
        paid = f", {_money(abs(applied), digits)} {'from' if applied > 0 else 'into'} the wallet" if applied else ""
        at = (invoice["finalizedAt"] or invoice["draftedAt"])[:10]
        return f"{invoice['number']} {at} {invoice['status']}: {', '.join(said)} = {total}{paid}"


def _word(row: dict[str, Any]) -> str:
    return "" if row["kind"] in ("recurring", "usage", "one_time", "one_off", row["code"]) else f"{row['kind']} "


def _money(minor: int, digits: int) -> str:
    sign, text = ("-", str(-minor)) if minor < 0 else ("", str(minor))
    text = text.zfill(digits + 1)
    return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else f"{sign}{text}"


def flat(amount: str, code: str = "base", **fields: Any) -> dict[str, Any]:
    """A part at a flat price."""
    return {"code": code, "name": code.capitalize(), "price": {"model": "flat", "amount": amount}, **fields}


def per_unit(price: str, code: str = "seats", **fields: Any) -> dict[str, Any]:
    """A part by the unit."""
    return {"code": code, "name": code.capitalize(), "price": {"model": "per_unit", "unitPrice": price}, **fields}


def metered(price: str | dict[str, Any], meter: str = "calls", **fields: Any) -> dict[str, Any]:
    """A part that a meter counts, by the unit or by a price of its own."""
    terms = {"model": "per_unit", "unitPrice": price} if isinstance(price, str) else price
    return {"code": meter, "name": meter.capitalize(), "kind": "usage", "meter": meter, "price": terms, **fields}
