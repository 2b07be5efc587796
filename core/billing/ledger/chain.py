"""The chain of a tenant's ledger: what is hashed, byte for byte, so that anyone can recompute it.

A transaction's canonical form is RFC 8785 JSON (sorted keys, no white space, UTF-8): ids as lower-case UUIDs,
integers as decimal strings, instants as `2026-01-31T23:59:59.000000Z`, hashes as lower-case hexadecimal:

    {"entries": [{"account", "amountMicro", "balanceAfterMicro", "currency", "customer", "kind", "version"}, …],
     "id", "kind", "occurredAt", "recordedAt", "reference" (or null), "tenant",
     "usage": null | {"amountMicro", "arithmetic", "cachedTokens", "currency", "customer", "event", "inputTokens",
                      "key" (SHA-256 of the caller's key), "model", "occurredAt", "outputTokens",
                      "priceBookVersion"}}

with the entries ordered by (account, version). Its digest is the SHA-256 of that. A block's hash is the SHA-256 of

    "cloudbill ledger block 1\\n" · tenant (16 bytes) · number (8) · previous block's hash (32, zeros before block 1)
    · sealed at, microseconds since 1970 (8) · count (8) · each transaction's id (16) and digest (32) in their order

with integers big-endian. docs/ledger-chain.md says the same with an example.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from core.foundation.crypto import digest

NO_HASH = bytes(32)
"""What stands for the block before the first one."""

DIGEST_BYTES = 32
_TAG = b"cloudbill ledger block 1\n"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ChainedEntry(NamedTuple):
    """An entry as it is hashed; `customer_id` and `kind` are its account's."""

    transaction_id: UUID
    account_id: UUID
    customer_id: UUID
    kind: str
    version: int
    amount_micro: int
    balance_after_micro: int
    currency: str


class ChainedUsage(NamedTuple):
    """The usage event that a transaction settles, as it is hashed."""

    transaction_id: UUID
    event_id: UUID
    key: str
    customer_id: UUID
    occurred_at: datetime
    model: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    amount_micro: int
    currency: str
    price_book_version: int
    arithmetic: dict[str, Any]


class ChainedTransaction(NamedTuple):
    """A transaction with all that its digest covers; `entries` ordered by (account, version)."""

    tenant_id: UUID
    id: UUID
    kind: str
    reference: str | None
    occurred_at: datetime
    recorded_at: datetime
    entries: tuple[ChainedEntry, ...]
    usage: ChainedUsage | None


@dataclass(frozen=True, slots=True)
class Block:
    """A sealed run of transactions; `digests` are theirs, one after the other, in the order of `transaction_ids`."""

    tenant_id: UUID
    number: int
    previous_hash: bytes
    hash: bytes
    transaction_ids: list[UUID]
    digests: bytes
    sealed_at: datetime


def canonical_json(document: dict[str, Any]) -> bytes:
    """RFC 8785 for documents of strings, UUIDs, null, booleans and small integers."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def canonical_instant(at: datetime) -> str:
    """In UTC, always with six digits of the second."""
    return f"{at.astimezone(UTC).isoformat(timespec='microseconds')[:26]}Z"


def canonical_bytes(transaction: ChainedTransaction) -> bytes:
    """The bytes whose SHA-256 is the transaction's digest."""
    return canonical_json(
        {
            "entries": [_entry(entry) for entry in transaction.entries],
            "id": transaction.id,
            "kind": transaction.kind,
            "occurredAt": canonical_instant(transaction.occurred_at),
            "recordedAt": canonical_instant(transaction.recorded_at),
            "reference": transaction.reference,
            "tenant": transaction.tenant_id,
            "usage": None if transaction.usage is None else _usage(transaction.usage),
        }
    )


def transaction_digest(transaction: ChainedTransaction) -> bytes:
    """32 bytes that change when anything about the transaction does."""
    return digest(canonical_bytes(transaction))


def block_hash(
    *,
    tenant_id: UUID,
    number: int,
    previous_hash: bytes,
    sealed_at: datetime,
    transaction_ids: list[UUID],
    digests: bytes,
) -> bytes:
    """32 bytes that commit to these transactions and, through the previous block, to all before them."""
    if len(digests) != DIGEST_BYTES * len(transaction_ids):
        raise ValueError(f"{len(transaction_ids)} transactions need as many digests, not {len(digests)} bytes")
    parts = [
        _TAG,
        tenant_id.bytes,
        _integer(number),
        previous_hash,
        _integer((sealed_at - _EPOCH) // timedelta(microseconds=1)),
    ]
    parts.append(_integer(len(transaction_ids)))
    for place, transaction_id in enumerate(transaction_ids):
        parts += (transaction_id.bytes, digests[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES])
    return digest(b"".join(parts))


def next_block(
    tenant_id: UUID, transactions: list[ChainedTransaction], *, number: int, previous_hash: bytes, sealed_at: datetime
) -> Block:
    """The block that seals `transactions`, which must not be empty."""
    assert transactions, "a block without transactions proves nothing"
    ids = [transaction.id for transaction in transactions]
    digests = b"".join(transaction_digest(transaction) for transaction in transactions)
    sealed = block_hash(
        tenant_id=tenant_id,
        number=number,
        previous_hash=previous_hash,
        sealed_at=sealed_at,
        transaction_ids=ids,
        digests=digests,
    )
    return Block(tenant_id, number, previous_hash, sealed, ids, digests, sealed_at)


def _entry(entry: ChainedEntry) -> dict[str, Any]:
    return {
        "account": entry.account_id,
        "amountMicro": str(entry.amount_micro),
        "balanceAfterMicro": str(entry.balance_after_micro),
        "currency": entry.currency,
        "customer": entry.customer_id,
        "kind": entry.kind,
        "version": str(entry.version),
    }


def _usage(usage: ChainedUsage) -> dict[str, Any]:
    return {
        "amountMicro": str(usage.amount_micro),
        "arithmetic": usage.arithmetic,
        "cachedTokens": str(usage.cached_tokens),
        "currency": usage.currency,
        "customer": usage.customer_id,
        "event": usage.event_id,
        "inputTokens": str(usage.input_tokens),
        "key": digest(usage.key.encode()).hex(),
        "model": usage.model,
        "occurredAt": canonical_instant(usage.occurred_at),
        "outputTokens": str(usage.output_tokens),
        "priceBookVersion": str(usage.price_book_version),
    }


def _integer(number: int) -> bytes:
    return number.to_bytes(8, "big")
