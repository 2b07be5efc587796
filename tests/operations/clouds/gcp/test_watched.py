"""What runs on Cloud Run, by digest, and how the database does, by Cloud Monitoring."""

from typing import Any

import pytest

from core.operations.clouds.base import Place, RunningVersion
from core.operations.clouds.errors import CloudRefused
from core.operations.clouds.gcp_watched import GcpWatched
from tests.support.cloud_sql import DATABASE, PROJECT, REGION, CloudSql
from tests.support.google import Call, Google, Refused
from tests.support.google_metrics import Metrics

PARENT = f"projects/{PROJECT}/locations/{REGION}"
IMAGE = "us-central1-docker.pkg.dev/p/cloudbill/cloudbill@sha256:" + "a" * 64
SQL = "cloudsql.googleapis.com/database/"


def _named(kind: str, name: str, *, stack: str = "prod-gcp", ready: bool = True, **more: Any) -> dict[str, Any]:
    whole = f"{PARENT}/{kind}/{name}"
    newest = {"latestReadyRevision": f"{whole}/revisions/{name}-00007"} if ready else {}
    return {"name": whole, "labels": {"stack": stack, "project": "cloudbill"}, **newest, **more}


@pytest.fixture
def run(google: Google, sql: CloudSql) -> Google:
    services = [
        _named("services", "cloudbill-api-prod-gcp"),
        _named("services", "cloudbill-api-staging-gcp", stack="staging-gcp"),
        _named("services", "cloudbill-console-prod-gcp", ready=False),
    ]
    pool = _named("workerPools", "cloudbill-worker-prod-gcp", scaling={"manualInstanceCount": 2})

    def page(call: Call) -> dict[str, Any]:
        first = int(call.query.get("pageToken", "0"))
        more = {"nextPageToken": str(first + 1)} if first + 1 < len(services) else {}
        return {"services": services[first : first + 1]} | more

    def revision(call: Call) -> dict[str, Any]:
        is_api = "cloudbill-api" in call.path["name"]
        return {
            "name": call.path["name"],
            "scaling": {"minInstanceCount": 2, "maxInstanceCount": 10} if is_api else {},
            "containers": [{"name": "collector", "image": "c@sha256:1"}, {"name": "api", "image": IMAGE}],
            **({"containerStatuses": [{"name": "collector", "imageDigest": "c"}, {"name": "api", "imageDigest": IMAGE}]}
               if is_api else {}),
        }  # fmt: skip

    google.answers |= {
        "run.projects.locations.services.list": page,
        "run.projects.locations.workerPools.list": lambda _: {"workerPools": [pool]},
        "run.projects.locations.services.revisions.get": revision,
        "run.projects.locations.workerPools.revisions.get": revision,
    }
    return google


def test_the_stacks_services_and_workers_run_these_images(run: Google, place: Place) -> None:
    metrics = Metrics(run)
    count = "run.googleapis.com/container/instance_count"
    for value in (2, 1):  # active, idle
        metrics.add(count, value, service_name="cloudbill-api-prod-gcp", location=REGION)
    metrics.add(count, 9, service_name="cloudbill-api-staging-gcp", location=REGION)
    metrics.add(count, 2, worker_pool_name="cloudbill-worker-prod-gcp", location=REGION)
    assert GcpWatched(place, DATABASE).versions() == [
        RunningVersion(service="cloudbill-api-prod-gcp", version=IMAGE, wanted=2, running=3),
        RunningVersion(service="cloudbill-console-prod-gcp", version="no revision is ready", wanted=0, running=0),
        RunningVersion(service="cloudbill-worker-prod-gcp", version=IMAGE, wanted=2, running=2),
    ]


def test_the_databases_figures_are_the_newest(google: Google, sql: CloudSql, place: Place) -> None:
    sql.instances[DATABASE]["replicaNames"] = ["replica-1", "replica-2"]
    metrics = Metrics(google)
    itself = {"database_id": f"{PROJECT}:{DATABASE}"}
    metrics.add(f"{SQL}cpu/utilization", 0.25, **itself)
    metrics.add(f"{SQL}postgresql/num_backends", 30, **itself, database="cloudbill")
    metrics.add(f"{SQL}postgresql/num_backends", 4, **itself, database="postgres")
    metrics.add(f"{SQL}disk/quota", 50 * 2**30, **itself)
    metrics.add(f"{SQL}disk/bytes_used", 20 * 2**30, **itself)
    metrics.add(f"{SQL}replication/replica_lag", 0.5, database_id=f"{PROJECT}:replica-1")
    metrics.add(f"{SQL}replication/replica_lag", 7.5, database_id=f"{PROJECT}:replica-2")
    measures = GcpWatched(place, DATABASE).measures()
    assert {one.name: one.value for one in measures} == {
        "cpu_percent": 25.0,
        "connections": 34.0,
        "storage_free_bytes": 30.0 * 2**30,
        "replica_lag_seconds": 7.5,
    }
    assert {one.at for one in measures} == {metrics.at}
    metrics.series.clear()
    assert GcpWatched(place, DATABASE).measures() == [], "what nobody told is not made up"


def test_a_missing_permission_is_named(run: Google, place: Place) -> None:
    Metrics(run)
    run.fail("run.projects.locations.workerPools.list", Refused(403, "Forbidden"))
    with pytest.raises(CloudRefused, match=r"may not run\.workerpools\.list"):
        GcpWatched(place, DATABASE).versions()
    run.fail("monitoring.projects.timeSeries.list", Refused(403, "Permission monitoring.timeSeries.list denied"))
    with pytest.raises(CloudRefused, match=r"may not monitoring\.timeSeries\.list"):
        GcpWatched(place, DATABASE).measures()
