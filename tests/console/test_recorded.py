"""Rows of the audit log say who did it, also where their name is not known."""

from datetime import UTC, datetime
from typing import Any

import httpx

from console import recorded
from console.client import Client, Connection
from tests.support.callers import Caller

NOW = datetime(2026, 11, 22, tzinfo=UTC)


async def test_people_made_in_the_same_minute_are_told_apart_where_nobody_knows_their_names(
    api: httpx.AsyncClient, operator: Any, tenant: Caller, other: Caller
) -> None:
    console = Client(Connection(api), operator.token, installation=True)
    rows = (await recorded.log_of_all(console, {}, cursor="", now=NOW)).rows
    makers = {row.tenant: row.actor for row in rows if row.what == "Tenant created"}
    assert makers.keys() == {tenant.tenant, other.tenant}
    assert len(set(makers.values())) == 2
