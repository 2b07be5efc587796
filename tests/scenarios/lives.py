"""Lives drawn from chance: a tenant, its customers and its payment provider over months, with what goes wrong.

Nobody works figures out here: what is asked for is done or refused by name, and again and again everything that is
said of the money must agree: invoices, wallets, ledger, reports, messages and the provider.
"""

import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from core.billing.payments.providers.stripe_signature import sign
from tests.scenarios.agreeing import differences_to_the_provider, everything_agrees
from tests.scenarios.story import COLOGNE, TAXED, Story, flat, metered, per_unit
from tests.support.environment import STRIPE_WEBHOOK_SECRET
from tests.support.furnished import made

START = datetime(2026, 1, 30, 22, 30, tzinfo=UTC)
CURRENCIES = ("EUR", "JPY", "KWD")
PLANS = {"small": "month", "large": "month", "seats": "month", "weekly": "week", "yearly": "year"}
METERED = ("small", "large")
TIERS = [
    {"firstUnit": 1, "lastUnit": 3, "unitPrice": "1.5"},
    {"firstUnit": 4, "lastUnit": None, "unitPrice": "1", "flatFee": "2"},
]
PLACES = (
    {"address": COLOGNE},
    {"address": {"line1": "Ring 1", "city": "Wien", "postalCode": "1010", "country": "AT"}, "taxId": "ATU13585627"},
    {"address": {"line1": "1 Main St", "city": "Boston", "country": "US"}},
    {"address": COLOGNE, "taxTreatment": "exempt", "taxExemptReason": "A school"},
)
CARDS: tuple[dict[str, str], ...] = (
    {"card": "pm_card_visa"},
    {"card": "pm_card_visa"},
    {"decline_code": "insufficient_funds"},
    {"decline_code": "stolen_card"},
    {"decline_code": "processing_error"},
)
REFUSED = {409, 422}
"""What may be answered to a wish that does not fit: by name, with nothing changed."""


@dataclass(kw_only=True)
class Customer:
    """Somebody who buys."""

    id: str
    currency: str
    card: str | None
    subscriptions: list[str]


Deeds = dict[Callable[["Life"], Awaitable[None]], int]
"""What may happen, and how often against the others."""


class Life:
    """One tenant; `tale` is what happened, for whoever reads a failure."""

    def __init__(self, story: Story, chance: random.Random) -> None:
        self.story = story
        self.chance = chance
        self.now = START
        self.tale: list[str] = []
        self.customers: list[Customer] = []
        self.answers = Counter[int]()
        self._tenant_id: UUID | None = None
        self._heard = 0

    async def run(self, stretches: int, deeds: Deeds) -> None:
        """Opens the shop and lives for about half a month at a time; everything must agree after each."""
        async with self.story.house.runtime.database.reading() as session:
            tenant = text("SELECT id FROM tenants WHERE slug = :slug")
            self._tenant_id = await session.scalar(tenant, {"slug": self.story.slug})
        self._heard = len(self.there("events"))
        others = await differences_to_the_provider(self.story)
        try:
            await self._open()
            for _ in range(stretches):
                for deed in self.chance.choices(list(deeds), list(deeds.values()), k=self.chance.randint(8, 16)):
                    await deed(self)
                    longest = self.chance.choice((1, 3_600, 86_400, 4 * 86_400))
                    await self.waits(timedelta(seconds=longest * self.chance.random()))
                await self.the_provider_tells()
                await everything_agrees(self.story, [customer.id for customer in self.customers], since=START)
                assert await differences_to_the_provider(self.story) == others
        except AssertionError as broken:
            raise AssertionError(f"{broken}\n" + "\n".join(self.tale)) from broken

    async def _open(self) -> None:
        chance, story = self.chance, self.story
        await story.bills_as(**TAXED, graceHours=chance.choice((0, 1, 30)), netDays=chance.choice((0, 14)),
                             lateUsage=chance.choice(("next_invoice", "credit_note")))  # fmt: skip
        await story.rules(
            oneInvoicePer=chance.choice(("subscription", "customer")), timesHistory=1_000_000, monthsAhead=120
        )
        dunning = {"retryDays": [2, 5], "finalDays": 9, "overdueAction": chance.choice(("leave", "cancel"))}
        final = chance.choice(("pause", "cancel", "uncollectible", "leave"))
        await made(story.caller.put("/billing/settings/dunning", dunning | {"finalAction": final}))
        await story.meters()
        await story.meters("bytes", aggregation="sum", property="size")
        for code in PLANS:
            await self._sells(code)
        for currency in CURRENCIES:
            body = {"code": f"off-{currency.lower()}", "name": "Off", "amountMinor": chance.randint(1, 5_000)}
            terms = chance.choice(({"duration": "once"}, {"duration": "repeating", "periods": 2}))
            await made(story.caller.post("/billing/coupons", body | terms | {"currency": currency}))
        await story.offers("part", percent=chance.choice(("7.5", "33", "100")), duration="forever")
        for number in range(chance.randint(1, 3)):
            await self._comes(number)

    async def _sells(self, code: str) -> None:
        body = {"code": code, "name": code, "interval": PLANS[code], "prices": self.prices(code)}
        body["proration"] = self.chance.choice(("second", "day"))
        await made(self.story.caller.post("/billing/plans", body))

    def prices(self, code: str) -> list[dict[str, Any]]:
        """What a plan costs, drawn anew, in each currency."""
        chance = self.chance
        prices: list[dict[str, Any]] = []
        for currency in CURRENCIES:
            parts = [
                flat(str(chance.randint(1, 90))),
                per_unit(f"{chance.randint(0, 9)}.{chance.randint(0, 999):03}"),
                flat("7", "extra", addOn=True),
            ]
            if code in METERED:  # a meter is billed by one subscription of a customer
                price = {"model": "per_unit", "unitPrice": f"0.{chance.randint(1, 9999):04}", "included": "2"}
                parts += [metered(price), metered({"model": "graduated", "tiers": TIERS}, "bytes")]
            floor = {"minimum": {"model": "minimum", "amount": str(chance.randint(1, 120))}}
            prices.append({"currency": currency, "components": parts, **(floor if chance.random() < 0.3 else {})})
        return prices

    async def _comes(self, number: int) -> None:
        chance = self.chance
        currency = chance.choice(CURRENCIES)
        profile: dict[str, Any] = dict(chance.choice(PLACES))
        zone = chance.choice(("UTC", "Europe/Berlin", "America/New_York", "Pacific/Chatham"))
        customer = await self.story.customer(f"C{number}", currency=currency, timeZone=zone, **profile)
        card = await self.story.saves_card(customer) if chance.random() < 0.8 else None
        one = await self.story.subscribes(customer, chance.choice(list(PLANS)))
        self.customers.append(Customer(id=customer, currency=currency, card=card, subscriptions=[one]))
        self.tell(f"comes {number} {currency} {'with a card' if card else ''}")

    # What deeds are made of

    async def asks(self, path: str, body: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any] | None:
        """A wish; its answer, or None where it was refused by name."""
        answer = await self.story.caller.post(path, body, **fields)
        self.answers[answer.status_code] += 1
        said = "" if answer.status_code < 400 else answer.json()["code"]
        self.tell(f"POST {path} {json.dumps(body)[:600]} -> {answer.status_code} {said}")
        assert answer.status_code < 300 or answer.status_code in REFUSED, answer.text
        return answer.json() if answer.status_code < 300 else None

    def tell(self, what: str) -> None:
        """Goes on with the tale."""
        self.tale.append(f"{self.now:%m-%d %H:%M} {what}")

    async def waits(self, time: timedelta) -> None:
        """The tenant's clock goes on; what falls due is done."""
        self.now += time
        self.tell(f"until {self.now.isoformat()}")
        await self.story.until(self.now.isoformat())

    def somebody(self) -> Customer:
        """Any customer."""
        return self.chance.choice(self.customers)

    def subscribed(self) -> tuple[Customer, str]:
        """A customer and one of its subscriptions."""
        customer = self.somebody()
        return customer, self.chance.choice(customer.subscriptions)

    # The provider

    def there(self, what: str, **params: Any) -> list[dict[str, Any]]:
        """The provider's objects that carry this tenant's mark, newest first."""
        found: list[dict[str, Any]] = []
        params = {"limit": 100, **params}
        while True:
            answer = httpx.get(f"{self.story.house.stripe.url}/v1/{what}", params=params,
                               headers={"Authorization": "Bearer sk_test_tests"}, trust_env=False)  # fmt: skip
            answer.raise_for_status()
            page = answer.json()
            found += page["data"]
            if not page["has_more"]:
                break
            params["starting_after"] = page["data"][-1]["id"]
        if what == "events":
            return found
        return [one for one in found if one["metadata"].get("cloudbill_tenant_id") == str(self._tenant_id)]

    async def the_provider_tells(self) -> None:
        """Every event since the last time, sometimes twice, sometimes in the wrong order."""
        events = list(reversed(self.there("events")))
        fresh, self._heard = events[self._heard :], len(events)
        if self.chance.random() < 0.5:
            self.chance.shuffle(fresh)
        if self.chance.random() < 0.5:
            fresh += fresh[-5:]
        for event in fresh:
            body = json.dumps(event).encode()
            header = sign(body, secret=STRIPE_WEBHOOK_SECRET, at=datetime.now(UTC))
            headers = {"Stripe-Signature": header, "Content-Type": "application/json"}
            answer = await self.story.house.client.post("/webhooks/stripe", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
        await self.story.work()
        await self.waits(timedelta(seconds=1))
        await self.story.work()
