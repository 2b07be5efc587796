"""A drill where the installation runs in a cloud: Cloud SQL's fake restores, and behind the address that it gives is a
PostgreSQL that was really restored.
"""

import errno
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest

from core.foundation.database import Database
from core.foundation.embedded.postgres import EmbeddedPostgres
from core.foundation.settings import Settings, SettingsInvalid, load_settings
from core.operations.backups.restoring import Restores
from core.operations.clouds import gcp_instances
from core.operations.clouds import google as asking
from core.operations.clouds.gcp_copies import FROM
from core.operations.recovery import evidence
from core.operations.recovery.application import CopyInCloud, settings_of_copy
from core.operations.recovery.drilling import run_drill
from core.operations.recovery.left_over import the_only_drill
from tests.operations.recovery.conftest import Installation
from tests.operations.recovery.test_drills import ask
from tests.support.cloud_sql import DATABASE, PROJECT, REGION, CloudSql
from tests.support.google import Google, Refused, fake

NOT_ALLOWED = Refused(403, "The client is not authorized to make this request.", reason="notAuthorized")


class Cloud:
    """What Google's fake makes of a clone is made of the installation's own backups."""

    def __init__(self, google: Google, installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
        self.google, self.sql = google, CloudSql(google, address="127.0.0.1")
        self.sql.add()
        self.sql.add_run(datetime.now(UTC) - timedelta(minutes=2))
        self.restores = Restores(installation.settings())
        self.monkeypatch, self.servers = monkeypatch, dict[str, EmbeddedPostgres]()
        for method, effect in (("clone", "CLONE"), ("restoreBackup", "RESTORE_VOLUME")):
            self._stand_behind(f"sql.instances.{method}", effect)
        delete = google.answers["sql.instances.delete"]

        def gone(call: Any) -> dict[str, Any]:
            answer = delete(call)
            self.clear()
            return answer

        google.answers["sql.instances.delete"] = gone

    def clear(self) -> None:
        """The servers are gone, as their instances are."""
        for name, server in self.servers.items():
            server.stop()
            self.restores.drop(name)
        self.servers.clear()

    def _stand_behind(self, method: str, kind: str) -> None:
        usual = self.google.answers[method]

        def answer(call: Any) -> dict[str, Any]:
            name = call.body.get("cloneContext", {}).get("destinationInstanceName") or call.path["instance"]
            operation = usual(call)
            restored = self.restores.restore("latest", into=name)
            self.servers[name] = restored.server
            self.sql.instances[name]["serverCaCert"] = {}  # no TLS in this server
            self.monkeypatch.setattr(gcp_instances, "PORT", restored.server.port)
            return operation

        self.google.answers[method] = answer


@pytest.fixture
def cloud(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with fake() as google:
        for name, value in google.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(asking, "sleep", lambda seconds: None)
        monkeypatch.setattr(gcp_instances, "sleep", lambda seconds: None)
        cloud = Cloud(google, installation, monkeypatch)
        yield cloud
        cloud.clear()


def settings_of(installation: Installation) -> Settings:
    return installation.settings(cloud="gcp", cloud_region=REGION, cloud_project=PROJECT, cloud_database=DATABASE)


def test_the_cloud_restores_and_the_copy_is_served_verified_and_deleted(
    installation: Installation, cloud: Cloud
) -> None:
    drill = run_drill(settings_of(installation), "pitr")
    assert (drill.error, drill.checked.findings) == (None, [])
    assert drill.passed
    assert (drill.checked.tenants, drill.checked.entries, drill.checked.sums) == (2, 8, {"USD": 0})
    assert set(drill.steps) == {"restored", "served", "verified"}
    assert drill.rpo_seconds is not None
    assert 40 <= drill.rpo_seconds < 100, "to the end of the window, which is 40 s behind"
    assert drill.database_bytes > 5_000_000
    assert cloud.google.changes == ["sql.instances.clone", "sql.instances.patch", "sql.instances.delete"]
    assert sorted(cloud.sql.instances) == [DATABASE]
    assert cloud.restores.names() == []
    document = ask(installation, evidence.list_pieces)[0].document
    assert (document["place"], document["passed"]) == ("gcp", True)
    assert document["targets"]["rto_seconds"] == 1800


def test_a_copy_that_could_not_be_deleted_fails_the_drill(installation: Installation, cloud: Cloud) -> None:
    cloud.google.fail("sql.instances.delete", NOT_ALLOWED)
    drill = run_drill(settings_of(installation), "snapshot")
    assert (drill.error, drill.passed, drill.checked.entries) == (None, False, 8)
    assert drill.rpo_seconds is not None
    assert 360 <= drill.rpo_seconds < 420, "to the begin of the newest backup"
    [finding] = drill.checked.findings
    assert "was not deleted, and costs on" in finding
    assert "may not cloudsql.instances.delete" in finding
    assert cloud.google.changes == ["sql.instances.insert", "sql.instances.restoreBackup", "sql.instances.patch"]
    assert ask(installation, evidence.list_pieces)[0].document["checked"]["findings"] == [finding]


def test_what_goes_wrong_is_kept_as_evidence(installation: Installation, cloud: Cloud) -> None:
    cloud.google.fail("sql.instances.clone", NOT_ALLOWED)
    drill = run_drill(settings_of(installation), "pitr")
    assert not drill.passed
    assert "cloud_refused: Google Cloud refused to restore" in str(drill.error)
    assert "may not cloudsql.instances.clone" in str(drill.error)
    assert ask(installation, evidence.list_pieces)[0].document["error"] == drill.error
    drill = run_drill(settings_of(installation), "dropped-table")
    assert "in a cloud, pitr asks for the same" in str(drill.error)
    cloud.sql.runs[DATABASE].clear()
    assert "there is no backup to restore" in str(run_drill(settings_of(installation), "snapshot").error)


def test_the_end_of_evidence_from_a_task_that_only_reads_the_folder_is_noted_by_the_worker(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = settings_of(installation)
    end = settings.heads_path / "recovery-evidence.json"

    def noted() -> int:
        return int(orjson.loads(end.read_bytes())["number"])

    def catch_up() -> list[str]:
        return ask(installation, lambda database: evidence.catch_up(database, settings))

    newest = ask(installation, evidence.list_pieces)[0].number
    end.rename(tmp_path / "end")
    assert catch_up() == ["the signed end of the evidence is gone"], "what was taken away is not made anew"
    shutil.move(tmp_path / "end", end)
    assert (catch_up(), noted()) == ([], newest)

    with monkeypatch.context() as patched:
        refused = OSError(errno.EROFS, "Read-only file system")
        patched.setattr(evidence, "_note_end", Mock(side_effect=refused))
        number = ask(installation, lambda database: evidence.record(database, settings, "drill", {"passed": True}))
    assert (number, noted()) == (newest + 1, newest)
    assert (catch_up(), noted()) == ([], newest + 1)


def test_a_copy_in_a_cloud_proves_who_it_is(installation: Installation, tmp_path: Any) -> None:
    given = installation.settings(
        database_operator_url="postgresql://o:p@10.0.0.3:5432/cloudbill?sslmode=verify-ca&sslrootcert=/old.pem"
    )
    for ca, root in ((tmp_path / "ca.pem", str(tmp_path / "ca.pem")), (None, "/old.pem")):
        moved = settings_of_copy(given, CopyInCloud(host="10.0.0.9", port=5432, ca=ca)).operator_url
        assert moved.startswith("postgresql://o:p@10.0.0.9:5432/cloudbill?")
        assert dict(parse_qsl(urlsplit(moved).query)) == {"sslmode": "verify-ca", "sslrootcert": root}


def test_a_cloud_without_its_parts_is_refused_by_name() -> None:
    with pytest.raises(SettingsInvalid, match="CLOUD=gcp needs CLOUD_DATABASE, CLOUD_PROJECT as well"):
        load_settings(cloud="gcp", cloud_region="us-central1")


def test_copies_that_killed_drills_left_are_dropped_by_the_next_one_and_told_where_they_cannot_be(
    installation: Installation, cloud: Cloud
) -> None:
    settings, original = settings_of(installation), cloud.sql.instances[DATABASE]["settings"]["userLabels"]

    async def note(database: Database) -> None:
        for copy in (*left, "drill-20260801-061500", "drill-20260801-071500"):
            await evidence.record(database, settings, "drill_begun", {"copy": copy})

    labels = {"drill-20260801-031500": {**original, FROM: DATABASE}, "drill-20260801-041500": dict(original)}
    left, others = sorted(labels), {"drill-20260801-071500": {"stack": "other"}, "drill-of-mine": dict(original)}
    for name, given in (labels | others).items():
        made = cloud.sql.add(name)
        made["settings"] = {**made["settings"], "userLabels": given, "deletionProtectionEnabled": False}
    ask(installation, note)
    cloud.google.fail("sql.instances.delete", NOT_ALLOWED)  # the newest of them that is ours
    drill = run_drill(settings, "pitr")
    foreign, refused = drill.checked.findings
    assert "drill-20260801-071500 was not made by a restore" in foreign
    assert refused.startswith("drill-20260801-041500, left by a drill that was killed, was not deleted, and costs on: ")
    assert (drill.error, drill.passed, len(drill.dropped)) == (None, False, 1)
    assert sorted(cloud.sql.instances) == sorted([DATABASE, "drill-20260801-041500", *others])
    begun = ask(installation, lambda database: evidence.list_pieces(database, kind="drill_begun"))
    assert [piece.document["copy"] for piece in begun][0] == drill.dropped[0]
    with the_only_drill(settings) as alone, the_only_drill(settings) as second:
        assert (alone, second) == (True, False)  # one that runs keeps what is its own
