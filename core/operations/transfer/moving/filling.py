"""The target is filled: prepared, copied under the source's snapshot, then indexes, keys, triggers, row security."""

import time
from functools import partial
from typing import Any

from core.foundation import fence
from core.operations.transfer import schema
from core.operations.transfer.moving import copying, marks
from core.operations.transfer.moving.copying import Progress
from core.operations.transfer.moving.errors import StreamBroken
from core.operations.transfer.moving.handing_over import reason
from core.operations.transfer.moving.holder import Holder
from core.operations.transfer.moving.working import Work
from core.operations.transfer.receiving import align_partitions
from core.operations.transfer.tables import inventory, settle


class Filling(Work):
    """From an empty target to one that can follow."""

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
        with self.ends.target.connect("copy") as target:
            if fence.standing(target).state != "standby":
                fence.stand_by(target, reason=reason(self.journal.id))
        with (
            settle(self.ends.source.connect("copy")) as source,
            settle(self.ends.target_owner.connect("strip")) as owner,
        ):
            # Lines of a run that broke may still be at work there, behind a wire that does not tell the servers.
            for connection in (source, owner):
                marks.end_leftovers(connection, purposes="(copy-|strip|rebuild|begin)")
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
                marks.end_leftovers(target, purposes="copy-")
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
        with settle(self.ends.target_owner.connect("rebuild")) as owner:
            marks.end_leftovers(owner, purposes="(rebuild|analyze)")
        schema.rebuild(partial(self.ends.target_owner.connect, "rebuild"), jobs=self.choices.jobs, say=self.say)
        with settle(self.ends.target_owner.connect("tables")) as owner:
            tables = inventory(owner)  # not before: without its key a table cannot be listed
        schema.analyze(partial(self.ends.target_owner.connect, "analyze"), tables, jobs=self.choices.jobs)
        self.journal.enter("following")

    def _copied(self, progress: Progress, holder: int | None) -> dict[str, Any]:
        left = progress.seconds_left
        return {
            "holder": holder,
            "chunks": f"{progress.chunks_done}/{progress.chunks}",
            "rows": f"{progress.rows_done}/{progress.rows}",
            "megabytesASecond": round(progress.rate / 1e6, 1),
            "secondsLeft": round(left) if left is not None else None,
        }
