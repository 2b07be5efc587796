"""What Google refuses, delays or breaks off: asked again where that does no harm, explained where it does not help."""

import socket

import pytest

from core.operations.clouds.base import Place, databases
from core.operations.clouds.errors import CloudError, CloudRefused, CloudUnreachable, DatabaseNotFound
from core.operations.clouds.gcp_backups import GcpBackups
from tests.support.cloud_sql import DATABASE, PROJECT, CloudSql
from tests.support.google import Broken, Google, Refused

GET = "sql.instances.get"
TOO_FAST = Refused(429, "Quota exceeded for quota metric 'Queries'", reason="rateLimitExceeded")
BUSY = Refused(503, "The service is currently unavailable.", headers={"Retry-After": "7"})
WHO = f"cloudbill-drill@{PROJECT}.iam.gserviceaccount.com"
DENIED = "google.rpc.ErrorInfo"


def refusal(google: Google, place: Place, error: Refused, *, times: int = 1) -> CloudError:
    google.fail(GET, error, times=times)
    with pytest.raises(CloudError) as refused:
        GcpBackups(place, DATABASE).restorable()
    return refused.value


@pytest.mark.parametrize(
    ("error", "waited"),
    [(TOO_FAST, None), (BUSY, [7.0, 7.0, 7.0]), (Broken("cut"), None), (Broken("garbled"), None)],
    ids=["throttled", "503 with Retry-After", "cut off", "half an answer"],
)
def test_what_passes_is_asked_again_and_waited_for_as_long_as_google_says(
    google: Google,
    sql: CloudSql,
    place: Place,
    pauses: list[float],
    error: Refused | Broken,
    waited: list[float] | None,
) -> None:
    google.fail(GET, error, times=3)
    assert len(GcpBackups(place, DATABASE).restorable()) == 1
    assert google.calls.count(GET) == 4
    assert pauses == waited if waited else [0 < one < 8 for one in pauses] == [True] * 3


def test_after_six_tries_it_says_so(google: Google, sql: CloudSql, place: Place) -> None:
    error = refusal(google, place, BUSY, times=99)
    assert (type(error), google.calls.count(GET)) == (CloudUnreachable, 6)
    assert "asked 6 times: 503: The service is currently unavailable" in str(error)
    google.faults.clear()
    error = refusal(google, place, TOO_FAST, times=99)
    assert (type(error), google.calls.count(GET)) == (CloudUnreachable, 12)
    assert "throttles" in str(error)


def test_an_answer_that_never_comes_is_given_up_and_asked_for_again(
    google: Google, sql: CloudSql, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getdefaulttimeout", lambda: 0.2)
    google.fail(GET, Broken("stalled"))
    assert len(GcpBackups(place, DATABASE).restorable()) == 1
    assert google.calls.count(GET) == 2


def test_a_missing_permission_is_named_with_the_account_where_google_tells_them(
    google: Google, sql: CloudSql, place: Place
) -> None:
    info = {
        "@type": f"type.googleapis.com/{DENIED}",
        "reason": "IAM_PERMISSION_DENIED",
        "domain": "iam.googleapis.com",
        "metadata": {"permission": "cloudsql.instances.get"},
    }
    for refused, says in (
        (Refused(403, "Permission denied", details=[info]), "may not cloudsql.instances.get (403"),
        (
            Refused(403, f"{WHO} does not have cloudsql.instances.get access to the instance."),
            f"{WHO} may not cloudsql.instances.get (403",
        ),
        (
            Refused(403, "Permission 'cloudsql.instances.get' denied on resource (or it may not exist)."),
            "may not cloudsql.instances.get (403",
        ),
        # What Cloud SQL itself says, which names nothing: the method's permission is known by our table.
        (
            Refused(403, "The client is not authorized to make this request.", reason="notAuthorized"),
            "the account that asks may not cloudsql.instances.get (403: The client is not authorized",
        ),
    ):
        error = refusal(google, place, refused)
        assert type(error) is CloudRefused
        assert says in str(error)
    assert google.calls.count(GET) == 4, "a refusal is not asked again"


def test_quota_switched_off_apis_and_credentials_are_told_apart(google: Google, sql: CloudSql, place: Place) -> None:
    error = refusal(google, place, Refused(403, "Quota 'instances' exceeded.", reason="quotaExceeded"))
    assert "since a quota is used up" in str(error)
    error = refusal(google, place, Refused(403, "SQL Admin API has not been used", reason="accessNotConfigured"))
    assert "not switched on" in str(error)
    error = refusal(google, place, Refused(401, "Request had invalid authentication credentials."))
    assert (type(error), "gcloud auth application-default login" in str(error)) == (CloudUnreachable, True)
    assert google.calls.count(GET) == 3


def test_another_region_another_database_and_no_project_are_named(google: Google, sql: CloudSql, place: Place) -> None:
    with pytest.raises(CloudRefused, match=r"is in us-central1, not in europe-west1: mend the region"):
        GcpBackups(Place(cloud="gcp", region="europe-west1", project=PROJECT), DATABASE).restorable()
    with pytest.raises(DatabaseNotFound, match="has no Cloud SQL instance nowhere"):
        GcpBackups(place, "nowhere").restorable()
    with pytest.raises(CloudUnreachable, match="CLOUD_PROJECT"):
        GcpBackups(Place(cloud="gcp", region="us-central1"), DATABASE)


def test_a_database_is_found_by_its_address(google: Google, sql: CloudSql, place: Place) -> None:
    assert databases(place).name_of("10.20.0.3:5432") == DATABASE
    with pytest.raises(DatabaseNotFound, match=r"has the address 10\.9\.9\.9"):
        databases(place).name_of("10.9.9.9:5432")


def test_an_answer_without_what_it_must_have_is_an_error_of_ours(google: Google, sql: CloudSql, place: Place) -> None:
    sql.instances[DATABASE].pop("settings")
    with pytest.raises(CloudUnreachable, match="the instance has no settings"):
        GcpBackups(place, DATABASE).restorable()
