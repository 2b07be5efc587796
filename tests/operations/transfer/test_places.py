"""The same set in a bucket of S3 and in one of Google's; and the commands, as a person types them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from core.foundation.settings import Settings
from core.operations.transfer import importing
from core.operations.transfer.exporting import export
from tests.support.environment import of_process
from tests.support.google import fake
from tests.support.processes import cloudbill
from tests.support.servers import ROOT


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    client: Any = boto3.client("s3")
    client.create_bucket(Bucket="moves")
    yield client
    server.stop()


def test_a_set_in_a_bucket_of_s3_is_brought_in(source: Settings, empty: Settings, s3: Any) -> None:
    done = export(source, "s3://moves/prod", chunk_bytes=200_000)
    assert importing.import_set(empty, "s3://moves/prod").manifest["root"] == done.manifest["root"]
    assert s3.list_objects_v2(Bucket="moves", Prefix="prod/manifest.json")["KeyCount"] == 1


def test_a_set_in_a_bucket_of_googles_is_brought_in(
    source: Settings, empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake() as google:
        for name, value in google.environment().items():
            monkeypatch.setenv(name, value)
        done = export(source, "gs://moves/prod", chunk_bytes=1_000_000)
        assert importing.import_set(empty, "gs://moves/prod").manifest["root"] == done.manifest["root"]


def run(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        cloudbill(*words), cwd=ROOT, env=of_process(settings), capture_output=True, text=True, check=False, timeout=120
    )


def test_the_commands_tell_what_they_did_and_end_with_1_when_something_is_wrong(
    source: Settings, empty: Settings, tmp_path: Path
) -> None:
    place = str(tmp_path / "set")
    done = run(source, "export", place, "-j", "2", "--format", "json")
    assert done.returncode == 0, done.stderr
    exported = json.loads(done.stdout)
    assert exported["chunksKept"] == 0
    assert exported["ledgerSums"]["USD"]["sumMicro"] == 0
    again = run(source, "export", place)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == f"cloudbill: {place} holds a finished export: give another place, or delete it first.\n"

    victim = sorted((tmp_path / "set" / "data" / "customers").iterdir())[0]
    whole = victim.read_bytes()
    victim.write_bytes(whole[:100])
    spoilt = run(empty, "import", "--check", place, "--format", "json")
    assert spoilt.returncode == 1
    findings = json.loads(spoilt.stdout)["findings"]
    assert [(one["code"], one["file"]) for one in findings] == [("set_damaged", "data/customers/000000.copy.gz")]
    refused = run(empty, "import", place)
    assert refused.returncode == 1
    assert "nothing was imported" in refused.stderr
    assert "Traceback" not in refused.stderr
    victim.write_bytes(whole)

    brought = run(empty, "import", place)
    assert brought.returncode == 0, brought.stderr
    assert "All digests are those of the manifest." in brought.stdout
    assert "The worker is held" in brought.stdout
    assert "rows/s" in brought.stderr or "MB/s" in brought.stderr
    held = run(empty, "recovery", "status")
    assert held.stdout.startswith(f"The worker is held: imported from {place} (set {exported['id']})")
