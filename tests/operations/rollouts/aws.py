"""AWS by moto, over HTTP, as boto3 finds it in the environment."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.support.aws_calls import recording

REGION = "us-east-1"


@contextmanager
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty account."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    try:
        boto3.client("s3", region_name=REGION)  # loads what is slow once
        _post(url, "/moto-api/reset")
        with recording():
            yield url
    finally:
        server.stop()


def _post(url: str, path: str) -> None:
    import httpx

    httpx.post(url + path, trust_env=False)


def database(name: str) -> str:
    """A database there, and its endpoint."""
    rds: Any = boto3.client("rds", region_name=REGION)
    made = rds.create_db_instance(
        DBInstanceIdentifier=name, DBInstanceClass="db.t4g.medium", Engine="postgres", AllocatedStorage=20,
        MasterUsername="cloudbill_owner", MasterUserPassword="not-a-secret-1",
    )["DBInstance"]  # fmt: skip
    return f"{made['Endpoint']['Address']}:{made['Endpoint']['Port']}"


def snapshots() -> list[str]:
    """Of all databases, those that were asked for."""
    rds: Any = boto3.client("rds", region_name=REGION)
    return [one["DBSnapshotIdentifier"] for one in rds.describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]]
