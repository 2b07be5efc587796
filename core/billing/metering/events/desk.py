"""The desk of batches: what waits of one tenant is stored together, in one transaction, and answered apart.

A transaction has a price whatever is in it, and batches of one tenant add to the same aggregates: two at once wait for
each other's rows, four in one transaction write them once. Whatever waits when a lane is free makes the next group, so
groups grow with the load and nobody sleeps for company. A group that fails is rolled back and each of its batches is
tried alone, so that nobody is refused for another's fault.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.billing.metering.events import service
from core.billing.metering.events.reading import Event, Refusal
from core.billing.metering.events.service import Result
from core.foundation.errors import Unavailable
from core.foundation.telemetry import log
from core.identity.scope import TenantScope

_LOG = log("usage")

LANES = 2
"""Transactions of one tenant at a time: while the database works on one, the next group is read and judged."""
MOST_BATCHES = 8
"""In one transaction."""
ATTEMPTS = 4
"""Two batches that make each other wait: one of them is rolled back by the database, and tried again."""
PATIENCE_SECONDS = 10.0

Entries = Sequence[Event | Refusal]


@dataclass(slots=True, eq=False)
class _Waiting:
    scope: TenantScope
    entries: Entries
    answer: asyncio.Future[list[Result]]


@dataclass(slots=True)
class _Line:
    waiting: deque[_Waiting] = field(default_factory=lambda: deque[_Waiting]())
    lanes: set[asyncio.Task[None]] = field(default_factory=lambda: set[asyncio.Task[None]]())


class BatchDesk:
    """One a process."""

    def __init__(self) -> None:
        self._lines: dict[UUID, _Line] = {}

    async def ingest(self, scope: TenantScope, entries: Entries) -> list[Result]:
        """Stores what can be stored of a batch; a result for each event, in order, once that is committed.

        Raises Unavailable for a batch that was not begun in time, and what the database raises.
        """
        if scope.principal.installation_role is not None:  # its reason stands in the audit log with what it did
            return await _store(scope, entries)
        line = self._lines.setdefault(scope.tenant_id, _Line())
        batch = _Waiting(scope, entries, asyncio.get_running_loop().create_future())
        line.waiting.append(batch)
        if len(line.lanes) < LANES:
            # A context of its own: it may go on for others when this request is answered.
            line.lanes.add(asyncio.create_task(self._serve(scope.tenant_id, line), context=Context()))
        await asyncio.wait([batch.answer], timeout=PATIENCE_SECONDS)
        if batch in line.waiting:
            line.waiting.remove(batch)
            raise Unavailable("The database does not answer. Nothing was stored; send the batch again.")
        return await batch.answer

    async def _serve(self, tenant_id: UUID, line: _Line) -> None:
        try:
            while line.waiting:
                await _answer([line.waiting.popleft() for _ in range(min(MOST_BATCHES, len(line.waiting)))])
        finally:
            task = asyncio.current_task()
            assert task is not None, "a lane is a task"
            line.lanes.discard(task)
            if not line.lanes and not line.waiting and self._lines.get(tenant_id) is line:
                del self._lines[tenant_id]


async def _answer(group: Sequence[_Waiting]) -> None:
    """Never raises: each batch gets its results or what went wrong with it."""
    if len(group) > 1:
        try:
            results = await _store(group[0].scope, [one for batch in group for one in batch.entries])
        except (psycopg.OperationalError, OperationalError, PoolTimeout) as error:
            for batch in group:
                _refuse(batch, error)
            return
        except Exception as error:
            # Whatever it was, they are not in it together any more.
            _LOG.warning("group_of_batches_failed", batches=len(group), error=type(error).__name__)
        else:
            begin = 0
            for batch in group:
                end = begin + len(batch.entries)
                _finish(batch, results[begin:end])
                begin = end
            return
    for batch in group:
        try:
            _finish(batch, await _store(batch.scope, batch.entries))
        except Exception as error:
            _refuse(batch, error)


def _refuse(batch: _Waiting, error: Exception) -> None:
    if not batch.answer.done():
        batch.answer.set_exception(error)


def _finish(batch: _Waiting, results: list[Result]) -> None:
    for index, result in enumerate(results):
        result.index = index
    if not batch.answer.done():  # its caller may have gone
        batch.answer.set_result(results)


async def _store(scope: TenantScope, entries: Entries) -> list[Result]:
    for index, one in enumerate(entries):
        one.index = index
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with scope.writing() as unit:
                results = await service.ingest(
                    unit.session, entries, tenant_id=unit.tenant_id, now=unit.now, commits=True
                )
            service.note(results)
            return results
        except psycopg.errors.DeadlockDetected:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("every attempt returns or raises")
