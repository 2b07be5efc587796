"""An empty account of AWS, emulated over HTTP, with a proxy before it that can do worse; every call is recorded."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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
def aws(emulator: str, proxy: Faults, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
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
    with recording():
        yield proxy
    proxy.heal()


@pytest.fixture
def as_role(emulator: str, aws: Faults, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AbstractContextManager[None]]:
    """Clients made within it are a role that may do these actions and nothing else; the emulator checks each call."""

    @contextmanager
    def acting(role: str, *actions: str) -> Iterator[None]:
        iam, sts = (boto3.client(name, region_name=REGION) for name in ("iam", "sts"))
        arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
        iam.put_role_policy(RoleName=role, PolicyName="it", PolicyDocument=json.dumps(document))
        keys = sts.assume_role(RoleArn=arn, RoleSessionName="it")["Credentials"]
        with monkeypatch.context() as patched:
            patched.setenv("AWS_ACCESS_KEY_ID", keys["AccessKeyId"])
            patched.setenv("AWS_SECRET_ACCESS_KEY", keys["SecretAccessKey"])
            patched.setenv("AWS_SESSION_TOKEN", keys["SessionToken"])
            httpx.post(f"{emulator}/moto-api/reset-auth", content="0", trust_env=False)
            try:
                with recording():
                    yield
            finally:
                httpx.post(f"{emulator}/moto-api/reset-auth", content="inf", trust_env=False)

    return acting
