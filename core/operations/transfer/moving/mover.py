"""A move from its beginning to the switch and beyond. Each phase can be entered again after a kill at any line."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from core.foundation import fence
from core.foundation.settings import Settings
from core.operations.transfer import schema
from core.operations.transfer.digests import Digests
from core.operations.transfer.moving import certificate, copying, ending, marks
from core.operations.transfer.moving.changes import Shape
from core.operations.transfer.moving.copying import Progress
from core.operations.transfer.moving.errors import (
    MoveError,
    SchemaChanged,
    ServerUnreachable,
    SnapshotLost,
    StreamBroken,
)
from core.operations.transfer.moving.following import BEAT, Follower, Way
from core.operations.transfer.moving.handing_over import HandedOver, hand_over, open_other, reason
from core.operations.transfer.moving.holder import Holder
from core.operations.transfer.moving.journal import Ends, Journal
from core.operations.transfer.moving.replication import Line
from core.operations.transfer.moving.rolling import Rolling, Touched
from core.operations.transfer.moving.servers import Endpoint
from core.operations.transfer.receiving import align_partitions
from core.operations.transfer.tables import Table, inventory, settle

NEAR_SECONDS = 2.0
FEW_ROWS = 20_000
LOOK_SECONDS = 15.0
TRIES = 20


class Stopped(Exception):
    """Somebody asked this process to end; the move stays as it is."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How it is done."""

    jobs: int = 2
    chunk_bytes: int = 16 * 2**20
    waits_before_switch: bool = False
    """Follows until `cloudbill move switch`."""
    ends_after_switch: bool = False
    """The way back is armed and followed by `cloudbill move resume`; this process ends."""


class Mover:
    """Works on one move; `run` returns when there is nothing more to do or raises what stopped it."""

    def __init__(self, settings: Settings, journal: Journal, choices: Choices, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.journal = journal
        self.choices = choices
        self.say = say
        self.ends: Ends = journal.ends()
        self._status: dict[str, Any] = {}
        self._started = time.monotonic()

    def run(self) -> None:
        """From where it is to where it can go by itself."""
        with self._alone():
            for phase, work in (
                ("preparing", self._prepare),
                ("copying", self._copy),
                ("rebuilding", self._rebuild),
            ):
                if self.journal.phase == phase:
                    self._persist(work)
            if self.journal.phase in ("following", "switching"):
                self._persist(self._follow_and_switch)
            if self.journal.phase == "switched" and not self.choices.ends_after_switch:
                self._follow_back()

    def roll_back(self) -> None:
        """The same pause the other way round: the old side serves again, with all that the new one took."""
        with self._alone():
            if self.journal.phase == "switched":
                self.journal.enter("rolling back")
            self._persist(self._switch_back)
            ending.clean_after_rollback(self.journal, self.ends)
            self.journal.enter("rolled back")
            self._end()

    @contextmanager
    def _alone(self) -> Generator[None]:
        with self.journal.claimed(), ExitStack() as claims:
            self.journal.answered("stop")
            for endpoint in (self.ends.source, self.ends.target):
                claims.enter_context(marks.claim(endpoint, self.journal.id))
            yield

    def _persist(self, work: Callable[[], None]) -> None:
        """Tries again what a broken line stopped, and says what it waits for."""
        tries = 0
        while True:
            began = time.monotonic()
            try:
                work()
                return
            except (StreamBroken, ServerUnreachable, SnapshotLost) as error:
                tries = 1 if time.monotonic() - began > 60 else tries + 1
                if tries > TRIES:
                    raise
                self.say(f"waits: {error.detail}")
                self.show(waitsFor=error.detail)
                self._pause(min(5.0, 0.2 * 2**tries))
            except psycopg.OperationalError as error:
                tries += 1
                if tries > TRIES:
                    raise StreamBroken(f"a line broke: {str(error).splitlines()[0]}") from None
                self._pause(min(5.0, 0.2 * 2**tries))

    def _prepare(self) -> None:
        self.say(f"{self.ends.source.place} → {self.ends.target.place}")
        with self.ends.source.connect("prepare") as source, self.ends.target.connect("prepare") as target:
            marks.note(source, self.journal.id, side="source", other=self.ends.target.host_port, phase="preparing")
            marks.note(target, self.journal.id, side="target", other=self.ends.source.host_port, phase="preparing")
            if fence.standing(target).state != "standby":
                fence.stand_by(target, reason=reason(self.journal.id))
        self.journal.enter("copying")

    def _copy(self) -> None:
        holder = Holder(self.journal)
        with (
            settle(self.ends.source.connect("copy")) as source,
            settle(self.ends.target_owner.connect("strip")) as owner,
        ):
            tables = inventory(source)
            if schema.standing(owner) is None:
                align_partitions(owner, schema.describe(source))
            schema.strip(owner, tables, source=str(self.journal.id))
            slot = holder.find()
            if slot is None:
                self.show(step="waiting for the source's snapshot")
                marks.publish(source, self.journal.name, [table.name for table in tables])
                slot = holder.start()
            with settle(self.ends.target.connect("copied")) as target:
                foreign = {mark for mark in schema.copied(target).values() if mark != str(slot.lsn)}
            if foreign:
                self.say("the snapshot was lost: what was copied under it is thrown away, the copy begins anew")
                copying.begin_anew(self.ends, tables)
        ranges = copying.plan(self.ends, tables, slot, chunk_bytes=self.choices.chunk_bytes)
        progress = Progress()
        self.say(f"copying {len(tables)} tables in {len(ranges)} chunks")
        with self._showing(lambda: self._copied(progress, holder.pid)):
            copying.copy(
                self.ends, ranges, slot, progress, jobs=self.choices.jobs, is_stopped=lambda: self._is_asked("stop")
            )
        self._heed()
        with self.ends.target.connect("copied") as target:
            missing = {(one.table.name, one.number) for one in ranges} - schema.copied(target).keys()
            if missing:
                raise StreamBroken(f"{len(missing)} chunks are missing on the target: they are copied again")
            marks.set_position(target, self.journal.id, "forward", slot.lsn)
        self.journal.enter(
            "rebuilding", copiedBytes=progress.bytes, copySeconds=round(time.monotonic() - progress.began, 1)
        )

    def _rebuild(self) -> None:
        Holder(self.journal).stop()
        self.show(step="indexes, keys, triggers, row security")
        schema.rebuild(self.ends.target_owner.url, jobs=self.choices.jobs, say=self.say)
        with self.ends.target_owner.connect("analyze") as owner:
            owner.execute("ANALYZE")
        self.journal.enter("following")

    def _follow_and_switch(self) -> None:
        if self._finish_switch():
            return
        if self.journal.phase == "switching":  # killed before the source was closed: it serves, nothing has happened
            self.journal.enter("following")
        serving, other = self.ends.source, self.ends.target
        touched = Touched()
        follower = self._follower("forward", touched)
        with self._following(follower, serving):
            with settle(serving.connect("tables")) as source:
                tables = inventory(source)
            handed = self._near(
                follower, tables, touched, serving, other, arm=self._arm, wait_for_word=self.choices.waits_before_switch
            )
            self._certify(handed, "certificate.json")
        self._finish_switch()

    def _finish_switch(self) -> bool:
        """The rest of a switch whose point of no return was passed; False when it was not."""
        with settle(self.ends.source.connect("finish")) as source, settle(self.ends.target.connect("finish")) as target:
            here = fence.standing(source)
            if here.state != "closed" or here.reason != reason(self.journal.id):
                return False
            open_other(source, target, self.journal.id)
            marks.drop_slot(self.ends.source, source, self.journal.name)
            marks.unpublish(source, self.journal.name)
            for connection, side, other in ((source, "source", self.ends.target), (target, "target", self.ends.source)):
                marks.note(connection, self.journal.id, side=side, other=other.host_port, phase="switched")
        with settle(self.ends.target_owner.connect("forget")) as owner:
            schema.forget(owner)
        if "certificate.json" not in {path.name for path in self.journal.folder.iterdir()}:
            self._certify_from_journal()
        self.journal.enter("switched")
        self.say(f"{self.ends.target.place} serves now; {self.ends.source.place} is kept up to date for a rollback")
        return True

    def _arm(self) -> None:
        """The way back: from here on the old side can follow. Armed before anybody writes on the new one."""
        with self.ends.target.connect("arm") as target, self.ends.source.connect("arm") as source:
            marks.set_position(source, self.journal.id, "back", marks.log_end(target))

    def _prepare_way_back(self) -> None:
        """Slot and publication on the target, made before the pause; what the applier wrote up to it is skipped."""
        with settle(self.ends.target.connect("way-back")) as target:
            if marks.slot_standing(target, self.journal.back) is None:
                marks.publish(target, self.journal.back, [table.name for table in inventory(target)])
                line = Line(self.ends.target, "way-back")
                try:
                    line.create_slot(self.journal.back)
                finally:
                    line.close()

    def _follow_back(self) -> None:
        follower = self._follower("back", None)
        with self._following(follower, self.ends.target):
            while True:
                self._heed()
                if follower.failure:
                    raise follower.failure
                time.sleep(0.2)

    def _switch_back(self) -> None:
        serving, other = self.ends.target, self.ends.source
        with settle(serving.connect("finish")) as a, settle(other.connect("finish")) as b:
            here = fence.standing(a)
            if here.state == "closed" and here.reason == reason(self.journal.id):
                open_other(a, b, self.journal.id)
                return
            if fence.standing(b).is_open:
                raise MoveError("the old side takes writes already: both would")
        touched = Touched()
        follower = self._follower("back", touched)
        with self._following(follower, serving):
            with settle(serving.connect("tables")) as source:
                tables = inventory(source)
            handed = self._near(follower, tables, touched, serving, other, arm=lambda: None, wait_for_word=False)
            self._certify(handed, "certificate-rollback.json", back=True)

    def _near(
        self,
        follower: Follower,
        tables: list[Table],
        touched: Touched,
        serving: Endpoint,
        other: Endpoint,
        *,
        arm: Callable[[], None],
        wait_for_word: bool,
    ) -> HandedOver:
        """Follows until the other side is near, compares, and hands over; again when the pause would be too long."""
        self._until(lambda: self._lag(follower) is not None and (self._lag(follower) or 0) < NEAR_SECONDS * 5, follower)
        self.say("comparing both sides, whole")
        self.show(step="comparing both sides, whole")
        rolling = Rolling(serving, other, tables, salt=self.journal.id.hex, touched=touched)
        try:
            began = time.monotonic()
            rolling.begin()
            self.journal.note(verifySeconds=round(time.monotonic() - began, 1))
            # Definitions and months once more: what differs now would differ in the pause.
            looked = 0.0
            tries = 0
            while True:
                self._heed()
                if follower.failure:
                    raise follower.failure
                if time.monotonic() - looked > LOOK_SECONDS:
                    self._align(serving, other)
                    if serving is self.ends.source:
                        self._prepare_way_back()
                    looked = time.monotonic()
                left = rolling.catch_up()
                ready = left < FEW_ROWS and (self._lag(follower) or 99) < NEAR_SECONDS
                waits = wait_for_word and not self.journal.is_asked("switch")
                self.show(step="near: waits for `cloudbill move switch`" if ready and waits else "near", touched=left)
                if not ready or waits:
                    time.sleep(0.3)
                    continue
                tries += 1
                try:
                    handed = hand_over(
                        move_id=self.journal.id,
                        serving=serving,
                        other=other,
                        follower=follower,
                        rolling=rolling,
                        arm=arm,
                        about_to_close=lambda: self._about_to_close(rolling, serving),
                        step=lambda word: self.show(step=f"pause: {word}"),
                    )
                except StreamBroken as error:
                    if tries >= TRIES or follower.failure:
                        raise
                    self.say(f"not yet: {error.detail}")
                    self._pause(1.0)
                    if rolling.left.connection.broken or rolling.right.connection.broken:
                        raise
                    continue
                self.say(f"handed over; nobody could write for {handed.pause_seconds:.2f} s")
                return handed
        finally:
            rolling.close()

    def _about_to_close(self, rolling: Rolling, serving: Endpoint) -> None:
        # What a certificate needs, should this process die before it is written.
        left, right = rolling.left.digests(), rolling.right.digests()
        self.journal.enter(
            "switching" if serving is self.ends.source else "rolling back",
            digests=[left.to_json(), right.to_json()],
        )

    def _align(self, serving: Endpoint, other: Endpoint) -> None:
        with settle(serving.connect("align")) as a, settle(other.connect("align")) as b:
            here = schema.describe(a)
            align_partitions(b, here)
            wrong = schema.differences(here, schema.describe(b))
        wrong = [line for line in wrong if "usage_events_2" not in line]
        if wrong:
            raise SchemaChanged(
                f"the definitions were altered during the move: {'; '.join(wrong[:3])}; `cloudbill move abort`, bring "
                "both sides to the same, then start anew"
            )

    def _certify(self, handed: HandedOver, name: str, *, back: bool = False) -> None:
        serving, other = (self.ends.target, self.ends.source) if back else (self.ends.source, self.ends.target)
        about = {
            "from": serving.place,
            "to": other.place,
            "history": self.journal.document["history"],
            "pauseMilliseconds": int(handed.pause_seconds * 1000),
            "rowsComparedInThePause": handed.compared_rows,
        }
        document = certificate.compose(
            move_id=str(self.journal.id), about=about, left=handed.left, right=handed.right, books=handed.books
        )
        path = certificate.write(self.journal.folder, name, document, self.settings)
        self.journal.note(pauseSeconds=handed.pause_seconds, certificate=str(path))
        self.say(f"certificate: {path}")

    def _certify_from_journal(self) -> None:
        left, right = (Digests.from_json(one) for one in self.journal.document["digests"])
        self._certify(
            HandedOver(left=left, right=right, books={}, pause_seconds=0.0, compared_rows=0), "certificate.json"
        )

    def _follower(self, direction: str, touched: Touched | None) -> Follower:
        forward = direction == "forward"
        source, target = (self.ends.source, self.ends.target) if forward else (self.ends.target, self.ends.source)
        with settle(target.connect("shapes")) as connection:
            tables = inventory(connection)
        shapes = {
            table.name: Shape(
                name=table.name, types={one.name: one.type for one in table.columns}, key=table.key, order=number
            )
            for number, table in enumerate(tables)
        }
        name = self.journal.name if forward else self.journal.back
        way = Way(
            move_id=self.journal.id,
            direction=direction,
            source=source,
            target=target,
            slot=name,
            publication=name,
            shapes=shapes,
        )
        return Follower(way, touched=touched)

    @contextmanager
    def _following(self, follower: Follower, serving: Endpoint) -> Generator[None]:
        """Runs it, writes beats into the serving side's log, and shows how far it is."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.is_set():
                with suppress(psycopg.Error, MoveError), serving.connect("beat") as connection:
                    while not ended.wait(0.5):
                        marks.emit(connection, f"{BEAT}{time.time():.3f}")
                ended.wait(1.0)

        thread = threading.Thread(target=beat, name="beat", daemon=True)
        thread.start()
        follower.start()
        try:
            with self._showing(lambda: self._followed(follower)):
                yield
        finally:
            ended.set()
            follower.stop()
            thread.join(5)

    def _lag(self, follower: Follower) -> float | None:
        return None if follower.beat is None else max(0.0, time.time() - follower.beat)

    def _until(self, ready: Callable[[], bool], follower: Follower) -> None:
        while not ready():
            self._heed()
            if follower.failure:
                raise follower.failure
            time.sleep(0.1)

    def _copied(self, progress: Progress, holder: int | None) -> dict[str, Any]:
        left = progress.seconds_left
        return {
            "holder": holder,
            "chunks": f"{progress.chunks_done}/{progress.chunks}",
            "rows": f"{progress.rows_done}/{progress.rows}",
            "megabytesASecond": round(progress.rate / 1e6, 1),
            "secondsLeft": round(left) if left is not None else None,
        }

    def _followed(self, follower: Follower) -> dict[str, Any]:
        lag = self._lag(follower)
        return {
            "lagSeconds": round(lag, 1) if lag is not None else None,
            "lagBytes": max(0, follower.server_end - follower.position),
            "transactions": follower.transactions,
            "rows": follower.rows,
            "waitsFor": follower.waits_for,
            "restarts": follower.restarts,
        }

    @contextmanager
    def _showing(self, more: Callable[[], dict[str, Any]]) -> Generator[None]:
        ended = threading.Event()

        def show() -> None:
            while not ended.wait(0.3):
                with suppress(OSError, RuntimeError):
                    self.show(**more())

        thread = threading.Thread(target=show, name="show", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(2)

    def show(self, **more: Any) -> None:
        """How it stands this second, for `cloudbill move status`."""
        self._status.update(more)
        self.journal.show({**self._status, "phase": self.journal.phase, "at": round(time.time(), 1)})

    def _is_asked(self, word: str) -> bool:
        return self.journal.is_asked(word)

    def _heed(self) -> None:
        if self._is_asked("stop"):
            raise Stopped

    def _pause(self, seconds: float) -> None:
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            self._heed()
            time.sleep(0.05)

    def _end(self) -> None:
        self.journal.forget_addresses()
        self.show(step="", waitsFor=None)

    @property
    def folder(self) -> Path:
        """Where the move's files lie."""
        return self.journal.folder
