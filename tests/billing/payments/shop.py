"""A tenant that buys: through the API, from a simulator of Stripe, with its events delivered when the test says so."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import stripe
from sqlalchemy import text

from core.billing.credits import service as credits
from core.billing.payments.providers.simulator.main import Simulator
from core.billing.payments.providers.stripe_signature import sign
from core.foundation.runtime import Runtime
from core.worker.app import run_until_idle
from tests.billing.payments.conftest import make_client
from tests.support.callers import Caller
from tests.support.environment import STRIPE_WEBHOOK_SECRET

VISA = "pm_card_visa"
DECLINED = "pm_card_chargeDeclined"


@dataclass(frozen=True)
class Shop:
    """What tests of purchases do."""

    tenant: Caller
    stripe: Simulator
    runtime: Runtime

    @property
    def client(self) -> stripe.StripeClient:
        """Stripe's own client, as the payer's page or the dashboard would use it."""
        return make_client(self.stripe, "sk_test_tests")

    async def stored(self, statement: str) -> list[tuple[Any, ...]]:
        """What a query of the operator's finds."""
        async with self.runtime.database.reading() as session:
            return [tuple(row) for row in await session.execute(text(statement))]

    async def buy(self, package: str = "starter", *, key: str | None = None, **fields: Any) -> dict[str, Any]:
        """A purchase that is not paid yet."""
        answer = await self.tenant.post("/api/purchases", {"packageCode": package, **fields}, key=key)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def pay(self, bought: dict[str, Any], card: str = VISA) -> None:
        """Confirms the intent, as the payer's browser does."""
        self.client.v1.payment_intents.confirm(bought["paymentIntentId"], {"payment_method": card})

    def pay_on_page(self, bought: dict[str, Any], card: str = VISA) -> str:
        """Pays on the hosted page; the page's id."""
        session_id = self.checkout_id(bought)
        self.stripe.control(f"checkout/{session_id}", card=card)
        return session_id

    def checkout_id(self, bought: dict[str, Any]) -> str:
        """The hosted page's id at the provider."""
        for session in self.client.v1.checkout.sessions.list().auto_paging_iter():
            if session.client_reference_id == bought["purchaseId"]:
                return session.id
        raise AssertionError("no page was made")

    def events(self, *types: str) -> list[dict[str, Any]]:
        """What the simulator has to tell, oldest first; only of these types, if any are given."""
        answer = httpx.get(
            f"{self.stripe.url}/v1/events",
            params={"limit": 100},
            headers={"Authorization": "Bearer sk_test_tests"},
            trust_env=False,
        )
        answer.raise_for_status()
        found = list(reversed(answer.json()["data"]))
        return [event for event in found if not types or event["type"] in types]

    async def post(self, body: bytes, *, secret: str = STRIPE_WEBHOOK_SECRET, at: datetime | None = None) -> Any:
        """A webhook as Stripe sends it."""
        header = sign(body, secret=secret, at=at or datetime.now(UTC))
        return await self.tenant.client.post(
            "/webhooks/stripe", content=body, headers={"Stripe-Signature": header, "Content-Type": "application/json"}
        )

    async def tell(self, events: Iterable[dict[str, Any]]) -> None:
        """Delivers events and lets the worker do all that follows, one after the other."""
        for event in events:
            answer = await self.post(json.dumps(event).encode())
            assert (answer.status_code, answer.json()) == (200, {"received": True}), answer.text
            await self.work()

    async def work(self, *, concurrency: int = 1) -> None:
        """Runs every job that is due."""
        await run_until_idle(self.runtime, concurrency=concurrency)

    async def save_card(self, card: str = VISA, **wanted: Any) -> dict[str, Any]:
        """A card saved on the provider's page, and heard of; as the API shows it."""
        started = await self.tenant.post("/billing/payment-methods/setups", wanted or None)
        assert started.status_code == 201, started.text
        page_id = started.json()["pageUrl"].rpartition("/")[2]
        self.stripe.control(f"checkout/{page_id}", card=card)
        synced = await self.tenant.post(f"/billing/payment-methods/setups/{started.json()['setupId']}/sync")
        assert synced.json()["status"] == "succeeded", synced.text
        methods = (await self.tenant.get("/billing/payment-methods")).json()["data"]
        return next(method for method in methods if method["paymentMethodId"] == synced.json()["paymentMethodId"])

    def turn_card(self, last4: str, **behaviour: str) -> None:
        """From now on a saved card does something else: `card` a test card's name, or `decline_code`."""
        methods = self.client.v1.payment_methods.list({"limit": 100}).data
        for method in methods:
            if method.customer is not None and method.card is not None and method.card.last4 == last4:
                self.stripe.control(f"cards/{method.id}", **behaviour)

    async def look(self, bought: dict[str, Any]) -> dict[str, Any]:
        """The purchase as the API shows it."""
        answer = await self.tenant.get(f"/api/purchases/{bought['purchaseId']}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def wallet(self) -> tuple[str, str, str]:
        """Balance, available and receivable."""
        body = (await self.tenant.get("/billing/wallets/self")).json()
        return body["balance"], body["available"], body["receivable"]

    async def ledger(self) -> list[tuple[str, str, str]]:
        """Kind, amount and balance after, oldest first."""
        body = (await self.tenant.get("/api/ledger")).json()
        return [(row["kind"], row["amount"], row["balanceAfter"]) for row in reversed(body["data"])]

    async def spend(self, amount_micro: int) -> None:
        """Uses up credits; as usage does, but in one round sum."""
        async with self.runtime.database.reading() as session:
            statement = text(
                "SELECT c.tenant_id, c.id FROM customers c JOIN tenants t ON t.id = c.tenant_id "
                "WHERE t.slug = :slug AND c.is_self"
            )
            tenant_id, customer_id = (await session.execute(statement, {"slug": self.tenant.tenant})).one()
        async with self.runtime.database.tenant(tenant_id) as session:
            await credits.take_back(
                session,
                tenant_id=tenant_id,
                customer_id=customer_id,
                currency="USD",
                amount_micro=amount_micro,
                kind="adjustment",
                reference=f"spent-{datetime.now(UTC).isoformat()}",
                occurred_at=datetime.now(UTC),
            )
