"""Which tenant a name means. What is remembered never changes: the database refuses to change it."""

from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from core.foundation.database import Database
from core.identity.tenants import repository

_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantName:
    """What a tenant keeps for ever."""

    id: UUID
    slug: str
    currency: str
    is_test: bool


class Directory:
    """Tenants by slug, remembered for the life of the process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[str, TenantName] = OrderedDict()

    async def find(self, slug: str) -> TenantName | None:
        """The tenant by that slug; unknown ones are asked for anew each time."""
        known = self._known.get(slug)
        if known is not None:
            return known
        async with self._database.nobody() as session:
            row = await repository.find_tenant_by_slug(session, slug)
        if row is None:
            return None
        self._known[slug] = found = TenantName(id=row.id, slug=row.slug, currency=row.currency, is_test=row.is_test)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found
