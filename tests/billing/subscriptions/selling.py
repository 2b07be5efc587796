"""A test tenant that sells plans, in few words: its clock, its subscriptions, and what their bills come to."""

import itertools
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from core.billing.subscriptions.computing import Computed, compute
from core.billing.subscriptions.models import InvoiceItem
from core.foundation.runtime import Runtime
from tests.support.callers import Caller
from tests.support.furnished import made

_numbers = itertools.count(1)


def flat(amount: str, code: str = "base", **fields: Any) -> dict[str, Any]:
    """A component of a flat price."""
    return {"code": code, "name": code.capitalize(), "price": {"model": "flat", "amount": amount}, **fields}


def per_unit(price: str, code: str = "seats", **fields: Any) -> dict[str, Any]:
    """A component by the unit."""
    return {"code": code, "name": code.capitalize(), "price": {"model": "per_unit", "unitPrice": price}, **fields}


def metered(price: str, meter: str = "calls", **fields: Any) -> dict[str, Any]:
    """A component that a meter counts."""
    return per_unit(price, meter, kind="usage", meter=meter, **fields)


@dataclass
class Seller:
    """A test tenant and what of the process it is asked through."""

    caller: Caller
    runtime: Runtime
    tenant_id: UUID
    meters: set[str] = field(default_factory=set)

    async def plan(self, *components: dict[str, Any], code: str = "plan", currency: str = "USD", **terms: Any) -> str:
        """A plan of one currency; its code."""
        floors = {name: terms.pop(name) for name in ("minimum", "commitment") if name in terms}
        price = {"currency": currency, "components": list(components), **floors}
        await made(self.caller.post("/billing/plans", {"code": code, "name": code, "prices": [price], **terms}))
        return code

    async def version(
        self, *components: dict[str, Any], code: str = "plan", currency: str = "USD", **terms: Any
    ) -> None:
        """Other terms of a plan."""
        price = {"currency": currency, "components": list(components)}
        await made(self.caller.post(f"/billing/plans/{code}/versions", {"prices": [price], **terms}))

    async def meter(self, code: str = "calls", **fields: Any) -> None:
        """A meter of events of its name."""
        body = {"code": code, "name": code, "aggregation": "count", "eventName": code, **fields}
        await made(self.caller.post("/billing/meters", body))

    async def use(self, customer: str, at: str, *, times: int = 1, name: str = "calls", **fields: Any) -> None:
        """Events of a customer at an instant."""
        for begin in range(0, times, 1000):
            events = [
                {
                    "idempotencyKey": f"e-{next(_numbers)}",
                    "eventName": name,
                    "customerId": customer,
                    "occurredAt": at,
                    **fields,
                }
                for _ in range(min(1000, times - begin))
            ]
            answer = await made(self.caller.post("/billing/usage/events", {"events": events}))
            assert {row["status"] for row in answer["data"]} == {"accepted"}, answer

    async def customer(self, **profile: Any) -> str:
        """Another customer; its id."""
        body = {"externalId": f"customer-{next(_numbers)}", **profile}
        return (await made(self.caller.post("/billing/customers", body)))["customerId"]

    async def subscribe(self, plan: str = "plan", **body: Any) -> dict[str, Any]:
        """A subscription that does not wait for a payment, of a customer of its own."""
        body.setdefault("collection", "send_invoice")
        if "customerId" not in body:
            body["customerId"] = await self.customer()
        return await made(self.caller.post("/billing/subscriptions", {"planId": plan, **body}))

    async def act(self, subscription: dict[str, Any], action: str, **body: Any) -> dict[str, Any]:
        """POST …/action; the subscription after it."""
        return await made(self.caller.post(f"/billing/subscriptions/{subscription['subscriptionId']}/{action}", body))

    async def get(self, subscription: dict[str, Any]) -> dict[str, Any]:
        """The subscription as it is now."""
        return await made(self.caller.get(f"/billing/subscriptions/{subscription['subscriptionId']}"))

    async def until(self, now: str) -> None:
        """Moves the clock."""
        await made(self.caller.post("/billing/test-clock", {"now": now}))

    async def items(self, subscription: dict[str, Any]) -> list[InvoiceItem]:
        """What was and is to be billed, in the order of writing."""
        async with self.runtime.database.tenant(self.tenant_id, writes=False) as session:
            wanted = select(InvoiceItem).where(
                InvoiceItem.tenant_id == self.tenant_id,
                InvoiceItem.subscription_id == UUID(subscription["subscriptionId"]),
            )
            return list(await session.scalars(wanted.order_by(InvoiceItem.id)))

    async def bills(self, subscription: dict[str, Any]) -> list[tuple[str, list[tuple[str, str, int]], int]]:
        """Each bill: when, its lines (kind, code, amount), and what it comes to after coupons."""
        items = await self.items(subscription)
        found: list[tuple[str, list[tuple[str, str, int]], int]] = []
        for at in sorted({item.bill_at for item in items}):
            computed = await self.computed([item for item in items if item.bill_at == at])
            lines = [(line.item.kind, line.item.code, line.amount_minor) for line in computed.lines]
            found.append((_shown(at), lines, computed.total_minor))
        return found

    async def computed(self, items: list[InvoiceItem]) -> Computed:
        """What items come to, from the raw events known by now."""
        async with self.runtime.database.tenant(self.tenant_id, writes=False) as session:
            as_of = await session.scalar(text("SELECT clock_timestamp()"))
            return await compute(session, items, as_of=as_of)


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
