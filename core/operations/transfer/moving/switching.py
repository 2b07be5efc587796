"""From following to the switch, and the same pause the other way round."""

import time
from collections.abc import Callable

from core.foundation import fence
from core.operations.transfer import schema
from core.operations.transfer.moving import certificate, handing, marks, proving
from core.operations.transfer.moving.accompanying import Accompanying
from core.operations.transfer.moving.errors import ClocksDiffer, MoveError, SchemaChanged, StreamBroken
from core.operations.transfer.moving.following import Follower
from core.operations.transfer.moving.handing_over import (
    Connection,
    HalfWay,
    HandedOver,
    hand_over,
    open_other,
    reason,
)
from core.operations.transfer.moving.pursuing import Pursuing
from core.operations.transfer.moving.replication import Line
from core.operations.transfer.moving.rolling import Rolling, Touched
from core.operations.transfer.moving.servers import Endpoint
from core.operations.transfer.receiving import align_partitions
from core.operations.transfer.tables import Table, inventory, settle

NEAR_SECONDS = 2.0
FEW_ROWS = 20_000
LOOK_SECONDS = 15.0
TRIES = 20
"""Pauses that were given up before they became too long, one after the other."""


OLD_SECONDS = 1800.0
MANY_ROWS = 2_000_000
"""A comparison that waits for its switch keeps a snapshot open on both sides, and what was written since in mind."""


class Switching(Accompanying, Pursuing):
    """Compares, hands over, and keeps the old side up to date."""

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
            opened_at = fence.standing(target).changed_at
            marks.drop_slot(self.ends.source, source, self.journal.name)
            marks.unpublish(source, self.journal.name)
            for connection, side, other in ((source, "source", self.ends.target), (target, "target", self.ends.source)):
                marks.note(connection, self.journal.id, side=side, other=other.host_port, phase="switched")
        with settle(self.ends.target_owner.connect("forget")) as owner:
            schema.forget(owner)
        if not (self.journal.folder / "certificate.json").exists():
            self._certify(handing.remembered(self.journal, opened_at), "certificate.json")
        self.journal.enter("switched")
        self.say(f"{self.ends.target.place} serves now; {self.ends.source.place} is kept up to date for a rollback")
        return True

    def _arm(self, source: Connection, target: Connection) -> None:
        """The way back: from here on the old side can follow. Armed before anybody writes on the new one."""
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
        self._point_again()
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
                if not (self.journal.folder / "certificate-rollback.json").exists():
                    opened_at = fence.standing(b).changed_at
                    self._certify(handing.remembered(self.journal, opened_at), "certificate-rollback.json", back=True)
                return
            if fence.standing(b).is_open:
                raise MoveError("the old side takes writes already: both would")
        touched = Touched()
        follower = self._follower("back", touched)
        with self._following(follower, serving):
            with settle(serving.connect("tables")) as source:
                tables = inventory(source)
            handed = self._near(follower, tables, touched, serving, other, arm=lambda a, b: None, wait_for_word=False)
            self._certify(handed, "certificate-rollback.json", back=True)

    def _near(
        self,
        follower: Follower,
        tables: list[Table],
        touched: Touched,
        serving: Endpoint,
        other: Endpoint,
        *,
        arm: Callable[[Connection, Connection], None],
        wait_for_word: bool,
    ) -> HandedOver:
        """Follows until the other side is near, compares, and hands over; again when the pause would be too long."""
        self._until(lambda: self._lag(follower) is not None and (self._lag(follower) or 0) < NEAR_SECONDS * 5, follower)
        while True:
            rolling = Rolling(serving, other, tables, salt=self.journal.id.hex, touched=touched)
            try:
                handed = self._near_once(follower, rolling, serving, other, arm=arm, wait_for_word=wait_for_word)
            finally:
                rolling.close()
            if handed is not None:
                return handed
            self.say("the comparison has become old while it waited: its snapshots are let go, and both compared anew")

    def _near_once(
        self,
        follower: Follower,
        rolling: Rolling,
        serving: Endpoint,
        other: Endpoint,
        *,
        arm: Callable[[Connection, Connection], None],
        wait_for_word: bool,
    ) -> HandedOver | None:
        began = self._compare_whole(rolling, serving, other)
        old_at = time.monotonic() + max(OLD_SECONDS, 5 * (time.monotonic() - began))
        looked = 0.0
        tries = 0
        while True:
            self._heed()
            if follower.failure:
                raise follower.failure
            if time.monotonic() - looked > LOOK_SECONDS:
                # Definitions, months and clocks once more: what differs now would differ in the pause.
                self._align(serving, other)
                if serving is self.ends.source:
                    self._prepare_way_back()
                looked = time.monotonic()
            self._refuse_waiting_ddl(rolling)
            left = rolling.catch_up()
            ready = left < FEW_ROWS and (self._lag(follower) or 99) < NEAR_SECONDS
            waits = wait_for_word and not self.journal.is_asked("switch")
            self.show(step="near: waits for `cloudbill move switch`" if ready and waits else "near", touched=left)
            if waits and (time.monotonic() > old_at or rolling.size > MANY_ROWS):
                return None
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
                    about_to_close=lambda began, compared: self._about_to_close(rolling, serving, began, compared),
                    step=lambda word: self.show(step=f"pause: {word}"),
                )
            except StreamBroken as error:
                if isinstance(error, HalfWay) or tries >= TRIES or follower.failure:
                    raise
                if self.journal.phase == "switching":
                    self.journal.enter("following")
                self.say(f"not yet: {error.detail}")
                if any(line.broken for side in (rolling.left, rolling.right) for line in side.lines):
                    raise
                self._pause(1.0)
                continue
            self.say(f"handed over; nobody could write for {handed.pause_seconds:.2f} s")
            return handed

    def _compare_whole(self, rolling: Rolling, serving: Endpoint, other: Endpoint) -> float:
        """All rows, and the books of the side that is to serve; when it began."""
        began = time.monotonic()
        self.say("comparing both sides, whole")
        self.show(step="comparing both sides, whole")
        rolling.begin()
        handing.remember_base(self.journal, rolling)
        self.journal.note(verifySeconds=round(time.monotonic() - began, 1))
        if serving is self.ends.source:  # who goes back is in haste: what was written since is proven either way
            self.say("recomputing the ledger on the target, whole")
            self.show(step="recomputing the ledger on the target, whole")
            entries = rolling.right.digests().rows("ledger_entries")
            checked = proving.prove_books(self.settings, other, entries=entries)
            self.journal.note(
                ledger={
                    "transactions": checked.transactions,
                    "blocks": checked.blocks,
                    "entries": checked.entries,
                    "sumsMicro": checked.sums,
                }
            )
        return began

    def _refuse_waiting_ddl(self, rolling: Rolling) -> None:
        # Whoever wants to read or write such a table waits behind it: the move gives way, not the installation.
        for side, name in ((rolling.left, "serving"), (rolling.right, "other")):
            if tables := side.stands_in_the_way_of():
                raise SchemaChanged(
                    f"somebody is altering {', '.join(tables)} on the {name} side during the move, which let it pass: "
                    "`cloudbill move abort`, bring both sides to the same, then start anew"
                )

    def _about_to_close(self, rolling: Rolling, serving: Endpoint, began: float, compared: int) -> None:
        # What a certificate needs, should this process die before it is written.
        handing.remember(self.journal, rolling, began=began, compared=compared)
        self.journal.enter("switching" if serving is self.ends.source else "rolling back")

    def _align(self, serving: Endpoint, other: Endpoint) -> None:
        with settle(serving.connect("align")) as a, settle(other.connect("align")) as b:
            here = schema.describe(a)
            align_partitions(b, here)
            wrong = schema.differences(here, schema.describe(b))
            apart = proving.clocks_apart(*((a, b) if serving is self.ends.source else (b, a)))
        if apart and serving is self.ends.source:
            raise ClocksDiffer(f"{apart}; then `cloudbill move resume`")
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
            "pauseMilliseconds": round(handed.pause_seconds * 1000),
            "pauseSteps": handed.steps,
            "rowsComparedInThePause": handed.compared_rows,
            **self._accompany(back=back),
        }
        document = certificate.compose(
            move_id=str(self.journal.id),
            about=about,
            left=handed.digests,
            right=handed.digests,
            books={**handed.books, **({} if back else {"ledger": self.journal.document.get("ledger")})},
        )
        path = certificate.write(self.journal.folder, name, document, self.settings)
        self.journal.note(pauseSeconds=handed.pause_seconds, certificate=str(path))
        self.say(f"certificate: {path}")
