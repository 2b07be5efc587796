"""The charge desk: books the charges of all tenants in groups, one database transaction a group.

Whatever waits when the connection is free makes the next group, so a group grows with the load and nobody sleeps for
company. A group that fails is rolled back and its members are booked alone on another connection, so that a bad member
or a locked wallet harms nobody else. Each member gets its own answer, and one whose caller has gone is booked all the
same. A charge whose COMMIT got no answer is tried again by its key, which books it at most once.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import psycopg
import structlog

from core.billing.credits.booking import Answer, CommitUnknown, Outcome
from core.billing.credits.charging import Charged, Refused, Usage
from core.billing.credits.errors import OutcomeUnknown, Overloaded
from core.billing.credits.lane import Lane, NotConnected
from core.billing.credits.standing import NotPrepared
from core.foundation.errors import CloudBillError, KeyInFlight, Unavailable

_log: structlog.stdlib.BoundLogger = structlog.get_logger("charges")

Prepare = Callable[[Usage, NotPrepared], Awaitable[None]]
"""Makes, in a transaction of its own, what a charge lacks: a customer or its accounts."""

MAX_GROUP = 128
MAX_PREPARATIONS = 3
MAX_WAITING = 2_000
GROUP_LOCK_TIMEOUT_MS = 200
ALONE_LOCK_TIMEOUT_MS = 1_000
PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 0.05


@dataclass(slots=True, eq=False)
class _Member:
    """A charge that waits.

    `preparations` counts what had to be made for it first, `lost` are its transactions whose COMMIT got no answer.
    """

    usage: Usage
    answer: asyncio.Future[Answer]
    gives_up_at: float
    preparations: int = 0
    lost: set[UUID] = field(default_factory=lambda: set[UUID]())

    def may_be_booked(self, outcome: Outcome) -> None:
        if isinstance(outcome, Charged) and not outcome.replayed:
            self.lost.add(outcome.transaction_id)


class ChargeDesk:
    """One a process; `submit` is called from many requests at once."""

    def __init__(
        self,
        url: str,
        prepare: Prepare,
        *,
        lanes: int = 1,
        max_group: int = MAX_GROUP,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._url = url
        self._prepare = prepare
        self._preparing: set[asyncio.Task[None]] = set()
        self._max_group = max_group
        self._max_waiting = max_waiting
        self._lanes = lanes
        self._groups = _Queue()
        self._alone = _Queue()
        self._in_flight: set[tuple[UUID, str]] = set()
        self._slow_tenants: set[UUID] = set()
        self._group_tasks: list[asyncio.Task[None]] = []
        self._alone_task: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        """Begins to book."""
        self._group_tasks = [asyncio.create_task(self._book_groups()) for _ in range(self._lanes)]
        self._alone_task = asyncio.create_task(self._book_alone())

    async def close(self) -> None:
        """Turns new charges away, books those that wait and closes the connections."""
        self._closing = True
        while self._in_flight:
            await asyncio.sleep(0.01)
        self._groups.end()
        self._alone.end()
        await asyncio.gather(*self._group_tasks)
        if self._alone_task is not None:
            await self._alone_task

    @property
    def waiting(self) -> int:
        """Charges that are not answered yet."""
        return len(self._in_flight)

    async def submit(self, usage: Usage) -> Charged:
        """Books a charge and returns when it is committed.

        Raises what `charging.charge` raises, InsufficientCredits, KeyInFlight while a charge by the same key is being
        booked in this process, Overloaded or Unavailable (nothing was charged), or OutcomeUnknown.
        """
        if self._closing or len(self._in_flight) >= self._max_waiting:
            raise Overloaded
        claim = (usage.tenant_id, usage.key)
        if claim in self._in_flight:
            raise KeyInFlight
        self._in_flight.add(claim)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        member = _Member(usage, answer, gives_up_at=time.monotonic() + PATIENCE_SECONDS)
        (self._alone if usage.tenant_id in self._slow_tenants else self._groups).put(member)
        # Shielded: a caller that goes away takes nothing back.
        outcome = await asyncio.shield(answer)
        if isinstance(outcome, Charged):
            return outcome
        raise outcome.error if isinstance(outcome, Refused) else outcome

    async def _book_groups(self) -> None:
        lane = Lane(self._url, lock_timeout_ms=GROUP_LOCK_TIMEOUT_MS)
        await lane.warm_up()
        while members := await self._groups.take(self._max_group):
            await self._book_group(lane, members)
        await lane.close()

    async def _book_group(self, lane: Lane, members: Sequence[_Member]) -> None:
        try:
            outcomes = await lane.book([member.usage for member in members])
        except NotConnected as error:
            _log.error("database_unreachable", charges=len(members), error=str(error))
            for member in members:
                self._finish(member, _nothing_charged())
        except CommitUnknown as unknown:
            _log.error("commit_unknown", charges=len(members))
            for member, outcome in zip(members, unknown.outcomes, strict=True):
                member.may_be_booked(outcome)
                self._alone.put(member)
        except Exception as error:
            # Whatever it was, the members are not in it together any more.
            _log.warning("group_failed", charges=len(members), error=repr(error))
            for member in members:
                self._alone.put(member)
        else:
            for member, outcome in zip(members, outcomes, strict=True):
                self._finish(member, outcome)

    async def _book_alone(self) -> None:
        lane = Lane(self._url, lock_timeout_ms=ALONE_LOCK_TIMEOUT_MS)
        while members := await self._alone.take(1):
            await self._book_one(lane, members[0])
        await lane.close()

    async def _book_one(self, lane: Lane, member: _Member) -> None:
        try:
            (outcome,) = await lane.book([member.usage])
        except CommitUnknown as unknown:
            member.may_be_booked(unknown.outcomes[0])
            await self._try_again(member)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled, TimeoutError):
            # Somebody holds this tenant's wallet: its charges wait here and no group waits for them.
            self._slow_tenants.add(member.usage.tenant_id)
            await self._try_again(member)
        except (psycopg.OperationalError, psycopg.errors.UniqueViolation, NotConnected) as error:
            # A lost connection, a deadlock, or the same key booked by another process meanwhile.
            _log.warning("charge_failed", error=repr(error))
            await self._try_again(member)
        except Exception:
            _log.exception("charge_failed")
            self._finish(member, OutcomeUnknown() if member.lost else CloudBillError("The charge could not be booked."))
        else:
            self._slow_tenants.discard(member.usage.tenant_id)
            self._finish(member, outcome)

    async def _try_again(self, member: _Member) -> None:
        """Back to the end of the line, until its patience is over."""
        if time.monotonic() < member.gives_up_at:
            self._alone.put(member)
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            self._slow_tenants.discard(member.usage.tenant_id)
            self._finish(member, OutcomeUnknown() if member.lost else _nothing_charged())

    async def _prepare_and_retry(self, member: _Member, lacking: NotPrepared) -> None:
        try:
            await self._prepare(member.usage, lacking)
        except Exception:
            _log.exception("charge_not_prepared", lacking=str(lacking))
            self._finish(member, _nothing_charged())
        else:
            self._groups.put(member)

    def _finish(self, member: _Member, outcome: Outcome) -> None:
        if isinstance(outcome, NotPrepared):
            member.preparations += 1
            if member.preparations <= MAX_PREPARATIONS:
                task = asyncio.create_task(self._prepare_and_retry(member, outcome))
                self._preparing.add(task)
                task.add_done_callback(self._preparing.discard)
                return
            outcome = CloudBillError("The charge could not be booked.")
        self._in_flight.discard((member.usage.tenant_id, member.usage.key))
        if isinstance(outcome, Charged) and outcome.replayed and outcome.transaction_id in member.lost:
            # It was our own COMMIT whose answer got lost: to the caller this is the first answer.
            outcome = replace(outcome, replayed=False)
        if not member.answer.done():
            member.answer.set_result(outcome)


class _Queue:
    """Members that wait, taken many at a time."""

    def __init__(self) -> None:
        self._members: deque[_Member] = deque()
        self._changed = asyncio.Event()
        self._ended = False

    def put(self, member: _Member) -> None:
        self._members.append(member)
        self._changed.set()

    def end(self) -> None:
        self._ended = True
        self._changed.set()

    async def take(self, most: int) -> list[_Member]:
        """At least one and at most `most`; none when the queue has ended and is empty."""
        while not self._members and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        return [self._members.popleft() for _ in range(min(most, len(self._members)))]


def _nothing_charged() -> Unavailable:
    return Unavailable("The database does not answer. Nothing was charged; send the request again.")
