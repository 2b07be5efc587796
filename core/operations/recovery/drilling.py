"""Drills: a real restore into a scratch server, the application on it, the money verified, the time measured.

RPO is what would have been lost: from the last transaction in the copy to the instant of the disaster. RTO is what it
took: from then until the application answered from a verified copy. The original is only read.
"""

import asyncio
import shutil
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy.exc import SQLAlchemyError

from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.settings import Settings
from core.operations.backups.errors import BackupError
from core.operations.backups.positions import windows
from core.operations.backups.restoring import Restored, Restores
from core.operations.backups.taking import catalogue_of
from core.operations.clouds.errors import CloudError
from core.operations.records.repeating import repeat_erasures
from core.operations.recovery import evidence
from core.operations.recovery.application import Copy, serving, settings_of_copy
from core.operations.recovery.checking import Checked, check
from core.operations.recovery.errors import DrillError, NothingToDrill, RunStopped
from core.operations.recovery.left_over import APPLICATION, clear_here, the_only_drill
from core.operations.recovery.progress import Progress
from core.operations.recovery.targets import RTO_SECONDS

Scenario = Literal["pitr", "snapshot", "dropped-table", "region-loss"]
SCENARIOS: tuple[Scenario, ...] = ("pitr", "snapshot", "dropped-table", "region-loss")
RPO_TARGET, RTO_TARGET = timedelta(minutes=5), timedelta(minutes=60)
Say = Progress


@dataclass
class Drill:
    """What a drill showed."""

    scenario: Scenario
    started_at: datetime
    place: str = "local"
    """Where it was run: local, aws, gcp."""
    backup: str = ""
    target: str = ""
    reached_at: datetime | None = None
    rpo_seconds: float | None = None
    rto_seconds: float | None = None
    steps: dict[str, float] = field(default_factory=dict[str, float])
    """Seconds of each step."""
    database_bytes: int = 0
    checked: Checked = field(default_factory=Checked)
    dropped: list[str] = field(default_factory=list[str])
    """Copies in a cloud that are surely gone."""
    erased_again: int = 0
    """Persons who were erased since the copy's instant, or before."""
    error: str | None = None
    finished_at: datetime | None = None
    evidence: int | None = None

    @property
    def passed(self) -> bool:
        """Restored, served and right; the targets are another question."""
        return self.error is None and self.rto_seconds is not None and not self.checked.findings

    def document(self) -> dict[str, Any]:
        """As it is kept and shown."""
        rto_target = float(RTO_SECONDS[self.place])
        met = {
            "rpo": self.rpo_seconds is not None and self.rpo_seconds <= RPO_TARGET.total_seconds(),
            "rto": self.rto_seconds is not None and self.rto_seconds <= rto_target,
        }
        fields = asdict(self)
        del fields["evidence"]
        return {
            **fields,
            "passed": self.passed,
            "targets": {
                "rpo_seconds": RPO_TARGET.total_seconds(),
                "rto_seconds": rto_target,
                "met": met if self.passed else {"rpo": False, "rto": False},
            },
        }


def run_drill(settings: Settings, scenario: Scenario, *, say: Say | None = None) -> Drill:
    """Runs one, and keeps its evidence, passed or failed. Raises NothingToDrill, RunStopped, and what keeping it leads
    to.
    """
    say = say or Progress()
    if settings.cloud == "local":
        catalogue = catalogue_of(_source(settings, scenario))
        if not catalogue.exists or not windows(catalogue.read()):
            raise NothingToDrill(
                f"there is no base backup to restore in {catalogue.folder}: `cloudbill backup create` makes one"
                + (", and what watches the backups copies it there" if scenario == "region-loss" else "")
            )
    drill = Drill(scenario=scenario, started_at=wall_now(), place=settings.cloud)
    try:
        if settings.cloud != "local":
            from core.operations.recovery.cloud_drills import drill_in_cloud

            drill_in_cloud(settings, drill, say)
        else:
            _drill_here(settings, drill, say)
    except RunStopped:
        raise  # it showed nothing
    except (BackupError, CloudError, DrillError) as error:
        drill.error = f"{error.code}: {error.detail}"
    drill.finished_at = wall_now()
    drill.evidence = asyncio.run(_keep(settings, drill))
    return drill


def _drill_here(settings: Settings, drill: Drill, say: Say) -> None:
    with the_only_drill(settings) as alone:
        if alone:
            clear_here(settings, say)
        if drill.scenario == "dropped-table":
            from core.operations.recovery.dropped import drill_dropped_table

            drill_dropped_table(settings, drill, say)
        else:
            _drill_restore(settings, _source(settings, drill.scenario), drill, say)


def _source(settings: Settings, scenario: Scenario) -> Settings:
    """With the backups that are left after the disaster. Raises NothingToDrill."""
    if scenario != "region-loss":
        return settings
    if settings.backups_copy_path is None:
        raise NothingToDrill(
            "the loss of a place is survived by a copy in another one, and there is none: name a folder on another "
            "disk or machine with BACKUPS_COPY_PATH (what watches the backups copies all of them there), then try again"
        )
    return settings.model_copy(update={"backups_path": settings.backups_copy_path.absolute()})


def _drill_restore(settings: Settings, source: Settings, drill: Drill, say: Say) -> None:
    contents = catalogue_of(source).believed()
    newest = max(windows(contents), key=lambda window: window.start).backup
    disaster = wall_now()
    began = time.monotonic()
    with scratch(source, newest.id if drill.scenario == "snapshot" else "latest", drill, say) as restored:
        lost_since = restored.reached_at or restored.target.backup.finished_at
        if restored.target.goal == "backup":
            lost_since = restored.target.backup.finished_at
        drill.reached_at = lost_since
        drill.rpo_seconds = round((disaster - lost_since).total_seconds(), 3)
        prove(settings, restored.server, drill, say, began=began, folder=restored.server.data_dir.parent)


@contextmanager
def scratch(settings: Settings, to: str | datetime, drill: Drill, say: Say) -> Generator[Restored]:
    """A restored server that is gone afterwards."""
    restores = Restores(settings)
    name = f"drill-{drill.started_at:%Y%m%d-%H%M%S}-{len(drill.steps)}"
    say.copies.append(name)
    with say.step("restored", "restoring a copy"):
        restored = restores.restore(to, into=name, say=say)
    try:
        drill.backup = restored.target.backup.id
        drill.target = restored.target.at.isoformat() if restored.target.at else restored.target.goal
        drill.database_bytes = restored.target.backup.plain_size
        drill.steps["restored"] = round(restored.seconds, 3)
        yield restored
    finally:
        restored.server.stop()
        restores.drop(name)


def prove(settings: Settings, server: Copy, drill: Drill, say: Say, *, began: float, folder: Path) -> None:
    """The application on the copy, and the money in it against the original's; RTO ends when both are done."""
    place = folder / APPLICATION
    place.mkdir(mode=0o711)
    started = time.monotonic()
    try:
        with ExitStack() as served:
            with say.step("served", "starting the application on it, read-only"):
                drill.erased_again = asyncio.run(_erase_again(settings, server, drill))
                served.enter_context(serving(settings, server, folder=place))
            drill.steps["served"] = round(time.monotonic() - started, 3)
            started = time.monotonic()
            with say.step("verified", "verifying ledgers, chains, invoices, balances and counts"):
                found, drill.checked = drill.checked.findings, asyncio.run(_check(settings, server))
                drill.checked.findings[:0] = found  # what was seen before it was checked
            drill.steps["verified"] = round(time.monotonic() - started, 3)
            drill.rto_seconds = round(time.monotonic() - began, 3)
    finally:
        shutil.rmtree(place, ignore_errors=True)


async def _erase_again(settings: Settings, server: Copy, drill: Drill) -> int:
    """Whoever was erased since, as before any copy serves."""
    copy = Database(settings_of_copy(settings, server))
    try:
        return await repeat_erasures(copy, settings, now=wall_now())
    except SQLAlchemyError as error:
        drill.checked.find(f"who was erased could not be erased again in the copy: {str(error).splitlines()[0]}")
        return 0
    finally:
        await copy.dispose()


async def _check(settings: Settings, server: Copy) -> Checked:
    copy, original = Database(settings_of_copy(settings, server)), Database(settings)
    try:
        return await check(copy, original)
    finally:
        await copy.dispose()
        await original.dispose()


async def _keep(settings: Settings, drill: Drill) -> int:
    database = Database(settings)
    try:
        return await evidence.record(database, settings, "drill", drill.document())
    finally:
        await database.dispose()
