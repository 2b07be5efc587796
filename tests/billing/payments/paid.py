"""A test tenant whose customers are charged for their subscriptions; its clock begins at 2026-01-31 10:00 UTC."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from core.billing.payments.charges import performing
from core.billing.payments.providers.errors import ProviderUnavailable
from tests.billing.payments.shop import VISA, Shop
from tests.support.furnished import made

NOW = "2026-01-31T10:00:00Z"
ADDRESS = {"line1": "Main St 1", "city": "Boston", "postalCode": "02101", "country": "US"}
SELLER = {"legalName": "Acme Inc", "address": ADDRESS, "email": "books@acme.test", "graceHours": 0, "netDays": 14}


@dataclass(frozen=True)
class Paid(Shop):
    """What tests of paid invoices do; a plan of 20.00 USD a month, without tax."""

    tenant_id: UUID

    async def open(self) -> None:
        """The seller and the plan."""
        await made(self.tenant.put("/billing/settings/invoices", SELLER))
        price = {"code": "base", "name": "Base", "price": {"model": "flat", "amount": "20"}}
        plan = {"code": "plan", "name": "Plan", "prices": [{"currency": "USD", "components": [price]}]}
        await made(self.tenant.post("/billing/plans", plan))

    async def customer(self, name: str = "ada", card: str | None = VISA) -> str:
        """A customer, with a saved card unless told otherwise; its id."""
        body = {"externalId": name, "name": name, "email": f"{name}@customer.test", "address": ADDRESS}
        body |= {"currency": "USD", "taxTreatment": "exempt", "taxExemptReason": "a test"}
        customer_id = (await made(self.tenant.post("/billing/customers", body)))["customerId"]
        if card is not None:
            await self.save_card(card, customerId=customer_id)
        return customer_id

    async def subscribe(self, customer: str, **fields: Any) -> str:
        """A subscription that is paid by the saved card; its id."""
        body = {"planId": "plan", "customerId": customer, **fields}
        return (await made(self.tenant.post("/billing/subscriptions", body)))["subscriptionId"]

    async def status(self, subscription: str) -> str:
        """Of a subscription."""
        return (await made(self.tenant.get(f"/billing/subscriptions/{subscription}")))["status"]

    async def bill(self, customer: str, amount_minor: int = 2_000) -> dict[str, Any]:
        """A final invoice written by hand."""
        lines = [{"description": "Work", "amountMinor": amount_minor}]
        body = {"customerId": customer, "lines": lines, "finalize": True, "collection": "automatic"}
        return await made(self.tenant.post("/billing/invoices", body))

    async def move(self, to: str) -> dict[str, int]:
        """Moves the clock; what was done on the way."""
        return (await made(self.tenant.post("/billing/test-clock", {"now": to})))["drained"]

    async def invoices(self) -> list[dict[str, Any]]:
        """Oldest first."""
        return (await made(self.tenant.get("/billing/invoices", limit=200)))["data"][::-1]

    async def invoice(self) -> dict[str, Any]:
        """The newest."""
        return (await self.invoices())[-1]

    async def payments(self, invoice: dict[str, Any]) -> list[dict[str, Any]]:
        """Of an invoice, oldest first."""
        return (await made(self.tenant.get(f"/billing/invoices/{invoice['invoiceId']}/payments")))["data"]

    async def collection(self) -> dict[str, Any]:
        """The newest."""
        return (await made(self.tenant.get("/billing/collections")))["data"][0]

    async def told(self, *kinds: str) -> list[tuple[str, Any]]:
        """Facts of these kinds (or all), in the order of telling: (kind, document)."""
        async with self.runtime.database.reading() as session:
            rows = await session.execute(
                text("SELECT kind, document FROM outbox_events WHERE tenant_id = :t ORDER BY recorded_at, id"),
                {"t": self.tenant_id},
            )
            return [(row.kind, row.document) for row in rows if not kinds or row.kind in kinds]

    async def deliver(self, *types: str) -> None:
        """What the provider has to tell of these types is delivered, all of it again."""
        await self.tell(self.events(*types))

    def intents(self) -> list[tuple[str, int]]:
        """Payments at the provider, oldest first: status and amount."""
        found = self.client.v1.payment_intents.list({"limit": 100}).data
        return [(intent.status, intent.amount) for intent in reversed(found)]


@contextmanager
def answers_lost(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The provider does what it is asked to, and none of its answers to charges arrives."""
    charge = performing._charge  # pyright: ignore[reportPrivateUsage]  (where the answer comes in)

    async def lose(*given: Any, **named: Any) -> None:
        await charge(*given, **named)
        raise ProviderUnavailable("the answer was lost on its way")

    with monkeypatch.context() as patched:
        patched.setattr(performing, "_charge", lose)
        yield
