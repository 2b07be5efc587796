"""The door for a caller's `Idempotency-Key`: same key and input, the first answer again; other input, 409.

Only an answer that changed something is kept, in the transaction that changed it: after a 4xx the same key may still
succeed. Rooms whose key moves money keep it in their own tables, for ever; these are kept for 30 days.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Header
from sqlalchemy import text

from core.foundation.crypto import input_hash
from core.foundation.errors import InvalidInput, KeyInFlight, KeyReused
from core.foundation.schemas import Answer, dump
from core.identity.scope import Unit
from core.identity.tenants.auditing import nothing_changed
from core.identity.tenants.models import IdempotencyKey

KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        description="Chosen by the caller, once a request. The same request again gives the first answer again.",
    ),
]


async def answer_once(
    unit: Unit, make: Callable[[], Awaitable[Answer]], *, door: str, key: str | None, document: Any, status: int = 201
) -> dict[str, Any]:
    """The body of the answer: made now, or the first one with `replayed: true`.

    `door` names the operation, since a key is scoped to it; `document` is what the caller asked for. Raises KeyReused,
    KeyInFlight, and whatever `make` raises.
    """
    if key is None:
        return {**dump(await make()), "replayed": False}
    if not key or any(character < " " or character == "\x7f" for character in key):
        raise InvalidInput("Idempotency-Key", "must be 1 to 200 characters without control characters")
    row = {"tenant": unit.tenant_id, "door": door, "key": key}
    if not await unit.session.scalar(_CLAIM, {"claim": f"{unit.tenant_id} {door} {key}"}):
        raise KeyInFlight
    first = (await unit.session.execute(_FIRST, row)).one_or_none()
    hashed = input_hash(document)
    if first is not None and first.is_over:
        await unit.session.execute(_FORGET, row)
    elif first is not None:
        if first.input_hash != hashed:
            raise KeyReused
        nothing_changed(unit.session)
        return {**first.body, "replayed": True}
    body = dump(await make())
    unit.session.add(
        IdempotencyKey(tenant_id=unit.tenant_id, door=door, key=key, input_hash=hashed, status=status, body=body)
    )
    return {**body, "replayed": False}


# The lock is gone with the transaction, however it ends.
_CLAIM = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:claim, 1))")

_FIRST = text("""
SELECT input_hash, body, created_at < now() - interval '30 days' AS is_over FROM idempotency_keys
WHERE tenant_id = :tenant AND door = :door AND key = :key
""")

_FORGET = text("DELETE FROM idempotency_keys WHERE tenant_id = :tenant AND door = :door AND key = :key")
