"""The general door: the first answer again, another input refused, one at a time, and nothing kept of a failure."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.errors import InvalidInput, KeyInFlight, KeyReused
from core.foundation.schemas import Answer
from core.identity.access import Principal
from core.identity.idempotency import answer_once
from core.identity.scope import Unit
from core.identity.tenants import repository
from tests.support.callers import Caller

ACTOR = Principal(kind="user", id=uuid4())


class Made(Answer):
    """What the door makes."""

    thing_id: UUID


async def _make() -> Made:
    return Made(thing_id=uuid4())


async def _fail() -> Made:
    raise LookupError("no such thing")


@pytest.fixture
async def tenant_id(database: Database, tenant: Caller) -> UUID:
    async with database.nobody() as session:
        row = await repository.find_tenant_by_slug(session, "acme")
    assert row is not None
    return row.id


async def _ask(
    database: Database,
    tenant_id: UUID,
    document: object,
    *,
    door: str = "things",
    key: str | None = "k",
    make: Callable[[], Any] = _make,
) -> dict[str, Any]:
    async with database.tenant(tenant_id) as session:
        unit = Unit(session, tenant_id, wall_now(), ACTOR)
        return await answer_once(unit, make, door=door, key=key, document=document)


async def test_the_first_answer_again(database: Database, tenant_id: UUID) -> None:
    first = await _ask(database, tenant_id, {"a": 1, "b": 2})
    assert first["replayed"] is False
    assert await _ask(database, tenant_id, {"b": 2, "a": 1}) == {**first, "replayed": True}
    assert (await _ask(database, tenant_id, {"a": 1}, door="other"))["thingId"] != first["thingId"]
    assert (await _ask(database, tenant_id, {"a": 1}, key=None))["thingId"] != first["thingId"]


async def test_another_input_is_refused(database: Database, tenant_id: UUID) -> None:
    await _ask(database, tenant_id, {"a": 1})
    with pytest.raises(KeyReused) as refused:
        await _ask(database, tenant_id, {"a": 2})
    assert (refused.value.status, refused.value.code) == (409, "idempotency_key_reused")


async def test_a_second_request_while_the_first_runs_is_told_to_wait(database: Database, tenant_id: UUID) -> None:
    opened, finish = asyncio.Event(), asyncio.Event()

    async def slowly() -> Made:
        opened.set()
        await finish.wait()
        return await _make()

    running = asyncio.create_task(_ask(database, tenant_id, {}, make=slowly))
    await opened.wait()
    with pytest.raises(KeyInFlight) as refused:
        await _ask(database, tenant_id, {})
    assert (refused.value.status, refused.value.headers) == (409, {"Retry-After": "1"})
    finish.set()
    first = await running
    assert await _ask(database, tenant_id, {}) == {**first, "replayed": True}


async def test_a_failure_is_not_kept(database: Database, tenant_id: UUID) -> None:
    with pytest.raises(LookupError):
        await _ask(database, tenant_id, {}, make=_fail)
    assert (await _ask(database, tenant_id, {"other": "input"}))["replayed"] is False


async def test_keys_are_kept_for_thirty_days(database: Database, tenant_id: UUID, connect: Callable[..., Any]) -> None:
    first = await _ask(database, tenant_id, {})
    admin = await connect("admin")
    await admin.execute("UPDATE idempotency_keys SET created_at = now() - interval '29 days 23 hours'")
    await admin.commit()
    assert (await _ask(database, tenant_id, {}))["thingId"] == first["thingId"]
    await admin.execute("UPDATE idempotency_keys SET created_at = now() - interval '30 days 1 second'")
    await admin.commit()
    second = await _ask(database, tenant_id, {"another": "input"})
    assert (second["replayed"], second["thingId"] != first["thingId"]) == (False, True)
    assert (await _ask(database, tenant_id, {"another": "input"}))["replayed"] is True


@pytest.mark.parametrize("key", ["", "a\x00b", "a\nb"])
async def test_a_key_that_is_no_text_is_refused(database: Database, tenant_id: UUID, key: str) -> None:
    with pytest.raises(InvalidInput):
        await _ask(database, tenant_id, {}, key=key)


async def test_another_tenants_key_is_another_key(database: Database, tenant_id: UUID, other: Caller) -> None:
    async with database.nobody() as session:
        row = await repository.find_tenant_by_slug(session, "globex")
    assert row is not None
    first = await _ask(database, tenant_id, {})
    assert (await _ask(database, row.id, {"other": "input"}))["thingId"] != first["thingId"]
