"""After a restore: what people may have been told in the time that the copy lost is marked, and not told again.

No provider says afterwards what it sent for us. So a message that waited at the copy's instant is uncertain, and so
is what is told right after the release about things that were there before: receipts of payments that are caught up
with, renewals that fall due once more. A person looks at them and sends what is missing. Webhooks go out: their
`webhook-id` is the fact's, and who had it knows it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.notifications.models import NotificationMessage
from core.foundation.database import Database
from core.foundation.ids import earliest_id
from core.foundation.outbox import OutboxEvent

QUIET = timedelta(minutes=15)
"""How long after a release what falls due once more is taken for told."""
REASON = "restored: it may have been sent in the time that the copy lost"
_MADE_ANEW = ("invoice.", "credit_note.", "dunning.")
"""Facts about what is made again, under new ids, when the work of the lost time is done once more."""


@dataclass(frozen=True, slots=True)
class Release:
    """When a restored copy's worker was let go, and the instant that the copy's state is of."""

    state_of: datetime
    released_at: datetime

    def doubts(self, event: OutboxEvent) -> bool:
        """Whether people may have been told of it before."""
        if event.recorded_at > self.released_at + QUIET or event.kind.startswith(("security.", "webhook.")):
            return event.recorded_at <= self.state_of
        was_there = event.subject_id < earliest_id(self.state_of)
        return event.recorded_at <= self.state_of or was_there or event.kind.startswith(_MADE_ANEW)


async def find_release(session: AsyncSession) -> Release | None:
    """The last one; None where nothing was ever restored."""
    row = (await session.execute(text("SELECT state_of, released_at FROM last_worker_release()"))).one_or_none()
    return None if row is None else Release(row.state_of, row.released_at)


async def doubt_waiting(database: Database) -> int:
    """Marks all messages that wait, before a restored copy's worker runs; how many."""
    async with database.reading() as session:
        waiting = NotificationMessage.state.in_(("queued", "sending"))
        tenants = (await session.scalars(select(NotificationMessage.tenant_id).where(waiting).distinct())).all()
    marked = 0
    for tenant_id in tenants:
        async with database.tenant(tenant_id) as session:
            result = await session.execute(
                update(NotificationMessage)
                .where(NotificationMessage.tenant_id == tenant_id, waiting)
                .values(state="uncertain", reason=REASON)
                .returning(NotificationMessage.id)
                .execution_options(synchronize_session=False)
            )
            marked += len(result.all())
    return marked
