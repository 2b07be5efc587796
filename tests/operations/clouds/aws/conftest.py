"""An empty account of AWS, emulated over HTTP, with a proxy before it that can do worse; every call is recorded."""

import time
from collections.abc import Iterator
from types import SimpleNamespace

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from tests.support.aws_calls import recording
from tests.support.faults import Faults, faults_before

REGION = "us-east-1"


@pytest.fixture(scope="session")
def emulator() -> Iterator[str]:
    """Its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture(scope="session")
def proxy(emulator: str) -> Iterator[Faults]:
    with faults_before(emulator) as faults:
        yield faults


@pytest.fixture
def aws(
    emulator: str, proxy: Faults, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Faults]:
    """Empty; boto3 finds it in the environment."""
    for name, value in {
        "AWS_ENDPOINT_URL": proxy.url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    httpx.post(f"{emulator}/moto-api/reset", trust_env=False)
    proxy.heal()
    # Pauses between attempts are botocore's own and random; how often it asks is what counts here.
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None, time=time.time))
    with recording(request.node.path):
        yield proxy
    proxy.heal()
    boto3.setup_default_session()
