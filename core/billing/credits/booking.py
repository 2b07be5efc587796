"""The transaction of a group of charges: read, decide, write, commit, for many tenants in two round trips.

The group's tenants are taken in the order of their ids and each tenant's accounts by customer and kind, as every other
writer does, so that no two wait for each other in a circle.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg

from core.billing.credits.charging import Charged, Refused, Usage, charge
from core.billing.credits.planning import CreditPlan
from core.billing.credits.standing import NotPrepared, free_expired, read_standing
from core.billing.ledger.posting import documents
from core.foundation.errors import CloudBillError

Connection = psycopg.AsyncConnection[Any]
Answer = Charged | Refused | CloudBillError
Outcome = Answer | NotPrepared


class CommitUnknown(Exception):
    """The connection was lost while the group was being committed: it may be booked or not.

    `outcomes` are those that hold if it was.
    """

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        super().__init__("the connection was lost during COMMIT")
        self.outcomes = outcomes


async def book(connection: Connection, usages: Sequence[Usage], *, now: datetime) -> list[Outcome]:
    """Books a group in one transaction and returns each member's outcome, in order; `now` is the wall clock.

    Raises psycopg.Error when the group as a whole failed and nothing was booked, CommitUnknown when that is not known.
    """
    by_tenant: dict[UUID, list[int]] = {}
    for position, usage in enumerate(usages):
        by_tenant.setdefault(usage.tenant_id, []).append(position)
    tenants = sorted(by_tenant.items())

    requests = [_request(tenant_id, [usages[position] for position in members], now) for tenant_id, members in tenants]
    async with connection.pipeline():
        await connection.execute("BEGIN", prepare=True)
        cursor = await connection.execute(_READ, [orjson.dumps(requests).decode()], prepare=True)
    row = await cursor.fetchone()
    assert row is not None
    standings = [read_standing(answer) for answer in orjson.loads(row[0])]

    outcomes: list[Outcome | None] = [None] * len(usages)
    plans: list[CreditPlan] = []
    for (tenant_id, members), standing in zip(tenants, standings, strict=True):
        plan = CreditPlan(tenant_id)
        free_expired(standing, plan)
        for position in members:
            try:
                outcomes[position] = charge(usages[position], standing, plan)
            except (CloudBillError, NotPrepared) as refusal:
                outcomes[position] = refusal
        if not plan.is_empty:
            plans.append(plan)
    decided = [outcome for outcome in outcomes if outcome is not None]
    assert len(decided) == len(usages)
    await _commit(connection, plans, decided)
    return decided


async def _commit(connection: Connection, plans: Sequence[CreditPlan], outcomes: Sequence[Outcome]) -> None:
    if not plans:
        await connection.execute("ROLLBACK", prepare=True)
        return
    try:
        async with connection.pipeline():
            await connection.execute(_WRITE, documents(plans), prepare=True)
            cursor = await connection.execute("COMMIT", prepare=True)
    except BaseException as error:
        if connection.closed or not isinstance(error, psycopg.Error):
            raise CommitUnknown(outcomes) from error
        raise
    # PostgreSQL answers the COMMIT of a transaction that has failed with ROLLBACK, and no error.
    if cursor.statusmessage != "COMMIT":
        raise psycopg.errors.InFailedSqlTransaction("the group was rolled back")


def _request(tenant_id: UUID, usages: Sequence[Usage], now: datetime) -> dict[str, Any]:
    first = usages[0]
    return {
        "tenant_id": tenant_id,
        "now": now,
        "currency": first.currency,
        "self_id": first.self_id,
        "self_pays": any(
            usage.user_id is None and usage.customer_id is None and usage.hold_id is None for usage in usages
        ),
        "users": [usage.user_id for usage in usages if usage.user_id is not None],
        "customers": [usage.customer_id for usage in usages if usage.customer_id is not None],
        "keys": [usage.key for usage in usages],
        "holds": [usage.hold_id for usage in usages if usage.hold_id is not None],
    }


_READ = "SELECT read_charges(%s::json)::text"
_WRITE = "SELECT write_ledger(%s::json, %s::json, %s::json, %s::json, %s::json, %s::json, %s::json, %s::json)"
