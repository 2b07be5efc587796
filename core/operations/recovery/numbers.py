"""How far each series of invoice numbers has come, noted outside of the database: so that a restored copy knows it.

The worker writes `invoice-numbers.json` beside the ledger's signed heads, signed with their key, each time it looks at
how recovery stands. A held worker only reads it, and lays it where the API finds it: what it says is the lost copy's.
"""

import asyncio
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidSignature
from sqlalchemy import text

from core.billing.invoices.skipping import list_series, skip_possibly_issued
from core.billing.ledger.chain import canonical_json
from core.billing.ledger.signing import load_signing_keys
from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.ids import INSTALLATION_ID
from core.foundation.settings import Settings
from core.operations.recovery import holding
from core.operations.recovery.holding import Hold

PART = "numbers"
_NAME = "invoice-numbers.json"
_TAG = b"cloudbill invoice numbers 1\n"
Series = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """The last number of each series, by tenant, as it was at that instant."""

    seen_at: datetime
    series: Series

    def document(self) -> dict[str, Any]:
        """As it is kept."""
        return {"seenAt": self.seen_at.isoformat(), "series": self.series}


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """What nobody gets any more."""

    tenants: int = 0
    numbers: int = 0
    known_until: datetime | None = None
    """Until when the lost copy's numbers were known; None where nothing was noted since the state of the copy."""


async def see_numbers(database: Database, settings: Settings) -> dict[str, Any]:
    """Notes how far the series have come; what the lost copy's came to, where the worker is held."""
    if any(not hold.nothing_lost for hold in await holding.list_open(database)):
        noted = await asyncio.to_thread(find_noted, settings)
        return noted.document() if noted else {}
    seen_at = wall_now()
    async with database.reading() as session:
        found = await list_series(session)
    series = {str(tenant_id): own for tenant_id, own in found.items()}
    await asyncio.to_thread(_write, settings, Noted(seen_at=seen_at, series=series))
    return {}


def find_noted(settings: Settings) -> Noted | None:
    """What was noted last; None without it, and where it does not carry our signature."""
    try:
        document: dict[str, Any] = orjson.loads(_path(settings).read_bytes())
        signature = bytes.fromhex(document.pop("signature"))
        if not any(_holds(key.public_key(), signature, document) for key in load_signing_keys(settings)):
            return None
        return _noted(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def carry_over(source: Path, target: Path) -> None:
    """To the folder of heads that takes the place of one that is set aside."""
    if (source / _NAME).is_file():
        target.mkdir(parents=True, exist_ok=True)
        (target / _NAME).write_bytes((source / _NAME).read_bytes())


async def skip_after(database: Database, settings: Settings, holds: list[Hold]) -> Skipped:
    """Skips what the lost copy may have given out, in all tenants; safe to run again."""
    lossy = [hold for hold in holds if not hold.nothing_lost]
    if not lossy:
        return Skipped()
    first = min(lossy, key=lambda hold: hold.state_of)
    seen = [noted for noted in (await asyncio.to_thread(find_noted, settings), await _laid_out(database)) if noted]
    known_until = max((noted.seen_at for noted in seen), default=first.state_of)
    reason = (
        f"{first.reason}, with the state of {first.state_of:%Y-%m-%dT%H:%M:%SZ}: it may have been issued in the time "
        f"that was lost (hold {first.id})"
    )
    async with database.reading() as session:
        tenants = (await session.scalars(text("SELECT id FROM tenants WHERE id <> :none"), _NONE)).all()
    numbers = 0
    for tenant_id in tenants:
        known: dict[str, int] = {}
        for noted in seen:
            for series, last in noted.series.get(str(tenant_id), {}).items():
                known[series] = max(last, known.get(series, 0))
        async with database.tenant(tenant_id) as session:
            skipped = await skip_possibly_issued(
                session,
                tenant_id=tenant_id,
                known=known,
                seen_at=max(known_until, first.state_of),
                reason=reason,
            )
        numbers += sum(last - start + 1 for start, last in skipped.values())
    return Skipped(
        tenants=len(tenants), numbers=numbers, known_until=known_until if known_until > first.state_of else None
    )


async def _laid_out(database: Database) -> Noted | None:
    async with database.reading() as session:
        document = await session.scalar(text("SELECT document FROM recovery_standing WHERE part = :part"), _PART)
    return _noted(document) if document else None


def _noted(document: dict[str, Any]) -> Noted:
    return Noted(seen_at=datetime.fromisoformat(document["seenAt"]), series=document["series"])


def _write(settings: Settings, noted: Noted) -> None:
    path = _path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    document = noted.document()
    signature = load_signing_keys(settings)[0].sign(_TAG + canonical_json(document)).hex()
    unfinished = path.with_suffix(".writing")
    with unfinished.open("wb") as file:
        file.write(orjson.dumps({**document, "signature": signature}))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _holds(key: Any, signature: bytes, document: dict[str, Any]) -> bool:
    try:
        key.verify(signature, _TAG + canonical_json(document))
    except InvalidSignature:
        return False
    return True


def _path(settings: Settings) -> Path:
    return settings.heads_path / _NAME


_NONE: dict[str, UUID] = {"none": INSTALLATION_ID}
_PART = {"part": PART}
