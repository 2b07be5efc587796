"""Work that falls due at an instant of a tenant's clock: rooms register it here, clocks and the worker run it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession


class DueWork(Protocol):
    """One kind of work of a tenant's, such as the expiry of holds."""

    @property
    def name(self) -> str:
        """What was done, as counted in answers: "holdsExpired"."""
        ...

    async def next_due(self, session: AsyncSession, tenant_id: UUID) -> datetime | None:
        """The earliest instant at which something is due, past ones included; None when nothing is waiting."""
        ...

    async def tenants_due(self, session: AsyncSession, *, now: datetime) -> Sequence[UUID]:
        """The tenants with something due: by their own clock, or by `now` (the wall clock) where they have none.

        Reads across tenants, as the operator.
        """
        ...

    async def run(self, session: AsyncSession, *, tenant_id: UUID, now: datetime) -> int:
        """Does what is due at or before `now`, all of it or a bounded part, and says how many.

        Must be safe beside another run for the same tenant. A run that finds something due must make progress.
        """
        ...


_registered: dict[str, DueWork] = {}


def register(work: DueWork) -> None:
    """Adds a kind of work; a second registration under the same name replaces the first."""
    _registered[work.name] = work


def registered() -> tuple[DueWork, ...]:
    """All kinds of work, in the order of their registration."""
    return tuple(_registered.values())
