"""Signed heads of the tenants' chains, kept outside the database.

A head says how far a tenant's chain had come: block number, hash, how many transactions up to it. Whoever rewrites
the database cannot also sign a new head, so a newest block or a whole chain that is gone is seen. One small file a
tenant, `<tenant id>.head`, replaced whole; the first one (number 0) is written before the first block, so a chain
without a head file is never right. All workers share the folder. docs/ledger-chain.md has the bytes that are signed.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from core.billing.ledger.chain import NO_HASH, canonical_instant, canonical_json
from core.billing.ledger.signing import key_id

_TAG = b"cloudbill ledger head 1\n"
_SUFFIX = ".head"


class HeadForged(Exception):
    """A head file that does not hold what we signed for that tenant."""


@dataclass(frozen=True, slots=True)
class Head:
    """How far a chain had come; number 0 before its first block."""

    tenant_id: UUID
    number: int
    hash: bytes
    transactions: int
    sealed_at: datetime


class Heads:
    """The folder of heads. The first key signs, each of them is believed."""

    def __init__(self, folder: Path, keys: list[Ed25519PrivateKey]) -> None:
        self.folder = folder
        self._signing = keys[0]
        self._known: dict[str, Ed25519PublicKey] = {key_id(key): key.public_key() for key in keys}

    def find(self, tenant_id: UUID) -> Head | None:
        """The tenant's head, or None where there is no file. Raises HeadForged for a file that is not ours."""
        try:
            content = self._path(tenant_id).read_bytes()
        except FileNotFoundError:
            return None
        return self._open(tenant_id, content)

    def tenants(self) -> set[UUID]:
        """All tenants that have a head file."""
        if not self.folder.is_dir():
            return set()
        return {UUID(path.stem) for path in self.folder.glob(f"*{_SUFFIX}") if _is_uuid(path.stem)}

    def begin(self, tenant_id: UUID, *, now: datetime) -> Head:
        """The head before the first block."""
        return self.advance(Head(tenant_id, 0, NO_HASH, 0, now))

    def advance(self, head: Head) -> Head:
        """Writes a head unless the file has come further already; on the disk when it returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            known = self.find(head.tenant_id)
            if known is not None and known.number >= head.number:
                return known
            path = self._path(head.tenant_id)
            temporary = path.with_suffix(".writing")
            with temporary.open("wb") as file:
                file.write(self._seal(head))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            folder = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return head

    def _path(self, tenant_id: UUID) -> Path:
        return self.folder / f"{tenant_id}{_SUFFIX}"

    @contextmanager
    def _locked(self) -> Generator[None]:
        with (self.folder / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _seal(self, head: Head) -> bytes:
        document = {
            "hash": head.hash.hex(),
            "key": key_id(self._signing),
            "number": str(head.number),
            "sealedAt": canonical_instant(head.sealed_at),
            "tenant": str(head.tenant_id),
            "transactions": str(head.transactions),
        }
        signature = self._signing.sign(_TAG + canonical_json(document))
        return canonical_json({**document, "signature": signature.hex()}) + b"\n"

    def _open(self, tenant_id: UUID, content: bytes) -> Head:
        try:
            document: dict[str, str] = orjson.loads(content)
            signature = bytes.fromhex(document.pop("signature"))
            key = self._known[document["key"]]
            key.verify(signature, _TAG + canonical_json(document))
            head = Head(
                tenant_id=UUID(document["tenant"]),
                number=int(document["number"]),
                hash=bytes.fromhex(document["hash"]),
                transactions=int(document["transactions"]),
                sealed_at=datetime.fromisoformat(document["sealedAt"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature):
            raise HeadForged(f"{self._path(tenant_id).name} does not carry our signature") from None
        if head.tenant_id != tenant_id:
            raise HeadForged(f"{self._path(tenant_id).name} is another tenant's head")
        return head


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
