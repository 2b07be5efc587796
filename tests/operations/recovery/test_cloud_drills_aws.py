"""A drill where the installation runs on AWS: RDS's emulator restores, and behind the address that it gives stands a
real PostgreSQL, which was really restored.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from core.foundation.embedded.postgres import EmbeddedPostgres
from core.foundation.settings import Settings
from core.operations.backups.restoring import Restores
from core.operations.recovery import evidence
from core.operations.recovery.drilling import run_drill
from tests.operations.clouds.aws import original
from tests.operations.clouds.aws.conftest import REGION, as_role, aws, emulator, proxy
from tests.operations.recovery.conftest import Installation
from tests.operations.recovery.test_drills import ask
from tests.support.faults import Fault, Faults

__all__ = ["as_role", "aws", "emulator", "proxy"]  # fixtures


class Cloud:
    """What RDS makes of a snapshot or an instant is made of the installation's own backups."""

    def __init__(self, aws: Faults, installation: Installation) -> None:
        self.made, self.restores = original.make(), Restores(installation.settings())
        self.server: EmbeddedPostgres | None = None
        now = datetime.now(UTC) - timedelta(minutes=2)
        original.window(aws, start=f"{now - timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}", end=f"{now:%Y-%m-%dT%H:%M:%SZ}")
        for name, effect in (
            ("RestoreDBInstance.*", self._restored), ("DescribeDBInstances", self._addressed),
            ("DeleteDBInstance", self._dropped),
        ):  # fmt: skip
            aws._add(Fault(re.compile(name), 10**6, alter=effect))

    def _restored(self, body: bytes) -> bytes:
        if found := re.search(rb"<DBInstanceIdentifier>(drill-[^<]+)<", body):
            self.server = self.restores.restore("latest", into=found[1].decode()).server
        return body

    def _addressed(self, body: bytes) -> bytes:
        if self.server is None:
            return body
        here = f"<Address>127.0.0.1</Address><Port>{self.server.port}</Port>".encode()
        return re.sub(rb"<Address>drill-[^<]*</Address><Port>\d+</Port>", here, body)

    def _dropped(self, body: bytes) -> bytes:
        if found := re.search(rb"<DBInstanceIdentifier>(drill-[^<]+)<", body):
            if self.server is not None:
                self.server.stop()
            self.restores.drop(found[1].decode())
        return body


@pytest.fixture
def cloud(installation: Installation, aws: Faults, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setattr("core.operations.clouds.aws_backups.POLL_SECONDS", 0.01)
    return Cloud(aws, installation)


def settings_of(installation: Installation) -> Settings:
    return installation.settings(cloud="aws", cloud_region=REGION, cloud_database=original.NAME)


def test_rds_restores_and_the_copy_is_served_verified_and_deleted(
    installation: Installation, aws: Faults, cloud: Cloud
) -> None:
    drill = run_drill(settings_of(installation), "pitr")
    assert (drill.error, drill.checked.findings) == (None, [])
    assert drill.passed
    assert (drill.checked.tenants, drill.checked.entries, drill.checked.sums) == (2, 8, {"USD": 0})
    assert set(drill.steps) == {"restored", "served", "verified"}
    assert drill.rpo_seconds is not None
    assert 100 <= drill.rpo_seconds < 400
    assert [aws.count(name) for name in ("RestoreDBInstanceToPointInTime", "DeleteDBInstance")] == [1, 1]
    assert (original.instances(), cloud.restores.names()) == ([original.NAME], [])
    document = ask(installation, evidence.list_pieces)[0].document
    assert (document["place"], document["passed"]) == ("aws", True)
    assert document["targets"]["rto_seconds"] == 3600


def test_a_missing_permission_is_kept_as_evidence_and_the_copy_is_deleted_whatever_happens(
    installation: Installation, aws: Faults, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = aws.refuse("CreateDBSnapshot", 403, "AccessDenied")
    fault.name = re.compile("RestoreDBInstance.*")
    aws._faults.insert(0, fault)
    drill = run_drill(settings_of(installation), "pitr")
    assert not drill.passed
    assert "may not rds:RestoreDBInstanceToPointInTime" in str(drill.error)
    assert drill.checked.findings == []
    assert ask(installation, evidence.list_pieces)[0].document["error"] == drill.error
    fault.times = 0

    def broken(*_: object, **__: object) -> None:
        raise OSError("the disk of the task is gone")

    monkeypatch.setattr("core.operations.recovery.cloud_drills.prove", broken)
    with pytest.raises(OSError, match="the disk of the task is gone"):
        run_drill(settings_of(installation), "pitr")
    assert (original.instances(), cloud.restores.names()) == ([original.NAME], [])
    check: Callable[[str], int] = aws.count
    assert check("DeleteDBInstance") == 1
