"""What a call needs to know of its tenant before its transaction, remembered for a while.

The currency and the customer that is the tenant never change; price books may be some seconds old.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.billing.credits import repository
from core.billing.credits.charging import Usage
from core.billing.credits.repository import TenantTerms
from core.billing.pricing import repository as pricing
from core.billing.pricing.rating import RateCard
from core.foundation.crypto import input_hash
from core.foundation.database import Database
from core.foundation.remembered import Remembered

PRICE_BOOK_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Call:
    """A call as its caller reports it. `user_id` is the tenant's own name for a customer, `customer_id` ours."""

    tenant_id: UUID
    model: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    key: str
    user_id: str | None = None
    customer_id: UUID | None = None
    hold_id: UUID | None = None
    occurred_at: datetime | None = None
    is_partial: bool = False

    def hash(self) -> bytes:
        """SHA-256 of everything but the key."""
        return input_hash(
            [
                self.user_id,
                self.customer_id,
                self.model,
                self.input_tokens,
                self.cached_tokens,
                self.output_tokens,
                self.hold_id,
                self.occurred_at.timestamp() if self.occurred_at else None,
                self.is_partial,
            ]
        )


class Resolver:
    """Turns calls into usages."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._terms: Remembered[UUID, TenantTerms] = Remembered(size=20_000, seconds=None)
        self._cards: Remembered[UUID, Sequence[RateCard]] = Remembered(size=20_000, seconds=PRICE_BOOK_SECONDS)

    async def resolve(self, call: Call) -> Usage:
        """The usage of a call, with its tenant's terms and price books."""
        terms, cards = self._terms.find(call.tenant_id), self._cards.find(call.tenant_id)
        if terms is None or cards is None:
            terms, cards = await self._ask(call.tenant_id)
        return Usage(
            tenant_id=call.tenant_id,
            self_id=terms.self_id,
            currency=terms.currency,
            cards=cards,
            model=call.model,
            input_tokens=call.input_tokens,
            cached_tokens=call.cached_tokens,
            output_tokens=call.output_tokens,
            key=call.key,
            input_hash=call.hash(),
            user_id=call.user_id,
            customer_id=call.customer_id,
            hold_id=call.hold_id,
            occurred_at=call.occurred_at,
            is_partial=call.is_partial,
        )

    async def _ask(self, tenant_id: UUID) -> tuple[TenantTerms, Sequence[RateCard]]:
        async with self._database.tenant(tenant_id) as session:
            terms = await repository.get_terms(session, tenant_id)
            cards = await pricing.list_rate_cards(session, tenant_id, currency=terms.currency)
        self._terms.remember(tenant_id, terms)
        self._cards.remember(tenant_id, cards)
        return terms, cards
