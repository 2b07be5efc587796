"""Killed at any moment, an export and an import go on, and do again at most what each worker had under way."""

import multiprocessing
import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.foundation.settings import Settings
from core.operations.clouds.objects import objects_at
from core.operations.transfer import importing, schema, sets
from core.operations.transfer.differing import compare
from core.operations.transfer.digests import digest
from core.operations.transfer.documents import own_public_keys
from core.operations.transfer.errors import TransferError
from core.operations.transfer.exporting import export
from core.operations.transfer.inspecting import inspect
from core.operations.transfer.tables import inventory, settle
from tests.support.twins import Twins

CHUNK = 25_000
JOBS = 2


def killed_after(seconds: float, work: Callable[..., object], *arguments: Any, **named: Any) -> bool:
    """Runs it in a process of its own and kills that; whether it was still at it."""
    child = multiprocessing.get_context("fork").Process(target=_alone, args=(work, arguments, named))
    child.start()
    child.join(seconds)
    under_way = child.exitcode is None
    if under_way:
        assert child.pid
        os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert under_way or child.exitcode == 0
    return under_way


def _alone(work: Callable[..., object], arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    os.setpgrp()
    try:
        work(*arguments, **named)
    except BaseException:
        traceback.print_exc()
        os._exit(3)
    os._exit(0)


def connected(url: str) -> psycopg.Connection[Any]:
    return settle(psycopg.connect(url, autocommit=True))


@pytest.mark.timeout(3600)
def test_a_killed_export_goes_on_and_is_the_same(
    source: Settings, tmp_path: Path, pytestconfig: pytest.Config, record_property: Any
) -> None:
    chance = random.Random(pytestconfig.getoption("--proof-seed"))
    count = (pytestconfig.getoption("--proof-count") or 6) // 2
    started = time.monotonic()
    whole = export(source, str(tmp_path / "whole"), chunk_bytes=CHUNK, jobs=JOBS)
    lasts = time.monotonic() - started
    kills = kept = again = number = 0
    while kills < count:
        number += 1
        folder = tmp_path / f"set-{number}"
        if not killed_after(chance.uniform(0, lasts), export, source, str(folder), chunk_bytes=CHUNK, jobs=JOBS):
            continue
        if (folder / "manifest.json").exists():
            continue  # killed after its last word: there is nothing to go on with
        kills += 1
        noted = len(list((folder / "records").rglob("*.json"))) if folder.exists() else 0
        files = len(list((folder / "data").rglob("*.gz"))) if (folder / "data").exists() else 0
        planned = sets.find_json(objects_at(str(folder)), sets.PLAN)
        done = export(source, str(folder), chunk_bytes=CHUNK, jobs=JOBS)
        assert done.kept == noted, "what was noted is not done again"
        if planned is not None:  # not the plan of `whole`: a table that was vacuumed since is cut in other places
            assert done.kept + done.copied == sum(len(table["chunks"]) for table in planned["tables"])
        assert files - noted <= JOBS, "a chunk a worker was under way"
        kept, again = kept + noted, again + max(0, files - noted)
        assert done.manifest["ledgerSums"] == whole.manifest["ledgerSums"]
        objects = objects_at(str(folder))
        assert list(inspect(objects, sets.read_manifest(objects, believed=own_public_keys(source)))) == []
        assert not [path.name for path in folder.rglob(".*") if time.time() - path.stat().st_mtime < 0]
    record_property("result", f"exports killed {kills} times: {kept} chunks kept, {again} done again")


@pytest.mark.timeout(3600)
def test_a_killed_import_goes_on_and_is_the_same(
    source: Settings,
    twins: Twins,
    settings_of: Callable[..., Settings],
    tmp_path: Path,
    pytestconfig: pytest.Config,
    record_property: Any,
) -> None:
    chance = random.Random(pytestconfig.getoption("--proof-seed"))
    count = (pytestconfig.getoption("--proof-count") or 6) // 2
    export(source, str(tmp_path / "set"), chunk_bytes=CHUNK, jobs=JOBS)
    lasts, kills, kept, number = 3.0, 0, 0, 0
    while kills < count:
        number += 1
        place = twins.place("new", f"cloudbill_test_killed_{number}")
        target = settings_of(place, cache="valkey", number=4)
        started = time.monotonic()
        after = chance.uniform(0, lasts)
        if not killed_after(after, importing.import_set, target, str(tmp_path / "set"), jobs=JOBS):
            lasts = time.monotonic() - started  # it was faster than that
            twins.drop(place)
            continue
        kills += 1
        noted = _noted(target)
        if noted is None:  # only its last words were missing: there is nothing to go on with
            with pytest.raises(TransferError, match="the target holds rows"):
                importing.import_set(target, str(tmp_path / "set"), jobs=JOBS)
            _is_the_same(source, target)
            continue
        if number % 3 == 0:
            assert importing.clean(target) in (True, False)
            noted = 0
        done = importing.import_set(target, str(tmp_path / "set"), jobs=JOBS)
        assert done.kept == noted
        kept += done.kept
        _is_the_same(source, target)
        twins.drop(place)
    record_property("result", f"imports killed {kills} times: {kept} chunks kept")


def _noted(target: Settings) -> int | None:
    """Chunks that are in; None when the import was over but for its last words."""
    deadline = time.monotonic() + 20
    with connected(target.owner_url) as owner:
        while owner.execute(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        ).fetchall():  # what the killed one had asked for ends first
            assert time.monotonic() < deadline
            time.sleep(0.02)
        if schema.standing(owner) is None:
            held = owner.execute("SELECT count(*) FROM worker_holds").fetchone()
            return None if held and held[0] else 0
        return len(schema.copied(owner))


def _is_the_same(source: Settings, target: Settings) -> None:
    with connected(source.mover_url) as here, connected(target.mover_url) as there:
        assert [(one.table, one.kind) for one in compare(here, there, inventory(here))] == [("worker_holds", "extra")]
        assert schema.differences(schema.describe(here), schema.describe(there)) == []
        assert schema.standing(there) is None


def test_an_export_that_goes_on_is_of_the_later_instant_wholly(
    twins: Twins, settings_of: Callable[..., Settings], tmp_path: Path
) -> None:
    from tests.support.moved_books import furnish

    place = twins.place("old", "cloudbill_test_changing")
    settings = settings_of(place, cache="redis", number=6)
    furnish(place, tenants=2, users=150)
    folder = str(tmp_path / "set")
    copied = 0

    def stop_halfway(words: str) -> None:
        nonlocal copied
        if "Redis" in words:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(settings, folder, chunk_bytes=CHUNK, say=stop_halfway)
    # All chunks are there, and then the world goes on: rows are added, changed and deleted.
    with connected(place.url("admin")) as admin:
        admin.execute("SET session_replication_role = replica")
        admin.execute("UPDATE customers SET name = 'another' WHERE external_id = 'user-7'")
        admin.execute("DELETE FROM accounts WHERE kind = 'receivable' AND id::text < '8'")
        admin.execute("INSERT INTO users (id, email, password_hash) VALUES (gen_random_uuid(), 'new@b.test', 'x')")
    done = export(settings, folder, chunk_bytes=CHUNK)
    assert done.kept > done.copied > 2
    with connected(settings.mover_url) as mover:
        now = digest(mover, inventory(mover), salt=done.manifest["salt"])
    assert done.manifest["root"] == now.root()
    objects = objects_at(folder)
    assert list(inspect(objects, sets.read_manifest(objects, believed=own_public_keys(settings)))) == []
    twins.drop(place)
