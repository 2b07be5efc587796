"""Work that falls due at an instant of a tenant's clock: rooms register it here, clocks and the worker run it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.database import Database
from core.foundation.settings import Settings


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


class Outside(Protocol):
    """Work that a step has begun and that is done at a provider, with no transaction open: charges.

    For tenants on the wall clock jobs do it. A test tenant's clock waits for it after each step, so that what follows
    from the answer is known before the clock moves on.
    """

    @property
    def name(self) -> str:
        """What was done, as counted in answers: "chargesMade"."""
        ...

    async def run(self, database: Database, settings: Settings, *, tenant_id: UUID) -> int:
        """Does all that a tenant has begun, waiting for others who are at it, and says how much.

        Raises where the provider does not answer: the clock then stands still, and the same move goes on later.
        """
        ...


_registered: dict[str, DueWork] = {}
_outside: dict[str, Outside] = {}


def register(work: DueWork) -> None:
    """Adds a kind of work; a second registration under the same name replaces the first."""
    _registered[work.name] = work


def register_outside(work: Outside) -> None:
    """Adds a kind of work that is done between the steps of a clock."""
    _outside[work.name] = work


def registered_outside() -> tuple[Outside, ...]:
    """All kinds of it, in the order of their registration."""
    return tuple(_outside.values())


def registered() -> tuple[DueWork, ...]:
    """All kinds of work, in the order of their registration."""
    return tuple(_registered.values())
