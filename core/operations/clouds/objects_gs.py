"""Objects in a bucket of Google's, by its JSON API.

An object is seen when its last byte is there. Each write says which generation it replaces, so that of two writers at
the same time one is refused, and tries again on what the other wrote; a write whose answer was lost is not repeated.
"""

import base64
import hashlib
import io
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from uuid import uuid4

from core.operations.clouds.errors import CloudRefused, CloudUnreachable, ObjectNotFound
from core.operations.clouds.gcp_instances import Document
from core.operations.clouds.google import asked, found, http_error, imported, repeated, service, status_of
from core.operations.clouds.objects import checked

CHUNK_BYTES = 16 * 2**20
"""Of an upload each step, and of a download; Google wants a multiple of 256 KiB."""
_TRIES = 5


class GsObjects:
    """A bucket, below a prefix, with the credentials that Google's client finds."""

    def __init__(self, bucket: str, prefix: str = "") -> None:
        self.address = f"gs://{bucket}/{prefix}".rstrip("/")
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        self._objects = service("storage", "v1").objects()

    def put(self, name: str, content: bytes | Path) -> None:
        """A resumable upload: what breaks off goes on at the last chunk that Google has."""
        key = self._key(name)
        with self._asked(f"to write {name}"):
            if isinstance(content, bytes):
                self._upload(key, io.BytesIO(content), _digest(io.BytesIO(content)))
            else:
                with content.open("rb") as file:
                    digest = _digest(file)
                    self._upload(key, file, digest)

    def get(self, name: str) -> bytes:
        """The whole object."""
        with self._asked(f"to read {name}", missing=name):
            return self._objects.get_media(bucket=self._bucket, object=self._key(name)).execute()

    def fetch(self, name: str, into: Path) -> None:
        """One generation of it, chunk by chunk, into a file beside, which then gets the name."""
        unfinished = into.with_name(f".fetching-{uuid4().hex}")
        try:
            with self._asked(f"to read {name}", missing=name):
                seen = self._objects.get(bucket=self._bucket, object=self._key(name)).execute()
                with unfinished.open("wb") as file:
                    self._download(seen, file)
            unfinished.replace(into)
        finally:
            unfinished.unlink(missing_ok=True)

    def exists(self, name: str) -> bool:
        """By its metadata."""
        with self._asked(f"for {name}"):
            return self._seen(self._key(name)) is not None

    def delete(self, name: str) -> None:
        """In a bucket with versions or soft deletion, Google keeps it for a while."""
        with self._asked(f"to delete {name}"):
            found(self._objects.delete(bucket=self._bucket, object=self._key(name)))

    def list(self, prefix: str = "") -> Sequence[str]:
        """Page by page."""
        names: list[str] = []
        with self._asked("for a list of objects"):
            request = self._objects.list(bucket=self._bucket, prefix=self._prefix + prefix)
            while request is not None:
                page: Document = request.execute()
                names += [str(one["name"]).removeprefix(self._prefix) for one in page.get("items", [])]
                request = self._objects.list_next(request, page)
        return sorted(names)

    def _upload(self, key: str, file: BinaryIO, digest: str) -> None:
        media: Any = imported("googleapiclient.http")
        for _ in range(_TRIES):
            there = self._seen(key)
            if there is not None and there.get("md5Hash") == digest:
                return  # it is what was to be written: by a try whose answer was lost, or by another
            file.seek(0)
            request = self._objects.insert(
                bucket=self._bucket,
                name=key,
                ifGenerationMatch=there["generation"] if there else 0,
                media_body=media.MediaIoBaseUpload(
                    file, mimetype="application/octet-stream", chunksize=CHUNK_BYTES, resumable=True
                ),
            )
            # The client takes the host of another address, but not its scheme.
            scheme = urlsplit(str(self._objects._baseUrl)).scheme
            request.uri = urlsplit(str(request.uri))._replace(scheme=scheme).geturl()
            try:
                while repeated(request.next_chunk, safe=True)[1] is None:
                    pass
            except http_error() as error:
                error.method_id = request.methodId
                # Written meanwhile by another; or the upload itself was forgotten, and begins anew.
                is_forgotten = status_of(error) in (404, 410) and request.resumable_uri
                if status_of(error) != 412 and not is_forgotten:
                    raise
            else:
                return
        raise CloudRefused(
            f"others keep writing {key} in {self.address} at the same time: try again when they are done"
        )

    def _download(self, seen: Document, file: BinaryIO) -> None:
        media: Any = imported("googleapiclient.http")
        request = self._objects.get_media(
            bucket=self._bucket,
            object=seen["name"],
            generation=seen["generation"],
            ifGenerationMatch=seen["generation"],
        )
        loading = media.MediaIoBaseDownload(file, request, chunksize=CHUNK_BYTES)
        while int(seen["size"]) and not repeated(loading.next_chunk, safe=True)[1]:
            pass

    def _seen(self, key: str) -> Document | None:
        return found(self._objects.get(bucket=self._bucket, object=key))

    def _key(self, name: str) -> str:
        return self._prefix + checked(name)

    @contextmanager
    def _asked(self, what: str, *, missing: str = "") -> Generator[None]:
        with asked(f"{what} in {self.address}"):
            try:
                yield
            except http_error() as error:
                if status_of(error) != 404:
                    raise
                if "bucket" in str(error.reason).lower():
                    raise CloudUnreachable(
                        f"there is no bucket {self._bucket}: make it, or mend the name in {self.address}"
                    ) from None
                if missing:
                    raise ObjectNotFound(f"there is no {missing} in {self.address}") from None
                raise


def _digest(file: BinaryIO) -> str:
    """As Google tells it of what it has: not against forgery, but to know a content again."""
    digest = hashlib.md5(usedforsecurity=False)
    while some := file.read(CHUNK_BYTES):
        digest.update(some)
    return base64.b64encode(digest.digest()).decode()
