"""A provider's event about a card being saved, or about a saved one."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.payments.gateway import payment_provider
from core.billing.payments.methods import asking, repository, service
from core.billing.payments.methods.errors import SetupNotFound
from core.billing.payments.providers.base import ProviderEvent, ProviderEventKind
from core.billing.payments.providers.saving import ProviderCard, ProviderSetup
from core.foundation.database import Database
from core.foundation.settings import Settings

Kind = ProviderEventKind
SETUPS = (Kind.SETUP_SUCCEEDED, Kind.SETUP_FAILED)
CARDS = (Kind.CARD_DETACHED, Kind.CARD_UPDATED)


@dataclass(frozen=True, slots=True)
class CardPlace:
    """Whose event it is; a setup's with what the provider said of it."""

    tenant_id: UUID
    setup_id: UUID | None = None
    told: ProviderSetup | None = None
    card: ProviderCard | None = None


async def locate(database: Database, settings: Settings, event: ProviderEvent, *, account_id: str) -> CardPlace | None:
    """The tenant that an event is about, or None where it is not ours. Asks the provider for a card that was saved."""
    if event.kind in SETUPS:
        if event.setup is None or event.setup_id is None:
            return None
        told, card = await asking.hear(payment_provider(settings), event.setup_id)
        return CardPlace(event.setup.tenant_id, event.setup.setup_id, told, card)
    async with database.reading() as session:
        tenant_id = await repository.find_tenant_of_method(
            session, account_id=account_id, provider_id=event.method_id or ""
        )
    return CardPlace(tenant_id) if tenant_id else None


async def apply(
    session: AsyncSession, event: ProviderEvent, place: CardPlace, *, account_id: str, now: datetime, wall: datetime
) -> str | None:
    """Applies it; returns why there was nothing to apply, else None."""
    if place.setup_id is not None and place.told is not None:
        try:
            setup = await repository.get_setup(session, place.tenant_id, place.setup_id, locked=True)
        except SetupNotFound:
            return "not about a setup of ours"
        if setup.provider_account_id != account_id:
            return "the card was saved at another account"
        await service.conclude(session, setup, place.told, place.card, now=now, wall=wall)
        return None
    assert event.card is not None, "only events about cards come here"
    if event.kind is Kind.CARD_DETACHED:
        return await service.report_detached(
            session, tenant_id=place.tenant_id, account_id=account_id, provider_id=event.card.method_id, now=now
        )
    return await service.report_card(session, tenant_id=place.tenant_id, account_id=account_id, card=event.card)
