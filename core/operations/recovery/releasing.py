"""Letting a held worker go: the payment provider's events since the copy's instant are fetched first, and stored like
webhooks, each once. What they say about purchases that the copy does not know is parked, for a person to look at.
Messages that waited at that instant may have been sent since: they are marked, and none is sent twice. Numbers that may
have been issued are skipped.
"""

from dataclasses import asdict, dataclass
from datetime import timedelta

import orjson

from core.billing.notifications.restored import doubt_waiting
from core.billing.payments.gateway import payment_provider
from core.billing.webhooks.service import receive
from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.settings import Settings
from core.operations.records.repeating import repeat_erasures
from core.operations.recovery import evidence, holding, numbers
from core.operations.recovery.holding import Hold

MARGIN = timedelta(minutes=15)
"""Events from so long before the instant are fetched, too: they may have been on their way to us."""


@dataclass(frozen=True, kw_only=True)
class Released:
    """What was fetched before the worker was let go."""

    holds: int
    events: int
    """That the provider remembers of that time; each that was not known is applied by a job."""
    numbers: int
    """Of invoices and credit notes, that nobody gets any more."""
    evidence: int


async def release_all(database: Database, settings: Settings, *, by: str, reason: str | None = None) -> Released | None:
    """Fetches and lets go; None where nothing is held. Raises what asking the provider leads to: then it stays held."""
    holds = await holding.list_open(database)
    if not holds:
        return None
    erased = await repeat_erasures(database, settings, now=wall_now())
    events = await _catch_up(database, settings, holds)
    skipped = await numbers.skip_after(database, settings, holds)
    doubted = await doubt_waiting(database)
    how = f"by {by}{f' ({reason})' if reason else ''}: {events} events of the payment provider fetched"
    if doubted:
        how += f", {doubted} messages that waited are uncertain"
    if skipped.numbers:
        how += f", {skipped.numbers} numbers of {skipped.tenants} tenants skipped"
    for hold in holds:
        await holding.release(database, hold, how=how)
    number = await evidence.record(
        database,
        settings,
        "release",
        {
            "at": wall_now(),
            "by": by,
            "reason": reason,
            "events": events,
            "messagesUncertain": doubted,
            "numbersSkipped": asdict(skipped),
            "erasedAgain": erased,
            "holds": [asdict(hold) for hold in holds],
        },
    )
    return Released(holds=len(holds), events=events, numbers=skipped.numbers, evidence=number)


async def _catch_up(database: Database, settings: Settings, holds: list[Hold]) -> int:
    if settings.stripe_secret_key is None:
        return 0
    since = min(hold.state_of for hold in holds) - MARGIN
    fetched = 0
    # Oldest first, as they would have come; no transaction is open while the provider is asked.
    found = [event async for event in payment_provider(settings).list_bodies(since)]
    for envelope, body in reversed(found):
        if envelope.is_live != settings.stripe_is_live:
            continue
        async with database.nobody() as session:
            await receive(session, settings, envelope, orjson.loads(body))
        fetched += 1
    return fetched
