"""The terms of a tenant that a request is decided by, asked before its transaction and remembered for a while."""

from uuid import UUID

from core.billing.credits import repository
from core.billing.credits.standing import PricedTerms
from core.billing.pricing import repository as pricing
from core.foundation.database import Database
from core.foundation.remembered import Asked, Remembered

PRICE_BOOK_SECONDS = 30


class Resolver:
    """One a process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._terms: Remembered[UUID, PricedTerms] = Remembered(size=20_000, seconds=PRICE_BOOK_SECONDS)
        self._asked: Asked[UUID, PricedTerms] = Asked()

    async def terms_of(self, tenant_id: UUID) -> PricedTerms:
        """The tenant's terms; price books may be `PRICE_BOOK_SECONDS` old. Those who ask at once share an answer."""
        return self._terms.find(tenant_id) or await self._asked.ask(tenant_id, lambda: self._ask(tenant_id))

    async def _ask(self, tenant_id: UUID) -> PricedTerms:
        async with self._database.tenant(tenant_id) as session:
            kept = await repository.get_terms(session, tenant_id)
            cards = await pricing.list_rate_cards(session, tenant_id, currency=kept.currency)
        terms = PricedTerms(self_id=kept.self_id, currency=kept.currency, cards=cards)
        self._terms.remember(tenant_id, terms)
        return terms
