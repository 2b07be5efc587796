"""The charge desk: books charges and the holds kept for them, of all tenants in groups, a database transaction a group.

Whatever waits when the connection is free makes the next group, so a group grows with the load and nobody sleeps for
company. A group that fails is rolled back and its members are booked alone on another connection, so that a bad member
or a locked wallet harms nobody else. Each member gets its own answer, and one whose caller has gone is booked all the
same. A member whose COMMIT got no answer is tried again: a charge and a reservation by their keys, which book them at
most once, a release because it is the same the second time.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from uuid import UUID

import psycopg
import structlog
from prometheus_client import Counter

from core.billing.credits.booking import Answer, CommitUnknown, Outcome, Request
from core.billing.credits.charging import Call, Charged, Refused
from core.billing.credits.errors import OutcomeUnknown, Overloaded
from core.billing.credits.lane import Fenced, Lane, NotConnected
from core.billing.credits.reserving import Release, Released, Reservation, Reserved
from core.billing.credits.standing import NotPrepared
from core.foundation.errors import CloudBillError, KeyInFlight, Unavailable
from core.foundation.fence import is_fenced
from core.foundation.following import Following, WritesPaused

RECONCILIATION_ERRORS = Counter(
    "cloudbill_reconciliation_errors_total",
    "Charges and holds that could not be booked, or of which it is not known, by the code that the caller got.",
    ["code"],
)
_log: structlog.stdlib.BoundLogger = structlog.get_logger("charges")

Prepare = Callable[[Request, NotPrepared], Awaitable[None]]
"""Makes, in a transaction of its own, what a member lacks: a customer or its accounts."""

Claim = tuple[type[Call] | type[Reservation], UUID, str]
"""A key that is in flight: keys of usage and keys of holds are two spaces of names."""

MAX_GROUP = 128
MAX_PREPARATIONS = 3
PREPARATIONS_AT_ONCE = 4
MAX_WAITING = 2_000
GROUP_LOCK_TIMEOUT_MS = 200
ALONE_LOCK_TIMEOUT_MS = 1_000
PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 0.05


@dataclass(slots=True, eq=False)
class _Member:
    """A request that waits.

    `preparations` counts what had to be made for it first, `lost` are the transactions and holds that it was answered
    with in COMMITs that got no answer themselves, `pauses_until` is how long it waits for writing that is paused.
    """

    request: Request
    answer: asyncio.Future[Answer]
    gives_up_at: float
    preparations: int = 0
    pauses_until: float = 0.0
    lost: set[UUID] = field(default_factory=lambda: set[UUID]())

    def may_be_booked(self, outcome: Outcome) -> None:
        match outcome:
            case Charged(transaction_id=made, replayed=False) | Reserved(hold_id=made, replayed=False):
                self.lost.add(made)
            case Released(hold_id=hold_id):
                self.lost.add(hold_id)
            case _:
                pass

    @property
    def tenant_id(self) -> UUID:
        return self.request.asked.tenant_id

    @property
    def claim(self) -> Claim | None:
        """The key that nobody else may use meanwhile; a release has none."""
        asked = self.request.asked
        return None if isinstance(asked, Release) else (type(asked), asked.tenant_id, asked.key)


class ChargeDesk:
    """One a process; `submit` is called from many requests at once."""

    def __init__(
        self,
        following: Following,
        prepare: Prepare,
        *,
        lanes: int = 1,
        max_group: int = MAX_GROUP,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._following = following
        self._prepare = prepare
        self._preparing: set[asyncio.Task[None]] = set()
        self._lacking: dict[tuple[UUID, UUID | str], list[_Member]] = {}
        self._preparations = asyncio.Semaphore(PREPARATIONS_AT_ONCE)
        self._max_group = max_group
        self._max_waiting = max_waiting
        self._lanes = lanes
        self._groups = _Queue()
        self._alone = _Queue()
        self._unanswered = 0
        self._in_flight: set[Claim] = set()
        self._slow_tenants: set[UUID] = set()
        self._group_tasks: list[asyncio.Task[None]] = []
        self._alone_task: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        """Begins to book."""
        self._group_tasks = [asyncio.create_task(self._book_groups()) for _ in range(self._lanes)]
        self._alone_task = asyncio.create_task(self._book_alone())

    async def close(self) -> None:
        """Turns new requests away, books those that wait and closes the connections."""
        self._closing = True
        while self._unanswered:
            await asyncio.sleep(0.01)
        self._groups.end()
        self._alone.end()
        await asyncio.gather(*self._group_tasks)
        if self._alone_task is not None:
            await self._alone_task

    @property
    def waiting(self) -> int:
        """Requests that are not answered yet."""
        return self._unanswered

    async def submit(self, request: Request) -> Charged | Reserved | Released:
        """Books what is asked and returns when it is committed.

        Raises what its rule raises, InsufficientCredits, KeyInFlight while a request of its kind with the same key is
        being booked in this process, Overloaded or Unavailable (nothing was booked), or OutcomeUnknown.
        """
        if self._closing or self._unanswered >= self._max_waiting:
            RECONCILIATION_ERRORS.labels(Overloaded.code).inc()
            raise Overloaded
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        member = _Member(request, answer, gives_up_at=time.monotonic() + PATIENCE_SECONDS)
        if (claim := member.claim) is not None:
            if claim in self._in_flight:
                raise KeyInFlight
            self._in_flight.add(claim)
        self._unanswered += 1
        (self._alone if member.tenant_id in self._slow_tenants else self._groups).put(member)
        # Shielded: a caller that goes away takes nothing back.
        outcome = await asyncio.shield(answer)
        if isinstance(outcome, Charged | Reserved | Released):
            return outcome
        raise outcome.error if isinstance(outcome, Refused) else outcome

    async def _book_groups(self) -> None:
        lane = Lane(lambda: self._following.app_url, lock_timeout_ms=GROUP_LOCK_TIMEOUT_MS)
        await lane.warm_up()
        while members := await self._groups.take(self._max_group):
            await self._book_group(lane, members)
        await lane.close()

    async def _book_group(self, lane: Lane, members: Sequence[_Member]) -> None:
        if self._following.paused:
            self._pause(members)
            return
        try:
            outcomes = await lane.book([member.request for member in members])
        except Fenced as fenced:
            self._pause(members, closed=fenced.closed)
        except NotConnected as error:
            _log.error("database_unreachable", members=len(members), error=str(error))
            await self._following.lost()
            if self._following.paused:
                self._pause(members)
                return
            for member in members:
                self._finish(member, _nothing_booked())
        except CommitUnknown as unknown:
            _log.error("commit_unknown", members=len(members))
            for member, outcome in zip(members, unknown.outcomes, strict=True):
                member.may_be_booked(outcome)
                self._alone.put(member)
        except Exception as error:
            # Whatever it was, the members are not in it together any more.
            _log.warning("group_failed", members=len(members), error=type(error).__name__)
            for member in members:
                self._alone.put(member)
        else:
            for member, outcome in zip(members, outcomes, strict=True):
                self._finish(member, outcome)

    async def _book_alone(self) -> None:
        lane = Lane(lambda: self._following.app_url, lock_timeout_ms=ALONE_LOCK_TIMEOUT_MS)
        while members := await self._alone.take(1):
            await self._book_one(lane, members[0])
        await lane.close()

    async def _book_one(self, lane: Lane, member: _Member) -> None:
        if self._following.paused:
            self._pause([member])
            return
        try:
            (outcome,) = await lane.book([member.request])
        except Fenced as fenced:
            self._pause([member], closed=fenced.closed)
        except CommitUnknown as unknown:
            member.may_be_booked(unknown.outcomes[0])
            await self._try_again(member)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled, TimeoutError):
            # Somebody has this tenant's wallet locked: its requests wait here and no group waits for them.
            self._slow_tenants.add(member.tenant_id)
            await self._try_again(member)
        except (psycopg.OperationalError, psycopg.errors.UniqueViolation, NotConnected) as error:
            # A lost connection, a deadlock, or the same key booked by another process meanwhile.
            _log.warning("booking_failed", error=type(error).__name__)
            if isinstance(error, NotConnected):
                await self._following.lost()
            await self._try_again(member)
        except Exception:
            _log.exception("booking_failed")
            self._finish(member, OutcomeUnknown() if member.lost else _not_booked())
        else:
            self._slow_tenants.discard(member.tenant_id)
            self._finish(member, outcome)

    async def _try_again(self, member: _Member) -> None:
        """Back to the end of the line, until its patience is over."""
        if time.monotonic() < member.gives_up_at:
            self._alone.put(member)
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            self._slow_tenants.discard(member.tenant_id)
            self._finish(member, OutcomeUnknown() if member.lost else _nothing_booked())

    def _pause(self, members: Sequence[_Member], *, closed: bool = False) -> None:
        """They wait until writing is open again, here or at whoever serves then."""
        if closed:
            self._following.met()
        for member in members:
            member.pauses_until = member.pauses_until or time.monotonic() + self._following.patience_seconds
        task = asyncio.create_task(self._go_on_when_open(members))
        self._preparing.add(task)
        task.add_done_callback(self._preparing.discard)

    async def _go_on_when_open(self, members: Sequence[_Member]) -> None:
        await asyncio.sleep(PAUSE_SECONDS)
        left = max(member.pauses_until for member in members) - time.monotonic()
        opened = left > 0 and await self._following.settled(seconds=left)
        for member in members:
            if opened and time.monotonic() < member.pauses_until:
                member.gives_up_at = time.monotonic() + PATIENCE_SECONDS
                self._groups.put(member)
            else:
                self._finish(member, OutcomeUnknown() if member.lost else WritesPaused())

    def _await_preparation(self, member: _Member, lacking: NotPrepared) -> None:
        """What many lack is made once, and they go on together."""
        place = (member.tenant_id, lacking.what)
        waiting = self._lacking.setdefault(place, [])
        waiting.append(member)
        if len(waiting) == 1:
            task = asyncio.create_task(self._prepare_and_retry(place, lacking))
            self._preparing.add(task)
            task.add_done_callback(self._preparing.discard)

    async def _prepare_and_retry(self, place: tuple[UUID, UUID | str], lacking: NotPrepared) -> None:
        try:
            async with self._preparations:
                await self._prepare(self._lacking[place][0].request, lacking)
        except Exception as error:
            if is_fenced(error):
                self._pause(self._lacking.pop(place))
                return
            _log.exception("not_prepared", lacking=str(lacking))
            for member in self._lacking.pop(place):
                self._finish(member, error if isinstance(error, WritesPaused) else _nothing_booked())
        else:
            for member in self._lacking.pop(place):
                self._groups.put(member)

    def _finish(self, member: _Member, outcome: Outcome) -> None:
        if isinstance(outcome, NotPrepared):
            member.preparations += 1
            if member.preparations <= MAX_PREPARATIONS:
                self._await_preparation(member, outcome)
                return
            outcome = _not_booked()
        self._unanswered -= 1
        if (claim := member.claim) is not None:
            self._in_flight.discard(claim)
        match outcome:
            case Charged(transaction_id=made, replayed=True) | Reserved(hold_id=made, replayed=True) if (
                made in member.lost
            ):
                # It was our own COMMIT whose answer got lost: to the caller this is the first answer.
                outcome = replace(outcome, replayed=False)
            case _:
                pass
        if isinstance(outcome, CloudBillError) and outcome.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            RECONCILIATION_ERRORS.labels(outcome.code).inc()
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


def _nothing_booked() -> Unavailable:
    return Unavailable("The database does not answer. Nothing was booked; send the request again.")


def _not_booked() -> CloudBillError:
    return CloudBillError("The request could not be booked.")
