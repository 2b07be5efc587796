"""The chain of a tenant's audit log: what is hashed, so that anyone can recompute it.

A row's canonical form is RFC 8785 JSON of its columns (ids as lower-case UUIDs, instants as in the ledger's chain,
sealed bytes as their SHA-256 in hexadecimal, so that an erasure leaves the chain as it was). A block's hash is made as
the ledger's is (core/billing/ledger/chain.py), of "cloudbill audit log 1" and the tenant's id in the place of the
tenant's id alone, so that no ledger block can be passed off as an audit block.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Row

from core.billing.ledger.chain import block_hash, canonical_instant, canonical_json
from core.foundation.crypto import digest

_TAG = "cloudbill audit log 1"
COLUMNS = (
    "id", "actor_id", "actor_kind", "action", "subject", "reason", "details", "occurred_at", "recorded_at",
    "request_id", "origin", "change", "sealed_for",
)  # fmt: skip


def as_columns(row: Row[Any]) -> Mapping[str, Any]:
    """The row's values by column."""
    return dict(zip(COLUMNS, row, strict=True))


def row_digest(tenant_id: UUID, row: Mapping[str, Any]) -> bytes:
    """32 bytes that change when anything of the row does."""
    document: dict[str, Any] = {"tenant": str(tenant_id)}
    for name, value in row.items():
        if isinstance(value, datetime):
            document[name] = canonical_instant(value)
        elif isinstance(value, bytes):
            document[name] = digest(value).hex()
        else:
            document[name] = str(value) if isinstance(value, UUID) else value
    return digest(canonical_json(document))


def audit_block_hash(
    tenant_id: UUID,
    *,
    number: int,
    previous_hash: bytes,
    sealed_at: datetime,
    entry_ids: Sequence[UUID],
    digests: bytes,
) -> bytes:
    """32 bytes that commit to these rows and, through the previous block, to all before them."""
    return block_hash(
        tenant_id=uuid5(tenant_id, _TAG),
        number=number,
        previous_hash=previous_hash,
        sealed_at=sealed_at,
        transaction_ids=list(entry_ids),
        digests=digests,
    )
