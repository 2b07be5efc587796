"""Drills restore for real, on a server of their own, and their evidence stays as it was written."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg
import pytest

from core.foundation.database import Database
from core.foundation.embedded.postgres import EmbeddedPostgres
from core.operations.backups.catalogue import Catalogue
from core.operations.backups.positions import windows
from core.operations.backups.restoring import Restores
from core.operations.records import erasing
from core.operations.recovery import evidence, holding
from core.operations.recovery.adopting import adopt
from core.operations.recovery.application import settings_of_copy
from core.operations.recovery.checking import check
from core.operations.recovery.drilling import run_drill
from core.operations.recovery.errors import CopyContradicts, NothingToDrill
from core.operations.recovery.releasing import release_all
from tests.operations.backups.conftest import eventually, restoring
from tests.operations.recovery.conftest import Installation

Result = TypeVar("Result")


def ask(installation: Installation, work: Callable[[Database], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        database = Database(installation.settings())
        try:
            return await work(database)
        finally:
            await database.dispose()

    return asyncio.run(run())


def faults(installation: Installation) -> list[str]:
    async def check(database: Database) -> list[str]:
        return [fault async for fault in evidence.check(database, installation.settings())]

    return ask(installation, check)


def test_a_drill_restores_serves_verifies_measures_and_keeps_its_evidence(installation: Installation) -> None:
    drill = run_drill(installation.settings(), "pitr")
    assert drill.error is None
    assert drill.checked.findings == []
    assert drill.passed
    assert (drill.checked.tenants, drill.checked.entries, drill.checked.sums) == (2, 8, {"USD": 0})
    assert drill.checked.accounts == 4
    assert drill.checked.invoices == 1
    assert drill.checked.counts["ledger_entries"] == [8, 8]
    assert set(drill.steps) == {"restored", "served", "verified"}
    assert drill.rpo_seconds is not None
    assert 0 < drill.rpo_seconds < 300
    assert drill.rto_seconds is not None
    assert sum(drill.steps.values()) <= drill.rto_seconds + 0.5
    kept = ask(installation, evidence.list_pieces)
    assert [(piece.number, piece.kind) for piece in kept] == [(drill.evidence, "drill")]
    assert kept[0].document["rto_seconds"] == drill.rto_seconds
    assert kept[0].document["targets"]["rto_seconds"] == 3600
    assert Restores(installation.settings()).names() == []
    assert faults(installation) == []


def test_a_table_dropped_in_a_copy_is_brought_back(installation: Installation) -> None:
    drill = run_drill(installation.settings(), "dropped-table")
    assert drill.error is None
    assert drill.checked.findings == []
    assert drill.checked.entries == 8
    assert drill.passed
    assert installation.execute("SELECT count(*) FROM ledger_entries") == (8,)


def test_a_copy_whose_money_differs_fails_the_drill(installation: Installation) -> None:
    installation.alter("UPDATE ledger_entries SET balance_after_micro = balance_after_micro + 1 WHERE version = 4")
    try:
        drill = run_drill(installation.settings(), "pitr")
    finally:
        installation.alter("UPDATE ledger_entries SET balance_after_micro = balance_after_micro - 1 WHERE version = 4")
    assert not drill.passed
    assert len(drill.checked.findings) == 1
    assert "has 4994000 micro at version 4; the original had 4994001" in drill.checked.findings[0]
    assert not drill.document()["targets"]["met"]["rto"]
    assert ask(installation, evidence.list_pieces)[0].document["passed"] is False


def test_an_invoice_in_a_copy_that_is_not_what_it_was_computed_from_is_named(installation: Installation) -> None:
    changed = "UPDATE invoice_lines SET amount_minor = amount_minor + {0}, net_minor = net_minor + {0}"
    installation.alter(changed.format(1))
    try:
        checked = ask(installation, lambda database: check(database, None))
    finally:
        installation.alter(changed.format(-1))
    assert checked.invoices == 1
    assert checked.findings[0] == (
        "invoice of acme INV-00001 line 1 (setup): line: "
        "amount_minor is 1201, but comes to 1200; net_minor is 1201, but comes to 1200"
    )
    assert ask(installation, lambda database: check(database, None)).findings == []


def test_a_drill_without_a_backup_is_refused_and_a_broken_one_is_kept_as_failed(installation: Installation) -> None:
    nothing = installation.settings(backups_path=installation.folder / "nothing")
    with pytest.raises(NothingToDrill, match="cloudbill backup create"):
        run_drill(nothing, "snapshot")
    keyless = installation.settings(backup_identity_path=installation.folder / "nowhere")
    drill = run_drill(keyless, "snapshot")
    assert not drill.passed
    assert drill.error is not None
    assert drill.error.startswith("backup_key_missing: ")
    assert ask(installation, evidence.list_pieces)[0].document["error"] == drill.error


def test_evidence_is_never_changed_and_a_change_behind_the_database_is_seen(installation: Installation) -> None:
    for url in (installation.server.url(), installation.server.url("cloudbill_app")):
        for statement in (
            "UPDATE recovery_evidence SET document = '{}'",
            "DELETE FROM recovery_evidence",
            "TRUNCATE recovery_evidence",
            "INSERT INTO recovery_evidence SELECT * FROM recovery_evidence",
        ):
            with psycopg.connect(url) as connection, pytest.raises(psycopg.Error):
                connection.execute(statement)
    last = ask(installation, evidence.list_pieces)[0].number
    was = installation.execute("SELECT document FROM recovery_evidence WHERE number = 1")[0]
    installation.alter("UPDATE recovery_evidence SET document = replace(document, 'pitr', 'none') WHERE number = 1")
    assert "evidence 1 was altered: its hash is not that of its document" in faults(installation)
    installation.execute("SELECT 1")
    with psycopg.connect(installation.server.admin_url("cloudbill"), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE recovery_evidence SET document = %s WHERE number = 1", [was])
        connection.execute("CREATE TABLE aside AS SELECT * FROM recovery_evidence WHERE number = %s", [last])
        connection.execute("DELETE FROM recovery_evidence WHERE number = %s", [last])
    assert faults(installation) == [f"evidence {last} was signed and is gone or was replaced"]
    installation.alter("INSERT INTO recovery_evidence SELECT * FROM aside", "DROP TABLE aside")
    assert faults(installation) == []
    end = installation.settings().heads_path / "recovery-evidence.json"
    signed = end.read_bytes()
    for content in (signed.replace(b'"number":', b'"number":1'), b"{}", b"[]", b"nothing"):
        end.write_bytes(content)
        assert faults(installation) == ["the signed end of the evidence does not carry our signature"]
    end.write_bytes(signed)
    assert faults(installation) == []


def test_the_worker_of_a_restored_copy_is_held_until_it_is_released(installation: Installation) -> None:
    async def walk(copy: Database) -> None:
        held = await holding.list_open(copy)
        assert [hold.reason.partition(" from ")[0] for hold in held] == ["restored as held"]
        released = await release_all(copy, settings, by="a test")
        assert released is not None
        assert (released.holds, released.events) == (1, 0)
        assert await holding.list_open(copy) == []
        assert await release_all(copy, settings, by="a test") is None

    with restoring(Restores(installation.settings()), "latest", "held") as restored:
        settings = settings_of_copy(installation.settings(), restored.server)
        settings = settings.model_copy(update={"ledger_heads_path": installation.folder / "heads-of-the-copy"})

        async def run() -> None:
            copy = Database(settings)
            try:
                await walk(copy)
            finally:
                await copy.dispose()

        asyncio.run(run())
        with (
            psycopg.connect(restored.server.url()) as connection,
            pytest.raises(psycopg.Error, match="stays on record"),
        ):
            connection.execute("DELETE FROM worker_holds")
    assert ask(installation, holding.list_open) == []


def test_a_copy_put_in_place_keeps_what_it_replaced_and_signs_its_chains_anew(installation: Installation) -> None:
    restores, settings = Restores(installation.settings()), installation.settings()
    restored = restores.restore("latest", into="adopted")
    restored.server.stop()
    original = installation.folder / "postgres"
    tenant, ada = installation.execute("SELECT tenant_id, id FROM customers WHERE external_id = 'ada@example.com'")
    erasing.note(settings, tenant_id=str(tenant), subject_kind="customer", subject_id=str(ada))  # erased since
    adopted = adopt(settings, "adopted")
    try:
        assert [path.name.partition(".replaced-")[0] for path in adopted.set_aside] == ["ledger-heads", "postgres"]
        assert (adopted.shortened, adopted.erased) == (0, 1)
        assert restores.names() == []
        own = EmbeddedPostgres(
            original,
            installation.server.binaries,
            secrets=installation.folder / "secrets",
            log=installation.folder / "own.log",
        )
        with own, psycopg.connect(own.url()) as connection:
            assert connection.execute("SELECT count(*) FROM ledger_entries").fetchone() == (8,)
            assert connection.execute("SELECT count(*) FROM open_worker_holds()").fetchone() == (1,)
            assert connection.execute("SELECT kind FROM recovery_evidence ORDER BY number DESC").fetchone() == (
                "restore",
            )
            with psycopg.connect(own.admin_url("cloudbill")) as admin:
                person = admin.execute("SELECT external_id FROM customers WHERE id = %s", [ada]).fetchone()
            assert person == (f"erased-{ada}",)
        assert len(erasing.noted(settings)) == 1
        assert len(list((settings.heads_path / "audit").glob("*.head"))) == 1
        assert len(list(settings.heads_path.glob("*.head"))) == 1
    finally:
        replaced = next(path for path in adopted.set_aside if path.name.startswith("postgres"))
        shutil.rmtree(original)
        replaced.rename(original)


def test_a_copy_that_contradicts_the_signed_heads_is_not_put_in_place(installation: Installation) -> None:
    restores, settings = Restores(installation.settings()), installation.settings()
    with restoring(restores, "latest", "altered") as restored:
        with psycopg.connect(restored.server.admin_url("cloudbill"), autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute("UPDATE audit_blocks SET hash = sha256('another')")
            with pytest.raises(CopyContradicts, match="is not the one that was signed: this copy's audit log"):
                adopt(settings, "altered")
            restored.server.start()
        with psycopg.connect(restored.server.admin_url("cloudbill"), autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute("UPDATE ledger_blocks SET hash = sha256('another')")
        with pytest.raises(CopyContradicts, match="is not the one that was signed: this copy's ledger"):
            adopt(settings, "altered")
    assert installation.execute("SELECT count(*) FROM ledger_entries") == (8,)
    assert len(list(settings.heads_path.glob("*.head"))) == 1


def test_a_lost_place_is_restored_from_its_copy_alone_and_without_one_it_is_said_how_to_have_it(
    installation: Installation,
) -> None:
    with pytest.raises(NothingToDrill, match="name a folder on another disk or machine with BACKUPS_COPY_PATH"):
        run_drill(installation.settings(), "region-loss")
    settings = installation.settings(backups_copy_path=installation.folder / "elsewhere-copy")
    with pytest.raises(NothingToDrill, match="no base backup to restore in .*elsewhere-copy"):
        run_drill(settings, "region-loss")
    there = Catalogue(installation.folder / "elsewhere-copy", installation.catalogue.keys)
    with installation.watched(backups_copy_path=there.folder):
        now = installation.execute("SELECT clock_timestamp()")[0]
        eventually(lambda: there.exists and max((w.end for w in windows(there.read())), default=now) > now)
    lost = settings.backups_folder.rename(settings.backups_folder.with_name("lost"))
    try:
        drill = run_drill(settings, "region-loss")
    finally:
        lost.rename(settings.backups_folder)
    assert drill.error is None
    assert drill.checked.findings == []
    assert drill.passed
    assert drill.document()["targets"]["rto_seconds"] == 3600
    assert there.read().doubts == []
