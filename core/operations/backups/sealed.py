"""Files that are compressed and sealed to public keys while they are written: gzip inside age, so that
`age --decrypt -i KEY FILE | gunzip` opens them without us.

age seals in pieces of 64 KiB, each authenticated and the last one marked: flipped bits and a missing end are errors.
"""

import errno
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.operations.backups.errors import BackupFailed, Damaged, NoRoom, WrongKey
from core.operations.backups.keys import AGE, Opening, recipient

CHUNK = 1 << 18
_GZIP = 31  # zlib's word for its own format with gzip's head


@dataclass(frozen=True, kw_only=True)
class Seal:
    """Size and SHA-256 of a file as it lies there, and of what is inside."""

    size: int
    sha256: str
    plain_size: int
    plain_sha256: str


def seal(
    chunks: Iterator[bytes], path: Path, *, to: Sequence[str], also: Callable[[bytes], None] | None = None
) -> Seal:
    """Writes what comes to `path`, whole or not at all, on the disk when it returns; `also` sees it in plain.

    Raises NoRoom, and whatever the source raises.
    """
    source, unfinished = _Source(chunks, also), path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            target = _Target(file)
            try:
                AGE.encrypt_io(source, target, [recipient(key) for key in to])
            except Exception as error:
                raise source.failure or target.failure or error from None  # pyrage says ours in its own words
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoom(f"the disk of {path.parent} is full: free some space there; nothing was lost") from None
        raise BackupFailed(f"{path.parent} cannot be written ({error.strerror or error})") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return Seal(
        size=target.size,
        sha256=target.digest.hexdigest(),
        plain_size=source.size,
        plain_sha256=source.digest.hexdigest(),
    )


def unseal(path: Path, write: Callable[[bytes], object], *, by: Sequence[Opening]) -> tuple[int, str]:
    """Gives what is inside to `write`, piece by piece; its size and SHA-256. Raises Damaged, WrongKey."""
    sink = _Sink(write)
    try:
        with path.open("rb") as file:
            AGE.decrypt_io(file, sink, [opening.identity for opening in by])
        sink.finish()
    except FileNotFoundError:
        raise Damaged(f"{path.name} is missing") from None
    except Exception as error:
        raise _explained(path, sink.failure or error, by) from None
    return sink.size, sink.digest.hexdigest()


def digest_of(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file as it lies there."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), found


def sync_folder(folder: Path) -> None:
    """A rename is on the disk when this returns."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_chunks(file: BinaryIO) -> Iterator[bytes]:
    """The file's content."""
    while chunk := file.read(CHUNK):
        yield chunk


def _explained(path: Path, error: BaseException, by: Sequence[Opening]) -> BaseException:
    """What pyrage or zlib said, in our words; an error of whoever was written to stays what it is."""
    if isinstance(error, zlib.error):
        return Damaged(f"{path.name} opens, but what is inside does not unpack")
    if isinstance(error, AGE.DecryptError):
        if "No matching keys" in str(error):
            names = ", ".join(opening.name for opening in by)
            return WrongKey(f"{path.name} is sealed to another key than {names}")
        return Damaged(f"{path.name} is not whole: its head does not open ({error})")
    if isinstance(error, OSError) and error.errno is None:
        return Damaged(f"{path.name} is not whole: flipped bits, or its end is missing")
    return error


class _Source:
    """What age reads: the chunks, compressed. pyrage turns our errors into its own, so they are kept here."""

    def __init__(self, chunks: Iterator[bytes], also: Callable[[bytes], None] | None) -> None:
        self.size, self.digest = 0, hashlib.sha256()
        self.failure: BaseException | None = None
        self._chunks, self._also = chunks, also
        self._gzip = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
        self._ready, self._at, self._over = b"", 0, False

    def read(self, size: int = -1) -> bytes:
        try:
            while self._at >= len(self._ready) and not self._over:
                self._ready, self._at = self._next(), 0
        except BaseException as error:
            self.failure = error
            raise
        end = len(self._ready) if size < 0 else self._at + size
        piece = self._ready[self._at : end]
        self._at += len(piece)
        return piece

    def _next(self) -> bytes:
        chunk = next(self._chunks, None)
        if chunk is None:
            self._over = True
            return self._gzip.flush()
        self.size += len(chunk)
        self.digest.update(chunk)
        if self._also:
            self._also(chunk)
        return self._gzip.compress(chunk)


class _Target:
    """What age writes to."""

    def __init__(self, file: BinaryIO) -> None:
        self.size, self.digest = 0, hashlib.sha256()
        self.failure: BaseException | None = None
        self._file = file

    def write(self, piece: bytes) -> int:
        try:
            self._file.write(piece)
        except BaseException as error:
            self.failure = error
            raise
        self.size += len(piece)
        self.digest.update(piece)
        return len(piece)

    def flush(self) -> None:
        self._file.flush()


class _Sink:
    """What age opens into: unpacked and handed on."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.size, self.digest = 0, hashlib.sha256()
        self.failure: BaseException | None = None
        self._write = write
        self._gzip = zlib.decompressobj(_GZIP)

    def write(self, piece: bytes) -> int:
        try:
            self._hand_on(self._gzip.decompress(piece))
        except BaseException as error:
            self.failure = error
            raise
        return len(piece)

    def flush(self) -> None:
        return

    def finish(self) -> None:
        self._hand_on(self._gzip.flush())
        if not self._gzip.eof:
            raise zlib.error("its end is missing")

    def _hand_on(self, plain: bytes) -> None:
        if plain:
            self.size += len(plain)
            self.digest.update(plain)
            self._write(plain)
