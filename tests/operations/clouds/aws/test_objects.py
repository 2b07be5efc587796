"""A bucket on S3: large files in parts, and what goes wrong on the way is tried again or said."""

from pathlib import Path
from typing import Any

import boto3
import pytest

from core.operations.clouds import objects_s3
from core.operations.clouds.errors import CloudRefused, CloudUnreachable, ObjectNotFound
from core.operations.clouds.objects import Objects, objects_at
from tests.support.faults import Faults


@pytest.fixture
def bucket(aws: Faults) -> Objects:
    s3: Any = boto3.client("s3")
    s3.create_bucket(Bucket="exports")
    aws.heal()
    return objects_at("s3://exports/of/prod")


def test_what_was_put_is_got_listed_and_deleted_below_the_prefix_only(bucket: Objects, tmp_path: Path) -> None:
    s3: Any = boto3.client("s3")
    s3.put_object(Bucket="exports", Key="of/production/x", Body=b"another's")
    bucket.put("chunks/b", b"two")
    bucket.put("chunks/a", b"one")
    bucket.put("manifest.json", b"{}")
    assert bucket.list() == ["chunks/a", "chunks/b", "manifest.json"]
    assert bucket.list("chunks/") == ["chunks/a", "chunks/b"]
    assert bucket.get("manifest.json") == b"{}"
    bucket.fetch("chunks/b", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"two"
    assert (bucket.exists("chunks/b"), bucket.exists("chunks/c")) == (True, False)
    bucket.delete("chunks/b")
    bucket.delete("chunks/b")
    assert bucket.list("chunks/") == ["chunks/a"]
    for read in (lambda: bucket.get("chunks/b"), lambda: bucket.fetch("chunks/b", tmp_path / "other")):
        with pytest.raises(ObjectNotFound, match=r"there is no chunks/b in s3://exports/of/prod"):
            read()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b"]


def test_a_large_file_goes_up_in_parts_and_comes_back_the_same(
    aws: Faults, bucket: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects_s3, "PART_BYTES", 5 * 2**20)
    large = tmp_path / "large"
    large.write_bytes(bytes(range(256)) * (11 * 2**20 // 256))
    bucket.put("large", large)
    puts = [one.path for one in aws.asked if one.name == "PUT /exports/of/prod/large"]
    assert sorted(path.split("partNumber=")[1][0] for path in puts) == ["1", "2", "3"]
    bucket.fetch("large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == large.read_bytes()


def test_an_upload_that_fails_half_way_is_not_seen_and_leaves_no_parts(
    aws: Faults, bucket: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects_s3, "PART_BYTES", 5 * 2**20)
    (tmp_path / "large").write_bytes(b"x" * (11 * 2**20))
    aws.refuse("PUT /exports/of/prod/large", 403, "AccessDenied", s3=True, says="Access Denied")
    with pytest.raises(CloudRefused, match=r"AWS refused to write large in s3://exports/of/prod: .*AccessDenied"):
        bucket.put("large", tmp_path / "large")
    s3: Any = boto3.client("s3")
    assert (bucket.list(), s3.list_multipart_uploads(Bucket="exports").get("Uploads", [])) == ([], [])


def test_throttling_half_answers_and_lost_connections_are_tried_again_and_counted(aws: Faults, bucket: Objects) -> None:
    put, get = "PUT /exports/of/prod/a", "GET /exports/of/prod/a"
    aws.refuse(put, 503, "SlowDown", times=3, s3=True)
    bucket.put("a", b"whole")
    assert aws.count(put) == 4
    aws.heal()
    aws.hang_up(get, times=2)
    assert (bucket.get("a"), aws.count(get)) == (b"whole", 3)
    aws.heal()
    aws.refuse(put, 503, "SlowDown", s3=True)
    with pytest.raises(
        CloudUnreachable, match=r"AWS throttles, so to write a in .* was asked 5 times in vain \(SlowDown\)"
    ):
        bucket.put("a", b"never")
    assert aws.count(put) == 5
    aws.heal()
    assert bucket.get("a") == b"whole"


def test_half_an_object_is_never_taken_for_a_whole_one(aws: Faults, bucket: Objects, tmp_path: Path) -> None:
    bucket.put("a", b"0123456789")
    aws.cut("GET /exports/of/prod/a", times=1)
    with pytest.raises(CloudUnreachable, match="AWS did not answer to read a"):
        bucket.get("a")
    aws.cut("GET /exports/of/prod/a", times=1)
    bucket.fetch("a", tmp_path / "a")  # the transfer asks for what is missing again
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_a_missing_permission_is_reported_by_its_name(aws: Faults, bucket: Objects) -> None:
    aws.refuse("PUT /exports/of/prod/a", 403, "AccessDenied", s3=True, says="Access Denied")
    with pytest.raises(CloudRefused, match=r"whoever asks may not s3:PutObject \(AccessDenied\)\. Grant that action"):
        bucket.put("a", b"1")


def test_another_region_and_a_bucket_that_is_not_there_are_explained(aws: Faults, bucket: Objects) -> None:
    says = "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'"
    aws.refuse("PUT /exports/of/prod/a", 400, "IllegalLocationConstraintException", s3=True, says=says)
    with pytest.raises(CloudRefused, match=r"it is in another region .*expecting 'eu-west-1'.*set AWS_REGION"):
        bucket.put("a", b"1")
    with pytest.raises(CloudUnreachable, match="there is no bucket nowhere: make it, or mend the name"):
        objects_at("s3://nowhere/x").put("a", b"1")


def test_without_a_region_it_says_which_setting_names_one(aws: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    bucket = objects_at("s3://exports")  # S3 alone answers everywhere
    assert bucket.address == "s3://exports"
