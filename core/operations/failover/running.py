"""A failover, step by step. Each step is on the disk before it begins and after it ended, and may be done twice.

At no moment do two servers take writes: the old one refuses them (its own fence, or cut off) before the new one is
promoted, and the new one opens in a greater epoch. Killed anywhere, `run` goes on where it stopped; before the
promotion a failure lets the old primary serve again.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import psycopg

from core.foundation import fence
from core.foundation.clock import wall_now
from core.foundation.ids import new_id
from core.operations.clouds.errors import CloudError
from core.operations.failover.errors import (
    FailoverError,
    NotCaughtUp,
    NothingToGoBackTo,
    NotReady,
    PrimaryNotFenced,
    UnderWay,
)
from core.operations.failover.grounds import Ground, turned_away
from core.operations.failover.journal import Document, Journal, Journals
from core.operations.failover.planning import plan, refuse

STEPS = ("fenced", "caught_up", "promoted", "opened", "switched", "recorded")
WRITERS_SECONDS = 30.0
CATCH_UP_SECONDS = 120.0

Say = Callable[[str], None]


class Failover:
    """Of one place."""

    def __init__(
        self,
        ground: Ground,
        *,
        old_is_off: bool = False,
        writers_seconds: float = WRITERS_SECONDS,
        catch_up_seconds: float = CATCH_UP_SECONDS,
        say: Say = lambda words: None,
    ) -> None:
        self._ground = ground
        self._old_is_off = old_is_off
        self._writers_seconds = writers_seconds
        self._catch_up_seconds = catch_up_seconds
        self._say = say
        self._journals = Journals(ground.journals)

    def run(self, *, to: str | None = None) -> Document:
        """The whole of it, or what is left of one that was killed. Raises FailoverError, CloudError."""
        with self._journals.alone():
            journal = self._journals.last()
            if journal is not None and journal.is_open and journal.began("given_up"):
                self._give_up(journal)
            if journal is None or not journal.is_open:
                found = plan(self._ground, to=to)
                refuse(found)
                journal = self._journals.start(
                    to=found.standby,
                    to_endpoint=self._ground.endpoint(found.standby or ""),
                    primary=found.primary,
                    endpoint=found.endpoint,
                    **next(
                        {"lag_seconds": one.lag_seconds, "to_region": one.region}
                        for one in found.standing.replicas
                        if one.name == found.standby
                    ),
                )
            elif to not in (None, journal.given["to"]):
                raise UnderWay(
                    f"a failover to {journal.given['to']} was begun and has not ended: `cloudbill failover run` goes "
                    "on with it"
                )
            else:
                self._say(f"going on with the failover to {journal.given['to']}")
            return self._go(journal)

    def abort(self) -> str:
        """Ends one that has promoted nobody; what came of it. Raises UnderWay where it is too late."""
        with self._journals.alone():
            journal = self._journals.last()
            if journal is None or not journal.is_open:
                return "No failover is under way."
            if journal.began("promoted"):
                raise UnderWay(
                    f"{journal.given['to']} may have been promoted: there is only forward, `cloudbill failover run`, "
                    "and then `cloudbill failover back`"
                )
            self._give_up(journal)
            if journal.is_open:
                raise UnderWay(f"{journal.given['endpoint']} does not answer: it stays closed until it does; try again")
            return f"Given up: {journal.given['endpoint']} serves."

    def back(self) -> Document:
        """The old primary becomes a standby of the new one, and then takes its place again in the same way."""
        with self._journals.alone():
            journal = self._journals.last()
            done = self._journals.last_done()
            under_way = journal is not None and journal.is_open
        if done is None and not under_way:
            raise NothingToGoBackTo("there was no failover here: `cloudbill failover plan` says what one would do")
        if not under_way:
            assert done
            self._say(f"making {done.given['primary']} a standby")
            standby = self._ground.rebuild(done.given["primary"], mark=done.id[-6:])
            return self.run(to=standby)
        return self.run()

    def _go(self, journal: Journal) -> Document:
        acts: dict[str, Callable[[Journal], Document]] = {
            "fenced": self._fence,
            "caught_up": self._catch_up,
            "promoted": self._promote,
            "opened": self._open,
            "switched": self._switch,
            "recorded": self._record,
        }
        try:
            for step in STEPS:
                if journal.result(step) is None:
                    if step == "promoted" and not journal.began(step):
                        self._refuse_reopened(journal)
                    journal.begin(step)
                    result = acts[step](journal)
                    journal.end(step, result)
                    self._say(f"{step}: {result['said']}")
        except (FailoverError, fence.FenceError, CloudError, psycopg.Error) as error:
            if not journal.began("promoted") and not isinstance(error, PrimaryNotFenced):
                self._give_up(journal)
            if isinstance(error, fence.FenceError):
                raise NotReady(f"{error}") from None
            if isinstance(error, psycopg.Error):
                raise FailoverError(
                    f"a database stopped answering ({str(error).strip().splitlines()[0]}): `cloudbill failover run` "
                    "goes on where this stopped"
                ) from None
            raise
        journal.close("done")
        return journal.document

    def _fence(self, journal: Journal) -> Document:
        endpoint, successor = journal.given["endpoint"], journal.given["to_endpoint"]
        began = time.monotonic()
        try:
            with self._ground.mover(endpoint) as old:
                before = fence.refusals(old)
                epoch = fence.close(old, reason=_reason(journal), successor=successor, patience=self._writers_seconds)
                row = old.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
                assert row
                return {
                    "how": "database",
                    "epoch": epoch,
                    "lsn": row[0],
                    "at": wall_now().isoformat(),
                    "refusals_before": before,
                    "seconds": round(time.monotonic() - began, 3),
                    "said": f"{endpoint} refuses writes since epoch {epoch}",
                }
        except psycopg.OperationalError as error:
            if turned_away(error):
                raise NotReady(
                    f"{endpoint} answers, but not the mover ({str(error).strip().splitlines()[0]}): it is not cut "
                    "off while it may serve; mend its login, or stop it and say --old-is-off"
                ) from None
            why = str(error).strip().splitlines()[0]
        except (CloudError, OSError) as error:
            why = str(error)
        how, said = self._cut_off(endpoint, why)
        return {"how": how, "epoch": 0, "lsn": None, "at": wall_now().isoformat(), "said": said}

    def _cut_off(self, endpoint: str, why: str) -> tuple[str, str]:
        try:
            self._ground.standbys.fence()
        except (CloudError, FailoverError) as error:
            if self._old_is_off:
                return "said", f"{endpoint} is off, as you said ({error.detail})"
            raise PrimaryNotFenced(
                f"{endpoint} does not answer ({why}) and could not be cut off ({error.detail}): while it may still "
                "take writes nobody is promoted. Stop it by hand, see to it that it stays off, and say --old-is-off"
            ) from None
        return "cut off", f"{endpoint} did not answer ({why}) and was cut off"

    def _catch_up(self, journal: Journal) -> Document:
        fenced = journal.result("fenced")
        where = journal.given["to_endpoint"]
        assert fenced
        if where is None:
            return {"lost_bytes": None, "state_of": fenced["at"], "said": "the cloud promotes what the replica has"}
        until = time.monotonic() + self._catch_up_seconds
        seen: tuple[Any, ...] | None = None
        while time.monotonic() < until:
            with suppress(psycopg.OperationalError), self._ground.mover(where) as standby:
                seen = standby.execute(_PROGRESS, {"end": fenced["lsn"]}).fetchone()
            if seen and not seen[0]:
                break  # it is promoted already
            if seen and seen[1]:
                break
            if fenced["lsn"] is not None and not self._answers(journal.given["endpoint"]):
                self._cut_off(journal.given["endpoint"], "it stopped answering while the standby was waited for")
                fenced = {**fenced, "lsn": None, "wanted": fenced["lsn"]}
            time.sleep(0.05)
        else:
            raise NotCaughtUp(
                f"{journal.given['to']} does not have all that {journal.given['primary']} has after "
                f"{self._catch_up_seconds:.0f} s: see why it does not stream (`cloudbill failover plan`), then try "
                "again"
            )
        wanted = fenced.get("wanted")
        lost = None if wanted is None or not seen else max(0, _bytes(wanted) - _bytes(seen[2]))
        if fenced["how"] == "database" and wanted is None:
            return {"lost_bytes": 0, "state_of": fenced["at"], "said": "it has all that was committed"}
        state_of = seen[3] if seen and isinstance(seen[3], datetime) else None
        return {
            "lost_bytes": lost,
            "state_of": state_of.isoformat() if state_of else fenced["at"],
            "said": f"it has what it received, up to {state_of or 'an unknown instant'}; what came after is lost",
        }

    def _answers(self, endpoint: str) -> bool:
        try:
            with self._ground.mover(endpoint):
                return True
        except (psycopg.Error, CloudError, OSError):
            return False

    def _refuse_reopened(self, journal: Journal) -> None:
        fenced = journal.result("fenced")
        if not fenced or fenced["how"] != "database":
            return
        # One that does not answer is closed all the same: what it was told is on its disk.
        with suppress(psycopg.Error, CloudError, OSError), self._ground.mover(journal.given["endpoint"]) as old:
            if fence.standing(old).is_open:
                raise NotReady(
                    f"{journal.given['endpoint']} was opened again by somebody since it was closed: see who does that, "
                    "then begin anew"
                )

    def _promote(self, journal: Journal) -> Document:
        promoted = self._ground.standbys.promote(journal.given["to"], region=journal.given.get("to_region"))
        return {"endpoint": promoted.endpoint, "at": wall_now().isoformat(), "said": f"{promoted.name} is a primary"}

    def _open(self, journal: Journal) -> Document:
        fenced, caught_up, promoted = (journal.result(step) for step in ("fenced", "caught_up", "promoted"))
        assert fenced
        assert caught_up
        assert promoted
        endpoint, epoch = promoted["endpoint"], int(fenced["epoch"])
        if endpoint != journal.given["to_endpoint"] and fenced["how"] == "database":
            with self._ground.mover(journal.given["endpoint"]) as old:
                epoch = fence.close(old, reason=_reason(journal), successor=endpoint)
        with self._ground.mover(endpoint) as new:
            now = fence.standing(new)
            if not (now.is_open and now.reason == _reason(journal)):
                if now.is_open:
                    fence.stand_by(new, reason=_reason(journal))
                _hold_worker(new, reason=f"failed over from {journal.given['primary']}: {journal.id}",
                             state_of=datetime.fromisoformat(caught_up["state_of"]),
                             nothing_lost=caught_up["lost_bytes"] == 0)  # fmt: skip
                fence.open_(new, max(now.epoch, epoch) + 1, reason=_reason(journal))
                now = fence.standing(new)
        return {
            "epoch": now.epoch,
            "at": now.changed_at.isoformat(),
            "said": f"{endpoint} takes writes in epoch {now.epoch}; its worker waits for a release",
        }

    def _switch(self, journal: Journal) -> Document:
        promoted, opened = journal.result("promoted"), journal.result("opened")
        assert promoted
        assert opened
        return {"said": self._ground.switch(promoted["endpoint"], epoch=opened["epoch"])}

    def _record(self, journal: Journal) -> Document:
        promoted = journal.result("promoted")
        assert promoted
        document = {key: value for key, value in journal.document.items() if key != "ended_at"}
        number = self._ground.record(promoted["endpoint"], document)
        return {"number": number, "said": f"evidence {number}" if number else "the journal keeps the evidence"}

    def _give_up(self, journal: Journal) -> None:
        """Nobody was promoted: the old primary serves again, where it still can.

        On the disk first: what was fenced once is not taken for fenced when somebody goes on later.
        """
        journal.begin("given_up")
        with suppress(psycopg.Error, CloudError, OSError), self._ground.mover(journal.given["endpoint"]) as old:
            now = fence.standing(old)
            if now.state == "closed" and now.reason == _reason(journal):
                fence.open_(old, now.epoch + 1, reason=f"not failed over: {journal.id}")
                self._say(f"{journal.given['endpoint']} takes writes again")
            journal.close("given up")


def _reason(journal: Journal) -> str:
    return f"failover {journal.id}"


def _hold_worker(new: psycopg.Connection[Any], *, reason: str, state_of: datetime, nothing_lost: bool) -> None:
    new.execute(
        "INSERT INTO worker_holds (id, reason, state_of, nothing_lost, held_at) SELECT %s, %s::text, %s, %s, %s "
        "WHERE NOT EXISTS (SELECT FROM worker_holds WHERE reason = %s)",
        [new_id(), reason, state_of, nothing_lost, wall_now(), reason],
    )


def _bytes(position: str) -> int:
    high, _, low = position.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


_PROGRESS = """
SELECT pg_is_in_recovery(),
       CASE WHEN NOT pg_is_in_recovery() THEN true
            WHEN %(end)s::pg_lsn IS NOT NULL THEN pg_last_wal_replay_lsn() >= %(end)s::pg_lsn
            ELSE pg_last_wal_receive_lsn() IS NULL OR pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn() END,
       coalesce(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END, '0/0')::text,
       pg_last_xact_replay_timestamp()
"""
