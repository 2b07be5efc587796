"""Drills of an installation that runs in a cloud: the cloud restores beside, and the copy is proven as everywhere.

The copy is an instance of its own, deleted at the end; the original is only read.
"""

import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from core.foundation.clock import wall_now
from core.foundation.settings import Settings
from core.operations.clouds.base import Backups, Place, RestoredDatabase, StoredBackup, backups_of
from core.operations.clouds.errors import CloudError, DatabaseNotFound
from core.operations.recovery.application import CopyInCloud, settings_of_copy
from core.operations.recovery.drilling import Drill, Say, prove
from core.operations.recovery.errors import CopyDoesNotServe, NothingToDrill
from core.operations.recovery.left_over import PREFIX, begin_in_cloud, the_only_drill


def drill_in_cloud(settings: Settings, drill: Drill, say: Say) -> None:
    """`pitr` to the newest instant, `snapshot` to the newest backup. Raises CloudError, DrillError."""
    if drill.scenario not in ("pitr", "snapshot"):
        raise NothingToDrill(
            f"{drill.scenario} is practised where PostgreSQL is ours to restore: in a cloud, pitr asks for the same"
        )
    place = Place(cloud=settings.cloud, region=settings.cloud_region or "", project=settings.cloud_project)
    backups = backups_of(place, settings.cloud_database or "", say=say)
    newest = max(backups.list_backups(), key=lambda one: one.finished_at, default=None)
    if drill.scenario == "snapshot" and newest is None:
        raise NothingToDrill("there is no backup to restore: `cloudbill backup create` makes one")
    to = newest.name if drill.scenario == "snapshot" and newest else "latest"
    with the_only_drill(settings) as alone:
        if alone:
            for finding in begin_in_cloud(settings, backups, _name(drill), say):
                drill.checked.find(finding)
        _restore_and_prove(settings, backups, to, drill, say, newest=newest)


def _restore_and_prove(
    settings: Settings, backups: Backups, to: str, drill: Drill, say: Say, *, newest: StoredBackup | None
) -> None:
    disaster, began = wall_now(), time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="cloudbill-drill-") as folder,
        _scratch(backups, to, drill, say) as restored,
    ):
        Path(folder).chmod(0o711)
        drill.backup = newest.name if newest else ""
        drill.reached_at = restored.reached_at
        drill.target = to if to != "latest" else str(restored.reached_at)
        if restored.reached_at:
            # The cloud may put more of the log away while it is asked.
            drill.rpo_seconds = round(max((disaster - restored.reached_at).total_seconds(), 0.0), 3)
        copy = _copy(restored, Path(folder))
        drill.database_bytes = _size(settings, copy)
        prove(settings, copy, drill, say, began=began, folder=Path(folder))


@contextmanager
def _scratch(backups: Backups, to: str, drill: Drill, say: Say) -> Generator[RestoredDatabase]:
    """An instance named drill-…, which is all that the drill's account may make and delete; gone afterwards."""
    name = _name(drill)
    started = time.monotonic()
    say.copies.append(name)
    try:
        with say.step("restored", f"restoring into {name}"):
            restored = backups.restore(to, into=name)
        drill.steps["restored"] = round(time.monotonic() - started, 3)
        yield restored
    finally:
        _drop(backups, name, drill)


def _name(drill: Drill) -> str:
    return f"{PREFIX}{drill.started_at:%Y%m%d-%H%M%S}"


def _drop(backups: Backups, name: str, drill: Drill) -> None:
    try:
        backups.drop(name)
        drill.dropped.append(name)
    except DatabaseNotFound:
        drill.dropped.append(name)  # the restore did not come so far
    except CloudError as error:
        # It costs money each hour: said where the evidence is read, and never hidden by what failed before.
        drill.checked.find(f"{name} was not deleted, and costs on: {error.detail}")


def _copy(restored: RestoredDatabase, folder: Path) -> CopyInCloud:
    host, _, port = restored.endpoint.rpartition(":")
    ca = None
    if restored.ca:
        ca = folder / "ca.pem"
        ca.write_text(restored.ca, encoding="ascii")
    return CopyInCloud(host=host, port=int(port), ca=ca)


def _size(settings: Settings, copy: CopyInCloud) -> int:
    """Whether anybody gets in is seen here, too. Raises CopyDoesNotServe."""
    url = settings_of_copy(settings, copy).operator_url
    try:
        with psycopg.connect(url, connect_timeout=60) as connection:
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    except psycopg.Error as error:
        said = str(error).strip().splitlines()
        raise CopyDoesNotServe(
            f"the restored server takes no sign-in: {said[0] if said else 'it said nothing'}"
        ) from None
    return int(row[0]) if row else 0
