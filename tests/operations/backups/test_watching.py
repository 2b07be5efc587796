"""What looks after the backups goes on whatever fails, and says what is wrong."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from core.operations.backups import asking, standing
from core.operations.backups.application import open_application, take_application
from core.operations.backups.catalogue import Backup, Contents, Coverage
from core.operations.backups.errors import NoRoom, UnknownBackup
from core.operations.backups.measuring import look
from core.operations.backups.positions import windows
from core.operations.backups.pruning import prune
from core.operations.backups.standing import Standing, troubles
from core.operations.backups.taking import take
from core.operations.backups.verification import verify
from core.operations.backups.watching import SLOT
from core.operations.clouds.base import Backups
from core.operations.clouds.local import LocalBackups
from core.operations.recovery import looking
from tests.operations.backups.conftest import History, Original, eventually

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def backup_of(at: datetime) -> Backup:
    return Backup(
        id="b",
        kind="database",
        file="database/b",
        size=1,
        sha256="",
        plain_size=1,
        plain_sha256="",
        keys=[],
        started_at=at,
        finished_at=at,
        reason="scheduled",
        system="1",
        version="18.4",
        timeline=1,
        start_lsn="0/2000028",
        end_lsn="0/2000100",
        segment_bytes=2**24,
    )


def contents(*, good: timedelta, log: timedelta) -> Contents:
    coverage = Coverage(system="1", lsn="0/2000100", until=NOW - log, tail=None, shipped_at=NOW)
    return Contents(entries=[backup_of(NOW - good)], coverage={"1": coverage})


@pytest.mark.parametrize(
    ("found", "standing_is", "keys"),
    [
        (contents(good=DAY, log=timedelta(seconds=9)), {}, []),
        (contents(good=2 * DAY, log=timedelta(seconds=9)), {}, ["missing"]),
        (contents(good=DAY, log=timedelta(minutes=6)), {}, ["log"]),
        (contents(good=DAY, log=timedelta(0)), {"failures": 2, "last_error": "no room"}, ["failed"]),
        (contents(good=DAY, log=timedelta(0)), {"application_error": "no room"}, ["application"]),
        (contents(good=DAY, log=timedelta(0)), {"slot": "lost"}, ["slot"]),
        (contents(good=DAY, log=timedelta(0)), {"seen_at": NOW - timedelta(minutes=6)}, ["silent"]),
        (Contents(), {"began_at": NOW - timedelta(minutes=16)}, ["missing", "log"]),
        (Contents(faults=[("catalogue_old", "it is old")]), {"began_at": NOW}, ["catalogue"]),
    ],
)
def test_what_is_wrong_is_said(found: Contents, standing_is: dict[str, object], keys: list[str]) -> None:
    stands = Standing(**{"seen_at": NOW, "began_at": NOW - DAY, **standing_is})
    assert [trouble.key for trouble in troubles(found, stands, now=NOW, interval=DAY)] == keys


def test_a_lost_slot_is_noted_as_a_gap_and_followed_by_a_new_backup(history: History) -> None:
    original = history.original
    with psycopg.connect(original.server.admin_url(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'")
        connection.execute("ALTER SYSTEM SET wal_keep_size = 0")
        connection.execute("SELECT pg_reload_conf()")
        for _ in range(5):
            connection.execute("SELECT pg_logical_emit_message(true, 'x', 'y')")
            connection.execute("SELECT pg_switch_wal()")
        connection.execute("CHECKPOINT")
        lost = connection.execute("SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s", [SLOT])
        assert lost.fetchone() == ("lost",)
        connection.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
        connection.execute("ALTER SYSTEM RESET wal_keep_size")
        connection.execute("SELECT pg_reload_conf()")
    with original.watched():
        eventually(lambda: len(original.catalogue.read().backups("database")) == 2)
        eventually(lambda: not look(original.settings(), now=datetime.now(UTC)))
    found = {finding.check for finding in verify(original.settings())}
    assert found == {"log_gap", "log_missing"}
    assert [gap.reason for gap in original.catalogue.read().gaps(history.backup.system)] == [
        "the replication slot was lost"
    ]
    seen = looking._here(original.settings(), datetime.now(UTC))
    (hole,) = seen["holes"]
    newest = original.catalogue.read().backups("database")[-1]
    assert hole == {
        "start": windows(original.catalogue.read())[0].end,
        "end": newest.finished_at,
        "reason": "the replication slot was lost",
    }
    assert [key["opens_here"] for key in seen["keys"]] == [True]


def test_a_full_disk_is_refused_before_it_is_full(original: Original) -> None:
    before = original.catalogue.read().backups("database")
    with pytest.raises(NoRoom, match="BACKUP_KEEP_FREE_MB"):
        take(original.settings(backup_keep_free_mb=90_000_000), reason="manual")
    assert original.catalogue.read().backups("database") == before
    with original.watched(backup_keep_free_mb=90_000_000):
        stands = eventually(lambda: (s := standing.find(original.catalogue.folder)) and s.stream_error and s)
        assert "stay free" in stands.stream_error


def test_pruning_keeps_what_the_retention_needs(history: History) -> None:
    settings = history.original.settings()
    newest = history.original.catalogue.read().backups("database")[-1]
    assert prune(settings, now=newest.finished_at) == []
    dropped = prune(settings, now=newest.finished_at + timedelta(days=30))
    assert history.backup.id in {entry.id for entry in dropped if isinstance(entry, Backup)}
    assert [backup.id for backup in history.original.catalogue.read().backups("database")] == [newest.id]
    assert not (settings.backups_folder / history.backup.file).exists()
    assert list(verify(settings)) == []


def test_an_application_backup_holds_configuration_stacks_secrets_and_heads_but_not_its_own_key(
    original: Original,
) -> None:
    settings = original.settings(ledger_signing_key=None, token_issuer="issuer-of-ours")
    heads = original.folder / "ledger-heads"
    heads.mkdir()
    (heads / "a.head").write_text("signed")
    backup = take_application(settings, reason="manual")
    whole = (settings.backups_folder / backup.file).read_bytes()
    assert b"postgres-postgres" not in whole
    into = original.folder / "opened"
    names = open_application(settings, backup.id, into=into)
    assert {"configuration.json", "home/ledger-heads/a.head", "home/secrets/postgres-postgres"} <= set(names)
    assert {"stacks/Pulumi.prod.yaml", "stacks/Pulumi.dev-gcp.yaml", "home/backup-keys/signing.key"} <= set(names)
    assert not any("identity" in name for name in names)
    assert (into / "home/secrets/postgres-postgres").read_text() == (
        original.folder / "secrets/postgres-postgres"
    ).read_text()
    assert '"TOKEN_ISSUER": "issuer-of-ours"' in (into / "configuration.json").read_text()
    with pytest.raises(UnknownBackup, match="no application backup nothing"):
        open_application(settings, "nothing", into=original.folder / "elsewhere-opened")
    assert list(verify(settings, wanted=backup.id)) == []


def test_this_machine_answers_as_a_cloud_does(history: History) -> None:
    backups: Backups = LocalBackups(history.original.settings())
    newest = backups.list_backups()[-1]
    span = backups.restorable()[-1]
    assert (newest.reason, span.start) == ("scheduled", newest.finished_at)
    assert span.end >= span.start
    assert backups.prune() == []


def test_a_backup_that_is_asked_for_is_taken_by_what_looks_after_them_and_answered(history: History) -> None:
    folder = history.original.catalogue.folder
    asking.ask(folder, asking.Asked(id="one", at=datetime.now(UTC)))
    asking.ask(folder, asking.Asked(id="other", at=datetime.now(UTC)))
    assert not asking.take_back(folder, "one")
    with history.original.watched():
        answered = eventually(lambda: asking.find_answer(folder, "other"))
    newest = history.original.catalogue.read().backups("database")[-1]
    assert (answered.backup, answered.error, newest.reason) == (newest.id, None, "asked for")
    assert asking.find_asked(folder) is None
    assert asking.find_answer(folder, "one") is None
    with history.original.watched(backup_keep_free_mb=90_000_000):
        asking.ask(folder, asking.Asked(id="third", at=datetime.now(UTC)))
        refused = eventually(lambda: asking.find_answer(folder, "third"))
    assert refused.backup is None
    assert "BACKUP_KEEP_FREE_MB" in refused.error
