"""On Google Cloud: the groundwork is laid once, and a database is backed up before a deployment."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from core.cli.bootstrap import app
from core.operations.clouds.base import Place
from core.operations.clouds.errors import CloudRefused, DatabaseNotFound
from core.operations.clouds.gcp import CloudSql
from core.operations.clouds.google import service
from tests.support.google import Call, Google, Refused, fake

PROJECT = "cloudbill-production"
WORDS = ("prod-gcp", "--repository", "acme/cloudbill")
PLACE = Place(cloud="gcp", region="us-central1", project=PROJECT)
KEY = f"projects/{PROJECT}/locations/us-central1/keyRings/cloudbill-state/cryptoKeys/state"


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    with fake() as google:
        for name, value in google.environment().items():
            monkeypatch.setenv(name, value)
        google.things[f"projects/{PROJECT}"] = {"name": "projects/42", "projectId": PROJECT}
        enabled: set[str] = set()

        def enable(call: Call) -> dict[str, Any]:
            enabled.add(call.path["name"])
            return {"name": "operations/1", "done": True}

        google.answers |= {
            "serviceusage.services.get": lambda call: {
                "name": call.path["name"], "state": "ENABLED" if call.path["name"] in enabled else "DISABLED",
            },
            "serviceusage.services.enable": enable,
            "storage.projects.serviceAccount.get": lambda _: {
                "email_address": "service-42@gs-project-accounts.iam.gserviceaccount.com"
            },
        }  # fmt: skip
        yield google


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    return result.exit_code, result.output


def test_a_look_changes_nothing_the_first_run_makes_all_and_the_second_nothing(google: Google) -> None:
    code, said = run(*WORDS, "--dry-run")
    assert (code, "22 of 22 parts would be made" in said, google.changes) == (0, True, [])
    code, said = run(*WORDS)
    assert code == 0
    assert "21 of 22 parts were made" in said  # a bucket is made in its form
    assert f"pulumi login gs://cloudbill-state-{PROJECT}" in said
    assert f"--secrets-provider='gcpkms://{KEY}'" in said
    provider = "projects/42/locations/global/workloadIdentityPools/github/providers/github"
    assert f"GCP_WORKLOAD_IDENTITY_PROVIDER={provider}" in said
    before = len(google.changes)
    code, said = run(*WORDS)
    assert (code, "0 of 22 parts were made" in said, len(google.changes) - before) == (0, True, 0)

    bucket = google.things[f"b/cloudbill-state-{PROJECT}"]
    assert bucket["versioning"] == {"enabled": True}
    assert bucket["encryption"] == {"defaultKmsKeyName": KEY}
    assert bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    assert google.things[KEY]["rotationPeriod"] == "7776000s"
    account = f"cloudbill-deploy-prod-gcp@{PROJECT}.iam.gserviceaccount.com"
    [binding] = google.policies[f"projects/{PROJECT}/serviceAccounts/{account}"]["bindings"]
    assert binding["members"] == [
        "principal://iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/github/"
        "subject/repo:acme/cloudbill:environment:prod-gcp"
    ]
    granted = {one["role"]: one for one in google.policies[f"projects/{PROJECT}"]["bindings"]}
    assert "roles/owner" not in granted
    assert "roles/editor" not in granted
    allowed = granted["roles/resourcemanager.projectIamAdmin"]["condition"]["expression"]
    assert f"'projects/{PROJECT}/roles/cloudbill_drills_reads_prod_gcp'" in allowed


def test_what_was_changed_by_hand_is_mended(google: Google) -> None:
    run(*WORDS)
    google.things[f"b/cloudbill-state-{PROJECT}"]["versioning"] = {"enabled": False}
    pool = f"projects/{PROJECT}/locations/global/workloadIdentityPools/github"
    google.things[f"{pool}/providers/github"]["attributeCondition"] = "true"
    _, said = run(*WORDS)
    assert [line for line in said.splitlines() if line.startswith("made")] == [
        "made        the bucket is versioned, closed and encrypted with the key (it is not so)",
        "made        identity provider for GitHub, this repository only (it trusts another repository)",
    ]
    assert google.things[f"{pool}/providers/github"]["attributeCondition"] == 'assertion.repository == "acme/cloudbill"'


def test_the_fake_refuses_what_googles_documents_do_not_know(google: Google) -> None:
    kms = service("cloudkms", "v1").projects().locations().keyRings().cryptoKeys()
    parent = KEY.partition("/cryptoKeys")[0]
    for body, says in (
        ({"purpose": "ENCRYPT"}, "it may be"),
        ({"porpose": "ENCRYPT_DECRYPT"}, "unknown name"),
        ({"createTime": "2026-01-01T00:00:00Z"}, "only Google's"),
        ({"purpose": 1}, "is no string"),
    ):
        with pytest.raises(Exception, match=says):
            kms.create(parent=parent, cryptoKeyId="k", body=body).execute()
    with pytest.raises(Refused, match="has no method"):
        google.answer("cloudkms", "GET", "v1/nothing", b"")


def _cloud_sql(google: Google, ends: str = "SUCCESSFUL") -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = []

    def insert(call: Call) -> dict[str, Any]:
        runs.append({**call.body, "id": str(len(runs) + 1), "status": ends, "instance": call.path["instance"]})
        return {"name": "o-1", "status": "PENDING"}

    google.answers |= {
        "sql.instances.list": lambda _: {
            "items": [{"name": "cloudbill-database-1", "ipAddresses": [{"ipAddress": "10.20.0.3", "type": "PRIVATE"}]}]
        },
        "sql.backupRuns.insert": insert,
        "sql.backupRuns.list": lambda _: {"items": runs},
        "sql.backupRuns.get": lambda call: next(one for one in runs if one["id"] == call.path["id"]),
        "sql.operations.get": lambda _: {"name": "o-1", "status": "DONE"},
    }
    return runs


def test_a_backup_on_demand_is_taken_once(google: Google) -> None:
    runs = _cloud_sql(google)
    sql = CloudSql(PLACE, poll_seconds=0)
    first = sql.snapshot("10.20.0.3:5432", "cloudbill-prod-gcp-deploy-1")
    again = sql.snapshot("10.20.0.3:5432", "cloudbill-prod-gcp-deploy-1")
    assert (first.database, first.reference, first.is_new, again.is_new) == ("cloudbill-database-1", "1", True, False)
    assert [one["description"] for one in runs] == ["cloudbill-prod-gcp-deploy-1"]
    with pytest.raises(DatabaseNotFound, match=r"has the address 10\.9\.9\.9"):
        sql.snapshot("10.9.9.9:5432", "x")


def test_a_backup_that_fails_is_an_error(google: Google) -> None:
    _cloud_sql(google, ends="FAILED")
    with pytest.raises(CloudRefused, match="gcloud sql backups list"):
        CloudSql(PLACE, poll_seconds=0).snapshot("10.20.0.3:5432", "b")
    google.answers["sql.instances.list"] = _refuse
    with pytest.raises(CloudRefused, match="403"):
        CloudSql(PLACE, poll_seconds=0).snapshot("10.20.0.3:5432", "b")


def _refuse(_: Call) -> dict[str, Any]:
    raise Refused(403, "not allowed")
