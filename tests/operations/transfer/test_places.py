"""The same set in a bucket of S3 and in one of Google's; and the commands, as a person types them."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from moto.server import ThreadedMotoServer
from redis import Redis

from core.cli import main
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


def typed(settings: Settings, *words: str) -> tuple[int, str, str]:
    """The same in this process: exit code, output, errors."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, of_process(settings), clear=True),
        patch.object(sys, "argv", ["cloudbill", *words]),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main.run()
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()


def test_the_commands_tell_what_they_did_and_end_with_1_when_something_is_wrong(
    source: Settings, empty: Settings, tmp_path: Path
) -> None:
    place = str(tmp_path / "set")
    with Redis.from_url(source.cache_url) as cache:
        cache.flushdb()
        for number in range(3):
            cache.set(f"limit:user:{number}", number, px=600_000)
        cache.set("limit:over", 1, px=1)
    done = run(source, "export", place, "-j", "2", "--format", "json")
    assert done.returncode == 0, done.stderr
    exported = json.loads(done.stdout)
    assert exported["chunksKept"] == 0
    assert exported["ledgerSums"]["USD"]["sumMicro"] == 0
    assert typed(source, "export", place) == (
        1,
        "",
        f"cloudbill: {place} holds a finished export: give another place, or delete it first.\n",
    )

    victim = sorted((tmp_path / "set" / "data" / "customers").iterdir())[0]
    whole = victim.read_bytes()
    victim.write_bytes(whole[:100])
    code, said, _ = typed(empty, "import", "--check", place, "--format", "json")
    assert code == 1
    findings = json.loads(said)["findings"]
    assert [(one["code"], one["file"]) for one in findings] == [("set_damaged", "data/customers/000000.copy.gz")]
    refused = run(empty, "import", place)
    assert refused.returncode == 1
    assert "nothing was imported" in refused.stderr
    assert "Traceback" not in refused.stderr
    victim.write_bytes(whole)

    code, said, told = typed(empty, "import", place)
    assert code == 0, told
    assert "All digests are those of the manifest." in said
    assert "The worker is held" in said
    assert "rows/s" in told or "MB/s" in told
    code, said, _ = typed(empty, "recovery", "status")
    assert said.startswith(f"The worker is held: imported from {place} (set {exported['id']})")

    with Redis.from_url(empty.cache_url) as cache:
        assert sorted(cache.scan_iter("limit:*")) == [b"limit:user:0", b"limit:user:1", b"limit:user:2"]
        cache.delete("limit:user:1")
        cache.incr("limit:user:2")
        code, said, told = typed(empty, "import", place, "--only", "redis")
        assert code == 0, told
        assert said == "1 keys of Redis brought in and compared; 2 were there and stay as they are, 0 had expired.\n"
        assert cache.mget("limit:user:0", "limit:user:1", "limit:user:2") == [b"0", b"1", b"3"]
