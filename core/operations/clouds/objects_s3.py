"""Objects in a bucket on S3, by boto3. A larger file goes up in parts, which S3 joins when all are there."""

import importlib
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from core.operations.clouds.aws import asked, client, code_of, exceptions
from core.operations.clouds.errors import CloudRefused, CloudUnreachable, ObjectNotFound
from core.operations.clouds.objects import checked

PART_BYTES = 16 * 2**20
"""Of a larger file each part; S3 takes 10,000, so that a file may have 160 GB."""


class S3Objects:
    """A bucket, below a prefix. Region and credentials are those that boto3 finds (AWS_REGION, AWS_PROFILE, a role)."""

    def __init__(self, bucket: str, prefix: str = "") -> None:
        self.address = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        self._s3 = client("s3", os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None)

    def put(self, name: str, content: bytes | Path) -> None:
        """S3 shows an object when it is whole."""
        key = self._key(name)
        with self._asked(f"to write {name}"):
            if isinstance(content, bytes):
                self._s3.put_object(Bucket=self._bucket, Key=key, Body=content)
            else:
                self._s3.upload_file(str(content), self._bucket, key, Config=_transfer())

    def get(self, name: str) -> bytes:
        """The whole object."""
        with self._asked(f"to read {name}", missing=name):
            return self._s3.get_object(Bucket=self._bucket, Key=self._key(name))["Body"].read()

    def fetch(self, name: str, into: Path) -> None:
        """In parts, into a file beside, which then gets the name."""
        unfinished = into.with_name(f".fetching-{uuid4().hex}")
        try:
            with self._asked(f"to read {name}", missing=name):
                self._s3.download_file(self._bucket, self._key(name), str(unfinished), Config=_transfer())
            unfinished.replace(into)
        finally:
            unfinished.unlink(missing_ok=True)

    def exists(self, name: str) -> bool:
        """By its head."""
        key = self._key(name)
        with self._asked(f"for {name}"):
            try:
                self._s3.head_object(Bucket=self._bucket, Key=key)
            except exceptions().ClientError as error:
                if code_of(error) not in ("404", "NoSuchKey", "NotFound"):
                    raise
                return False
        return True

    def delete(self, name: str) -> None:
        """In a bucket with versions, the newest is hidden."""
        with self._asked(f"to delete {name}"):
            self._s3.delete_object(Bucket=self._bucket, Key=self._key(name))

    def list(self, prefix: str = "") -> Sequence[str]:
        """Page by page."""
        found: list[str] = []
        with self._asked("for a list of objects"):
            for page in self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            ):
                found += [str(one["Key"]).removeprefix(self._prefix) for one in page.get("Contents", [])]
        return sorted(found)

    def _key(self, name: str) -> str:
        return self._prefix + checked(name)

    @contextmanager
    def _asked(self, what: str, *, missing: str = "") -> Generator[None]:
        transfer: Any = importlib.import_module("boto3.exceptions")
        with asked(f"{what} in {self.address}"):
            try:
                yield
            except transfer.S3UploadFailedError as error:
                # Says in its own words what the client was answered.
                raise CloudRefused(f"AWS refused {what} in {self.address}: {error}") from None
            except exceptions().ClientError as error:
                code = code_of(error)
                if missing and code in ("404", "NoSuchKey", "NotFound"):
                    raise ObjectNotFound(f"there is no {missing} in {self.address}") from None
                if code == "NoSuchBucket":
                    raise CloudUnreachable(
                        f"there is no bucket {self._bucket}: make it, or mend the name in {self.address}"
                    ) from None
                raise


def _transfer() -> Any:
    transfer: Any = importlib.import_module("boto3.s3.transfer")
    return transfer.TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=4)
