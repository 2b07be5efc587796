"""The transaction of a group: read, decide, write, commit, for many tenants in two round trips.

A member settles a call, reserves for one or releases a hold; all of a tenant are decided in turn on the same standing.

The group's tenants are taken in the order of their ids and each tenant's accounts by customer and kind, as every other
writer does, so that no two wait for each other in a circle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg

from core.billing.credits.charging import Call, Charged, Refused, charge
from core.billing.credits.planning import CreditPlan
from core.billing.credits.reserving import Release, Released, Reservation, Reserved, release, reserve
from core.billing.credits.standing import NotPrepared, PricedTerms, Standing, free_expired, read_standing
from core.billing.ledger.posting import documents
from core.foundation.errors import CloudBillError

Connection = psycopg.AsyncConnection[Any]
Answer = Charged | Reserved | Released | Refused | CloudBillError
Outcome = Answer | NotPrepared


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, with the terms of the tenant that it is asked for."""

    asked: Call | Reservation | Release
    terms: PricedTerms


class CommitUnknown(Exception):
    """The connection was lost while the group was being committed: it may be booked or not.

    `outcomes` are those that hold if it was.
    """

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        super().__init__("the connection was lost during COMMIT")
        self.outcomes = outcomes


async def book(connection: Connection, members: Sequence[Request], *, now: datetime) -> list[Outcome]:
    """Books a group in one transaction and returns each member's outcome, in order; `now` is the wall clock.

    Raises psycopg.Error when the group as a whole failed and nothing was booked, CommitUnknown when that is not known.
    """
    by_tenant: dict[UUID, list[int]] = {}
    for position, member in enumerate(members):
        by_tenant.setdefault(member.asked.tenant_id, []).append(position)
    tenants = sorted(by_tenant.items())

    wanted = [_wanted(tenant_id, [members[at] for at in positions], now) for tenant_id, positions in tenants]
    async with connection.pipeline():
        await connection.execute("BEGIN", prepare=True)
        cursor = await connection.execute(_READ, [orjson.dumps(wanted).decode()], prepare=True)
    row = await cursor.fetchone()
    assert row is not None
    standings = [read_standing(answer) for answer in orjson.loads(row[0])]

    outcomes: list[Outcome | None] = [None] * len(members)
    plans: list[CreditPlan] = []
    for (tenant_id, positions), standing in zip(tenants, standings, strict=True):
        plan = CreditPlan(tenant_id)
        free_expired(standing, plan)
        for position in positions:
            try:
                outcomes[position] = _decide(members[position], standing, plan)
            except (CloudBillError, NotPrepared) as refusal:
                outcomes[position] = refusal
        if not plan.is_empty:
            plans.append(plan)
    decided = [outcome for outcome in outcomes if outcome is not None]
    assert len(decided) == len(members)
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


def _decide(member: Request, standing: Standing, plan: CreditPlan) -> Charged | Refused | Reserved | Released:
    match member.asked:
        case Call() as call:
            return charge(call, standing, plan, terms=member.terms)
        case Reservation() as reservation:
            return reserve(reservation, standing, plan, terms=member.terms)
        case Release() as asked:
            return release(asked, standing, plan)


def _wanted(tenant_id: UUID, members: Sequence[Request], now: datetime) -> dict[str, Any]:
    """What `read_charges` is to lock and read for the members of one tenant."""
    terms = members[0].terms
    users: list[str] = []
    customers: list[UUID] = []
    keys: list[str] = []
    holds: list[UUID] = []
    hold_keys: list[str] = []
    released: list[UUID] = []
    self_pays = False
    for member in members:
        match member.asked:
            case Call(key=key, user_id=user_id, customer_id=customer_id, hold_id=hold_id):
                keys.append(key)
            case Reservation(key=key, user_id=user_id, customer_id=customer_id):
                hold_keys.append(key)
                hold_id = None
            case Release(hold_id=hold_id):
                released.append(hold_id)
                user_id = customer_id = None
        if user_id is not None:
            users.append(user_id)
        if customer_id is not None:
            customers.append(customer_id)
        if hold_id is not None:
            holds.append(hold_id)
        self_pays = self_pays or (user_id is None and customer_id is None and hold_id is None)
    return {
        "tenant_id": tenant_id,
        "now": now,
        "currency": terms.currency,
        "self_id": terms.self_id,
        "self_pays": self_pays,
        "users": users,
        "customers": customers,
        "keys": keys,
        "holds": holds,
        "hold_keys": hold_keys,
        "released": released,
    }


_READ = "SELECT read_charges(%s::json)::text"
_WRITE = "SELECT write_ledger(%s::json, %s::json, %s::json, %s::json, %s::json, %s::json, %s::json, %s::json)"
