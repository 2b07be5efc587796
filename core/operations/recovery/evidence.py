"""Evidence: what drills, restores and releases showed, in a chain signed with the ledger's key.

The newest number and hash are also kept in a file beside the ledger's signed heads, so that a chain whose end was cut
off is seen, too.
"""

import errno
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from core.billing.ledger.signing import load_signing_keys
from core.foundation.database import Database
from core.foundation.errors import Conflict
from core.foundation.settings import Settings
from core.foundation.telemetry import log

_TAG = b"cloudbill recovery evidence 1\n"
_NO_HASH = bytes(32)
_TRIES = 5

_LOG = log("recovery")


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One piece of evidence."""

    number: int
    kind: str
    document: dict[str, Any]
    hash: str
    recorded_at: datetime


async def record(database: Database, settings: Settings, kind: str, document: dict[str, Any]) -> int:
    """Adds a piece, signed; its number. Raises Conflict when others keep adding at the same time."""
    key = load_signing_keys(settings)[0]
    content = orjson.dumps({"kind": kind, **document}, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z).decode()
    for _ in range(_TRIES):
        async with database.nobody() as session:
            last = (await session.execute(text("SELECT number, hash FROM last_evidence()"))).one_or_none()
            number, previous = (last.number + 1, bytes(last.hash)) if last else (1, _NO_HASH)
            digest = hashlib.sha256(previous + content.encode()).digest()
            piece = {
                "number": number,
                "kind": kind,
                "document": content,
                "previous_hash": "\\x" + previous.hex(),
                "hash": "\\x" + digest.hex(),
                "signature": "\\x" + key.sign(_TAG + digest).hex(),
            }
            stored = await session.scalar(_STORE, {"evidence": piece})
        if stored:
            try:
                _note_end(settings, key, number, digest)
            except OSError as error:
                if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                    raise
                # A drill in a cloud only reads that folder: the worker, which writes it, catches up.
                _LOG.info("evidence_end_left_to_the_worker", evidence=number)
            return number
    raise Conflict("Others keep adding evidence at the same time. Try again.")


async def list_pieces(database: Database, *, kind: str | None = None, limit: int = 100) -> list[Piece]:
    """The newest first."""
    async with database.reading() as session:
        rows = await session.execute(_LIST, {"kind": kind, "limit": limit})
        return [
            Piece(
                number=row.number,
                kind=row.kind,
                document=orjson.loads(row.document),
                hash=bytes(row.hash).hex(),
                recorded_at=row.recorded_at,
            )
            for row in rows
        ]


async def catch_up(database: Database, settings: Settings) -> list[str]:
    """What is wrong with the chain; when nothing is, its end is noted for those who could not note it themselves.

    From the first look on there is an end, be it of nothing: one that is missing later was taken away.
    """
    key = load_signing_keys(settings)[0]
    async with database.reading() as session:
        last = (await session.execute(_NEWEST)).one_or_none()
    if last is None and not _end_path(settings).exists():
        _note_end(settings, key, 0, _NO_HASH)
    faults = [fault async for fault in check(database, settings)]
    if last is not None and not faults:
        end: dict[str, Any] = orjson.loads(_end_path(settings).read_bytes())
        if end["number"] < last.number:
            _note_end(settings, key, last.number, bytes(last.hash))
    return faults


async def check(database: Database, settings: Settings) -> AsyncIterator[str]:
    """What is wrong with the chain; nothing when it holds."""
    keys = [key.public_key() for key in load_signing_keys(settings)]
    previous, expected = _NO_HASH, 1
    async with database.reading() as session:
        rows = (await session.execute(text("SELECT * FROM recovery_evidence ORDER BY number"))).all()
    for row in rows:
        name = f"evidence {row.number}"
        if row.number != expected or bytes(row.previous_hash) != previous:
            yield f"{name} does not follow the one before it"
        if hashlib.sha256(bytes(row.previous_hash) + row.document.encode()).digest() != bytes(row.hash):
            yield f"{name} was altered: its hash is not that of its document"
        elif not any(_holds(key, bytes(row.signature), bytes(row.hash)) for key in keys):
            yield f"{name} does not carry our signature"
        previous, expected = bytes(row.hash), row.number + 1
    try:
        end: dict[str, Any] = orjson.loads(_end_path(settings).read_bytes())
        signature, covered = bytes.fromhex(end["signature"]), b"end" + _digest(end)
    except FileNotFoundError:
        if rows:
            yield "the signed end of the evidence is gone"
        return
    except (ValueError, KeyError, TypeError, AttributeError):
        end, signature, covered = {}, b"", b""
    if not any(_holds(key, signature, covered) for key in keys):
        yield "the signed end of the evidence does not carry our signature"
        return
    known = {0: _NO_HASH.hex(), **{row.number: bytes(row.hash).hex() for row in rows}}
    if known.get(end["number"]) != end["hash"]:
        yield f"evidence {end['number']} was signed and is gone or was replaced"


def _note_end(settings: Settings, key: Ed25519PrivateKey, number: int, digest: bytes) -> None:
    path = _end_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    end = {"number": number, "hash": digest.hex()}
    signature = key.sign(_TAG + b"end" + _digest(end)).hex()
    unfinished = path.with_suffix(".writing")
    unfinished.write_bytes(orjson.dumps({**end, "signature": signature}))
    unfinished.replace(path)


def _digest(end: dict[str, Any]) -> bytes:
    return hashlib.sha256(f"{end.get('number')} {end.get('hash')}".encode()).digest()


def _end_path(settings: Settings) -> Path:
    return settings.heads_path / "recovery-evidence.json"


def _holds(key: Any, signature: bytes, digest: bytes) -> bool:
    try:
        key.verify(signature, _TAG + digest)
    except InvalidSignature:
        return False
    return True


_STORE = text("SELECT store_evidence(:evidence)").bindparams(bindparam("evidence", type_=JSONB))
_NEWEST = text("SELECT number, hash FROM recovery_evidence ORDER BY number DESC LIMIT 1")
_LIST = text(
    "SELECT * FROM recovery_evidence WHERE CAST(:kind AS text) IS NULL OR kind = :kind"
    " ORDER BY number DESC LIMIT :limit"
)
