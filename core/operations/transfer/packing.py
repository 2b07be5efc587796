"""The files of a set: gzip, and inside age where it is sealed, so that standard tools open them without us.

A file is about one chunk and is held in memory, so that a reader of the set sees it whole or not at all.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.operations.backups.keys import AGE, Opening, recipient
from core.operations.transfer.errors import SetDamaged, SetSealed

_GZIP = 31  # zlib's word for its own format with gzip's head
_LEVEL = 1  # the next ones cost half again as much time for a hundredth less of size


@dataclass(frozen=True, slots=True)
class Packed:
    """What a file holds, and how it is recognized."""

    content: bytes
    sha256: str
    plain_size: int
    plain_sha256: str
    lines: int


def pack(pieces: Iterable[bytes], *, to: Sequence[str] = ()) -> Packed:
    """Compressed, and sealed to age's public keys where some are given."""
    squeeze, digest = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP), hashlib.sha256()
    parts: list[bytes] = []
    size = lines = 0
    for piece in pieces:
        size += len(piece)
        lines += piece.count(b"\n")
        digest.update(piece)
        parts.append(squeeze.compress(piece))
    parts.append(squeeze.flush())
    content = b"".join(parts)
    if to:
        content = bytes(AGE.encrypt(content, [recipient(key) for key in to]))
    return Packed(content, hashlib.sha256(content).hexdigest(), size, digest.hexdigest(), lines)


def unpack(content: bytes, *, name: str, by: Sequence[Opening], sealed: bool) -> bytes:
    """What is inside. Raises SetSealed, SetDamaged."""
    try:
        if sealed:
            content = bytes(AGE.decrypt(content, [opening.identity for opening in by]))
        return gzip.decompress(content)
    except AGE.DecryptError as error:
        if "No matching keys" in str(error):
            raise SetSealed(
                f"{name} is sealed to another key than {', '.join(one.name for one in by)}: give the private key "
                "with --identity"
            ) from None
        raise SetDamaged(f"{name} does not open: {error}") from None
    except (OSError, EOFError, zlib.error):
        raise SetDamaged(f"{name} is not whole: what is inside does not unpack") from None
