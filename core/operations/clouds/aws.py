"""AWS by boto3. AWS_PROFILE, AWS_ENDPOINT_URL and the rest of its own environment are boto3's to read."""

import importlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from core.operations.clouds.base import Place, Snapshot, client_installed
from core.operations.clouds.errors import CloudRefused, CloudUnreachable, DatabaseNotFound

LONGEST_SECONDS = 3600
POLL_SECONDS = 15


def client(service: str, region: str) -> Any:
    """A client of one service. Raises CloudUnreachable where boto3 is not installed."""
    with client_installed("boto3"):
        boto3: Any = importlib.import_module("boto3")
        config: Any = importlib.import_module("botocore.config")
    kwargs: dict[str, Any] = {
        "region_name": region,
        "config": config.Config(
            retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10, read_timeout=60
        ),
    }
    return boto3.client(service, **kwargs)


@contextmanager
def asked(what: str) -> Generator[None]:
    """Whatever AWS or the way to it answers becomes a CloudError that says what was asked."""
    failures = exceptions()
    try:
        yield
    except failures.ClientError as error:
        said = error.response.get("Error", {})
        raise CloudRefused(f"AWS refused {what}: {said.get('Code', '?')}: {said.get('Message', error)}") from None
    except failures.NoCredentialsError:
        raise CloudUnreachable(
            f"no credentials for AWS, so {what} was not asked: sign in (`aws sso login`) or set AWS_PROFILE"
        ) from None
    except failures.BotoCoreError as error:
        raise CloudUnreachable(f"AWS did not answer {what}: {error}") from None


def exceptions() -> Any:
    """botocore's; imported where they are needed, since only operators install it."""
    return importlib.import_module("botocore.exceptions")


def code_of(error: Exception) -> str:
    """The code of a botocore ClientError."""
    found: Any = error
    return str(found.response.get("Error", {}).get("Code", ""))


class Rds:
    """RDS."""

    def __init__(self, place: Place, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._rds = client("rds", place.region)
        self._poll_seconds = poll_seconds

    def snapshot(self, endpoint: str, name: str) -> Snapshot:
        """A manual snapshot, which outlives the database."""
        with asked("for a database snapshot"):
            database = self._find(endpoint)
            is_new = True
            try:
                self._rds.create_db_snapshot(
                    DBInstanceIdentifier=database,
                    DBSnapshotIdentifier=name,
                    Tags=[{"Key": "made-by", "Value": "cloudbill"}],
                )
            except exceptions().ClientError as error:
                if code_of(error) != "DBSnapshotAlreadyExists":
                    raise
                is_new = False
            self._rds.get_waiter("db_snapshot_available").wait(
                DBSnapshotIdentifier=name,
                WaiterConfig={
                    "Delay": self._poll_seconds,
                    "MaxAttempts": int(LONGEST_SECONDS / max(self._poll_seconds, 1)),
                },
            )
            made = self._rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"][0]
        return Snapshot(name=name, database=database, reference=made["DBSnapshotArn"], is_new=is_new)

    def _find(self, endpoint: str) -> str:
        host = endpoint.partition(":")[0]
        for page in self._rds.get_paginator("describe_db_instances").paginate():
            for instance in page["DBInstances"]:
                if instance.get("Endpoint", {}).get("Address") == host:
                    return str(instance["DBInstanceIdentifier"])
        raise DatabaseNotFound(
            f"no database of this account and region answers at {host}: are these the credentials of the stack's "
            "account, and does the stack's file name its region?"
        )
