"""Restores, with a real server, real backups and a real archive of its log."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from core.foundation.embedded.secret_files import SecretFiles
from core.operations.backups.errors import Damaged, KeyMissing, NameTaken, OutsideWindow, UnknownBackup, WrongKey
from core.operations.backups.restoring import Restored, Restores
from core.operations.backups.verification import verify
from tests.operations.backups.conftest import History, restoring


def rows(restored: Restored) -> list[str]:
    with psycopg.connect(restored.server.url()) as connection:
        return [row[0] for row in connection.execute("SELECT what FROM happened")]


def test_a_restore_comes_to_the_instant_and_leaves_the_original_alone(history: History) -> None:
    restores = Restores(history.original.settings())
    with restoring(restores, history.between, "between") as restored:
        assert rows(restored) == ["first", "second"]
        assert restored.reached_at is not None
        assert timedelta() <= history.between - restored.reached_at < timedelta(seconds=5)
        assert restores.port("between") == restored.server.port != history.original.server.port
        with psycopg.connect(restored.server.url()) as connection:  # promoted: it takes writes
            connection.execute("INSERT INTO happened VALUES ('here only')")
        assert history.original.execute("SELECT count(*) FROM happened") == (4,)
        with pytest.raises(NameTaken):
            restores.restore("latest", into="between")
        assert rows(restored) == ["first", "second", "here only"]
    assert restores.names() == []


def test_without_an_instant_everything_archived_is_there_on_a_machine_that_knows_no_password(history: History) -> None:
    secrets = history.original.folder / "secrets"
    restores = Restores(history.original.settings())
    hidden = secrets.rename(secrets.with_name("hidden"))
    try:
        with restoring(restores, "latest", "latest") as restored:
            assert rows(restored) == ["first", "second", "third", "fourth"]
            own = SecretFiles(restored.server.secrets.folder).find("postgres-postgres")
            assert own != SecretFiles(hidden).find("postgres-postgres")
    finally:
        hidden.rename(secrets)


def test_a_backup_by_its_name_is_restored_to_its_own_end(history: History) -> None:
    with restoring(Restores(history.original.settings()), history.backup.id, "snapshot") as restored:
        assert rows(restored) == []
        assert restored.target.goal == "backup"


@pytest.mark.parametrize(
    "to", [datetime(2001, 1, 1, tzinfo=UTC), datetime(2190, 1, 1, tzinfo=UTC)], ids=["before", "after"]
)
def test_an_instant_outside_is_refused_with_what_can_be_reached(history: History, to: datetime) -> None:
    restores = Restores(history.original.settings())
    with pytest.raises(OutsideWindow) as refused:
        restores.restore(to, into="outside")
    assert f"{history.backup.finished_at:%Y-%m-%dT%H:%M:%S}Z to " in refused.value.detail
    assert restores.names() == []


def test_what_cannot_be_restored_is_named_and_leaves_nothing(history: History) -> None:
    restores = Restores(history.original.settings())
    with pytest.raises(UnknownBackup, match="no base backup 20010101T000000000Z"):
        restores.restore("20010101T000000000Z", into="unknown")
    with pytest.raises(UnknownBackup, match="cannot be a name"):
        restores.restore("latest", into="../escape")
    with history.copy() as settings:
        (settings.backups_folder / history.backup.file).unlink()
        with pytest.raises(Damaged, match=r"\.tar\.gz\.age is missing"):
            Restores(settings).restore("latest", into="missing")
    assert restores.names() == []
    assert list(restores.folder.glob("*")) == []


def test_without_the_private_key_or_with_another_nothing_opens(history: History, tmp_path: Any) -> None:
    nowhere = history.original.settings(backup_identity_path=tmp_path / "nowhere.txt")
    with pytest.raises(KeyMissing, match="nowhere.txt"):
        Restores(nowhere).restore("latest", into="keyless")
    other = tmp_path / "other.txt"
    other.write_text("AGE-SECRET-KEY-1DGWL3XD48ELE95TDR2J0LJK0PFEQE2NPUUKAR560N378GKFUV2USA44LY2\n")
    with pytest.raises(WrongKey, match="sealed to another key"):
        Restores(history.original.settings(backup_identity_path=other)).restore("latest", into="otherwise")
    assert Restores(nowhere).names() == []


def test_a_restore_beside_a_running_watch_is_not_disturbed_by_it(history: History) -> None:
    with history.original.watched():
        for _ in range(5):  # each takes longer than the watch needs to replace the log's unfinished end
            assert list(verify(history.original.settings())) == []
        with restoring(Restores(history.original.settings()), "latest", "beside") as restored:
            assert rows(restored) == ["first", "second", "third", "fourth"]
