"""Files of an export where the two installations both reach them: a folder, a bucket on S3, a bucket of Google's.

A reader sees all of an object or none of it, also when the writer was killed half-way.
"""

import errno
import os
import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import urlsplit
from uuid import uuid4

from core.operations.clouds.errors import CloudRefused, CloudUnreachable, ObjectNotFound

_UNFINISHED = ".putting-"
CHUNK = 1 << 20


class Objects(Protocol):
    """A place for objects. Names are relative and may hold slashes. Every call raises CloudError."""

    address: str
    """As it was given: a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX."""

    def put(self, name: str, content: bytes | Path) -> None:
        """Writes it whole, over what has that name."""
        ...

    def get(self, name: str) -> bytes:
        """Reads it whole. Raises ObjectNotFound."""
        ...

    def fetch(self, name: str, into: Path) -> None:
        """Reads it into a file, which is there whole or not at all. Raises ObjectNotFound."""
        ...

    def exists(self, name: str) -> bool:
        """Whether it is there."""
        ...

    def delete(self, name: str) -> None:
        """Deletes it; what is not there is no error."""
        ...

    def list(self, prefix: str = "") -> Sequence[str]:
        """The names that begin so, sorted."""
        ...


def objects_at(address: str) -> Objects:
    """A folder, `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`. Raises CloudError for what is none of them."""
    parts = urlsplit(address)
    if "://" not in address:
        return FolderObjects(Path(address))
    if parts.scheme not in ("s3", "gs") or not parts.netloc or parts.query or parts.fragment:
        raise CloudRefused(f"{address} is no place for files: give a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX")
    if parts.scheme == "gs":
        from core.operations.clouds.objects_gs import GsObjects

        return GsObjects(parts.netloc, parts.path.strip("/"))
    from core.operations.clouds.objects_s3 import S3Objects

    return S3Objects(parts.netloc, parts.path.strip("/"))


def checked(name: str) -> str:
    """The name itself. Raises CloudRefused for one that would lead out of the place."""
    if not name or name.startswith("/") or any(part in ("", ".", "..") for part in name.split("/")) or "\0" in name:
        raise CloudRefused(f"{name!r} cannot be an object's name: it must be relative, without `.` and `..`")
    return name


class FolderObjects:
    """A folder of this machine, or one that it mounts."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder)
        self._folder = folder.absolute()

    def put(self, name: str, content: bytes | Path) -> None:
        """Written beside, brought to the disk, renamed; then the folder's own entry is brought there, too."""
        with _explained(self.address, name, writes=True):
            path = self._path(name)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _replacing(path) as file:
                if isinstance(content, bytes):
                    file.write(content)
                else:
                    with content.open("rb") as source:
                        shutil.copyfileobj(source, file, CHUNK)

    def get(self, name: str) -> bytes:
        """The whole file."""
        with _explained(self.address, name):
            return self._path(name).read_bytes()

    def fetch(self, name: str, into: Path) -> None:
        """A copy of the file."""
        with _explained(self.address, name), self._path(name).open("rb") as source, _replacing(into) as file:
            shutil.copyfileobj(source, file, CHUNK)

    def exists(self, name: str) -> bool:
        """Files only."""
        return self._path(name).is_file()

    def delete(self, name: str) -> None:
        """The file; folders stay."""
        with _explained(self.address, name):
            path = self._path(name)
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                _sync(path.parent)

    def list(self, prefix: str = "") -> Sequence[str]:
        """Without what a writer has not finished."""
        with _explained(self.address, prefix):
            names = [
                (PurePosixPath(folder).relative_to(self._folder.as_posix()) / file).as_posix()
                for folder, _, files in os.walk(self._folder, onerror=_fail)
                for file in files
                if not file.startswith(_UNFINISHED)
            ]
        return sorted(name for name in names if name.startswith(prefix))

    def _path(self, name: str) -> Path:
        return self._folder / checked(name)


@contextmanager
def _replacing(path: Path) -> "Generator[_Writer]":
    unfinished = path.with_name(f"{_UNFINISHED}{uuid4().hex}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        _sync(path.parent)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


class _Writer(Protocol):
    def write(self, some: bytes, /) -> int: ...


@contextmanager
def _explained(address: str, name: str, *, writes: bool = False) -> Generator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not writes:
            if error.filename and not Path(str(error.filename)).is_relative_to(Path(address).absolute()):
                raise
            raise ObjectNotFound(f"there is no {name} in {address}") from None
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CloudRefused(
                f"the disk of {address} is full: {name} was not written; free some space there"
            ) from None
        what = f"{name} in {address}" if name else address
        raise CloudUnreachable(
            f"{what} cannot be {'written' if writes else 'read'} ({error.strerror or error}): name a folder that "
            "exists or can be made, and that this account may use"
        ) from None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _fail(error: OSError) -> None:
    # A folder that is not there yet holds nothing; one that cannot be read is an error, not an empty one.
    if error.errno != errno.ENOENT:
        raise error
