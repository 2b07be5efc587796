"""An owner who could pay, a digest of the whole database, and the one form of refusals."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from core.billing.payments.providers.simulator.main import Simulator
from tests.support.callers import Caller

Connection = psycopg.AsyncConnection[Any]
CALL = {"model": "gpt-4o", "inputTokens": 1000, "outputTokens": 500}
LATER_CHANGED = {"sign_ins", "refresh_tokens", "api_keys"}
"""A credential's last use and a sign-in's end are no change that a caller asked for."""


@pytest.fixture
async def owner(tenant: Caller, fund: Callable[..., Awaitable[None]], own_stripe: Simulator) -> Caller:
    """An owner whose tenant could pay."""
    await fund(tenant, 50_000_000)
    return tenant


@pytest.fixture
async def everything(connect: Callable[..., Awaitable[Connection]]) -> Callable[[], Awaitable[dict[str, str]]]:
    """A digest of every table."""
    admin = await connect("admin")
    await admin.set_autocommit(True)
    found = await admin.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
        "AND NOT relispartition AND relname NOT LIKE 'procrastinate_worker%'"
    )
    tables = {name for (name,) in await found.fetchall()} - LATER_CHANGED

    async def digest() -> dict[str, str]:
        digests = {}
        for table in sorted(tables):
            statement = sql.SQL(
                # When Stripe was last asked about a payment (`updated_at`) is no change either.
                "SELECT md5(string_agg(line, '|' ORDER BY line)) "
                "FROM (SELECT (to_jsonb(t) - 'updated_at')::text AS line FROM {} t) AS lines"
            )
            row = await (await admin.execute(statement.format(sql.Identifier(table)))).fetchone()
            digests[table] = row[0] if row else ""
        return digests

    return digest


Everything = Callable[[], Awaitable[dict[str, str]]]


def is_problem(answer: httpx.Response, *statuses: int) -> str | None:
    """None for a refusal in the agreed form; otherwise what is wrong with it."""
    if answer.status_code not in (statuses or range(400, 500)):
        return f"{answer.status_code}: {answer.text[:200]}"
    if answer.headers.get("content-type") != "application/problem+json":
        return f"content type {answer.headers.get('content-type')}"
    body = answer.json()
    if {"type", "title", "status", "detail", "code", "requestId"} - body.keys():
        return f"members {sorted(body)}"
    if body["status"] != answer.status_code or body["requestId"] != answer.headers.get("x-request-id"):
        return f"status or request id do not agree: {body}"
    if any(word in answer.text for word in ("Traceback", "psycopg", "sqlalchemy", "SQL:", "pydantic.dev")):
        return f"says too much: {answer.text[:200]}"
    return None
