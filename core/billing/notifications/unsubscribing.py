"""Links by which a customer opts out without signing in: sealed by us, so that nobody makes one for another."""

from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.notifications.errors import UnsubscribeInvalid
from core.billing.notifications.kinds import CATEGORIES
from core.billing.notifications.models import NotificationOptOut
from core.foundation.crypto import Sealer
from core.foundation.settings import Settings

_YEARS = 2 * 366 * 86_400


def link(settings: Settings, tenant_id: UUID, customer_id: UUID, category: str) -> str:
    """The address in a mail's List-Unsubscribe."""
    sealed = Sealer(settings).seal(orjson.dumps({"unsubscribe": [str(tenant_id), str(customer_id), category]}))
    return f"{settings.public_api_url}/notification/unsubscribe?token={sealed.decode()}"


def read(settings: Settings, token: str) -> tuple[UUID, UUID, str]:
    """Tenant, customer and category of a link. Raises UnsubscribeInvalid."""
    content = Sealer(settings).open_fresh(token.encode("utf-8", "replace"), within_seconds=_YEARS)
    try:
        tenant_id, customer_id, category = orjson.loads(content or b"null")["unsubscribe"]
        found = UUID(tenant_id), UUID(customer_id), str(category)
    except (ValueError, KeyError, TypeError):
        raise UnsubscribeInvalid from None
    if found[2] not in CATEGORIES:
        raise UnsubscribeInvalid
    return found


async def opt_out(
    session: AsyncSession, *, tenant_id: UUID, customer_id: UUID, channel: str, category: str, wall: datetime
) -> None:
    """From now on none of it; twice is fine."""
    await session.execute(
        insert(NotificationOptOut)
        .values(tenant_id=tenant_id, customer_id=customer_id, channel=channel, category=category, created_at=wall)
        .on_conflict_do_nothing()
    )
