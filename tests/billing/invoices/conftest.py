"""A test tenant that bills, in few words; its clock stands at 2026-01-31 10:00 UTC."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from core.foundation.runtime import Runtime
from tests.support.callers import Caller
from tests.support.furnished import made

Connection = psycopg.AsyncConnection[Any]

NOW = "2026-01-31T10:00:00Z"
GERMAN = {
    "legalName": "Acme GmbH",
    "address": {"line1": "Hauptstr. 1", "city": "Berlin", "postalCode": "10115", "country": "DE"},
    "taxIds": {"DE": "DE136695976"},
    "email": "books@acme.test",
    "graceHours": 1,
    "netDays": 14,
}


@dataclass
class Shop:
    """A tenant with a clock, asked over the API."""

    caller: Caller
    runtime: Runtime
    tenant_id: UUID

    async def settings(self, **changes: Any) -> None:
        """How its invoices are made."""
        await made(self.caller.put("/billing/settings/invoices", {**GERMAN, **changes}))

    async def rules(self, **changes: Any) -> None:
        """How its run makes them."""
        await made(self.caller.put("/billing/settings/invoicing", changes))

    async def customer(self, name: str = "Ada", **profile: Any) -> str:
        """A customer in Germany; its id."""
        address = {"line1": "Weg 1", "city": "Köln", "postalCode": "50667", "country": "DE"}
        body = {"externalId": name.lower(), "name": name, "address": address, "currency": "EUR", **profile}
        return (await made(self.caller.post("/billing/customers", body)))["customerId"]

    async def plan(self, *components: dict[str, Any], code: str = "plan", **terms: Any) -> str:
        """A plan in euros; its code."""
        floors = {name: terms.pop(name) for name in ("minimum", "commitment") if name in terms}
        price = {"currency": "EUR", "components": list(components), **floors}
        await made(self.caller.post("/billing/plans", {"code": code, "name": code, "prices": [price], **terms}))
        return code

    async def subscribe(self, customer: str, plan: str = "plan", **fields: Any) -> str:
        """A subscription that does not wait for a payment; its id."""
        body = {"planId": plan, "customerId": customer, "collection": "send_invoice", **fields}
        return (await made(self.caller.post("/billing/subscriptions", body)))["subscriptionId"]

    async def items(self, customer: str, *amounts: int, **fields: Any) -> list[str]:
        """One-off lines for the run; their ids."""
        lines = [{"description": f"Item {place}", "amountMinor": minor} for place, minor in enumerate(amounts, 1)]
        answer = await made(
            self.caller.post("/billing/invoices/items", {"customerId": customer, "lines": lines, **fields})
        )
        return [item["itemId"] for item in answer["data"]]

    async def move(self, to: str) -> dict[str, int]:
        """Moves the clock; what was done on the way."""
        return (await made(self.caller.post("/billing/test-clock", {"now": to})))["drained"]

    async def invoices(self, **params: Any) -> list[dict[str, Any]]:
        """Invoices, oldest first."""
        return (await made(self.caller.get("/billing/invoices", limit=200, **params)))["data"][::-1]

    async def lines(self, invoice: dict[str, Any]) -> list[dict[str, Any]]:
        """Its lines."""
        return (await made(self.caller.get(f"/billing/invoices/{invoice['invoiceId']}/lines", limit=200)))["data"]

    async def told(self, kind: str) -> list[dict[str, Any]]:
        """What others were told of a kind."""
        async with self.runtime.database.reading() as session:
            rows = await session.execute(
                text("SELECT document FROM outbox_events WHERE tenant_id = :t AND kind = :k ORDER BY id"),
                {"t": self.tenant_id, "k": kind},
            )
            return [row.document for row in rows]


def flat(amount: str, code: str = "base", **fields: Any) -> dict[str, Any]:
    """A component of a flat price."""
    return {"code": code, "name": code.capitalize(), "price": {"model": "flat", "amount": amount}, **fields}


def metered(unit_price: str, code: str = "calls") -> dict[str, Any]:
    """A component that a meter counts."""
    price = {"model": "per_unit", "unitPrice": unit_price}
    return {"code": code, "name": code.capitalize(), "kind": "usage", "meter": code, "price": price}


@pytest.fixture
def open_shop(sign_up: Callable[..., Awaitable[Caller]], runtime: Runtime) -> Callable[..., Awaitable[Shop]]:
    """Makes tenants that bill."""

    async def open_at(slug: str = "shop", now: str = NOW, **settings: Any) -> Shop:
        caller = await sign_up(slug, testClock=now)
        async with runtime.database.reading() as session:
            tenant_id = await session.scalar(text("SELECT id FROM tenants WHERE slug = :slug"), {"slug": slug})
        shop = Shop(caller, runtime, tenant_id)
        await shop.settings(**settings)
        return shop

    return open_at


@pytest.fixture
async def shop(open_shop: Callable[..., Awaitable[Shop]]) -> Shop:
    """A German tenant with an hour of grace."""
    return await open_shop()
