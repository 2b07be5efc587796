"""What a demo tenant bills its own customers: a plan with usage, every month an invoice, most of them paid.

Lived beside the tenant's days by the same clock and the same API, so that its invoices are those of the real run.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from core.operations.demo.caller import Caller
from core.operations.demo.profiles import Profile

METER = "requests"
_FIRST_UNITS, _EVERY_DAYS = 100_000, 6
_PAYS_EVERY_DAYS = 9
"""Transfers are booked together. The last customer never pays: its invoices are overdue, and reminded of."""
_UPGRADED_ON_DAY = 40


@dataclass
class DemoShop:
    """The tenant as a seller. Every request has a key of its own, so a run that was broken off goes on."""

    profile: Profile
    api: Caller

    async def open(self) -> dict[str, str]:
        """Settings, meter, plans, customers with their subscriptions; each customer's subscription."""
        api, profile = self.api, self.profile
        address = {"line1": "1 Market St", "city": "Portland", "region": "OR", "postalCode": "97201", "country": "US"}
        seller = {"legalName": f"{profile.name}, Inc.", "address": address, "netDays": 14, "graceHours": 1}
        await api.send("PUT", "/billing/settings/invoices", json=seller)
        meter = {"code": METER, "name": "Requests", "aggregation": "sum", "eventName": METER}
        await api.post("/billing/meters", meter, allowed=(409,))
        for code, amount in (("studio", "49"), ("business", "190")):
            prices = [{"currency": "USD", "components": _components(amount)}]
            plan = {"code": code, "name": code.capitalize(), "prices": prices}
            await api.post("/billing/plans", plan, key=f"demo-plan-{code}", allowed=(409,))
        found: dict[str, str] = {}
        for place, name in enumerate(profile.bills):
            slug = name.lower().replace(" ", "-")
            customer = {"externalId": slug, "name": name, "email": f"billing@{slug}.example", "currency": "USD"}
            _, made = await api.post("/billing/customers", {**customer, "address": address}, key=f"demo-{slug}")
            wanted: dict[str, Any] = {"planId": "business" if place == 0 else "studio", "collection": "send_invoice"}
            wanted |= {"customerId": made["customerId"], "quantities": {"seats": str(3 + 2 * place)}}
            _, subscribed = await api.post("/billing/subscriptions", wanted, key=f"demo-subscription-{slug}")
            found[made["customerId"]] = subscribed["subscriptionId"]
        return found

    async def live(self, day: int, midnight: datetime, subscriptions: dict[str, str]) -> None:
        """What happens on a day; the clock stands at its beginning or a little later."""
        if day % _EVERY_DAYS == 1:
            await self._use(day, midnight, list(subscriptions))
        if day % _PAYS_EVERY_DAYS == 0:
            await self._pay(list(subscriptions)[:-1])
        if day == _UPGRADED_ON_DAY and len(subscriptions) > 1:
            upgraded = list(subscriptions.values())[1]
            await self.api.post(
                f"/billing/subscriptions/{upgraded}/change", {"planId": "business"}, key="demo-upgrade", allowed=(409,)
            )

    async def _pay(self, customers: list[str]) -> None:
        page = await self.api.get("/billing/invoices", status="open", limit=100)
        for invoice in page["data"]:
            if invoice["customerId"] in customers and invoice["openMinor"] > 0:
                transfer = {"amountMinor": invoice["openMinor"], "reference": f"Transfer {invoice['number']}"}
                await self.api.post(f"/billing/invoices/{invoice['invoiceId']}/payments", transfer)

    async def _use(self, day: int, midnight: datetime, customers: list[str]) -> None:
        random = Random(f"{self.profile.slug} sells {day}")  # noqa: S311 - a demo, not a secret
        events = [
            {
                "idempotencyKey": f"requests-{day}-{place}-{number}",
                "eventName": METER,
                "customerId": customer,
                "quantity": random.randint(5_000, 60_000),
                "occurredAt": (midnight - timedelta(days=number)).isoformat(),
            }
            for place, customer in enumerate(customers)
            for number in range(1 if day == 1 else _EVERY_DAYS)
        ]
        await self.api.post("/billing/usage/events", {"events": events})


def _components(amount: str) -> list[dict[str, Any]]:
    tiers = [
        {"firstUnit": 1, "lastUnit": _FIRST_UNITS, "unitPrice": "0.0002"},
        {"firstUnit": _FIRST_UNITS + 1, "lastUnit": None, "unitPrice": "0.00015"},
    ]
    return [
        {"code": "base", "name": "Base", "price": {"model": "flat", "amount": amount}},
        {"code": "seats", "name": "Seats", "price": {"model": "per_unit", "unitPrice": "12", "included": "2"}},
        {
            "code": METER,
            "name": "Requests",
            "kind": "usage",
            "meter": METER,
            "price": {"model": "graduated", "tiers": tiers},
        },
    ]
