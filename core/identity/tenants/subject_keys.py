"""A key a person or customer: immutable records hold what is personal sealed under it, and lose it with the key.

Erasing somebody destroys the key; what was sealed is then unreadable for ever, and every sum and digest stands.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


class SubjectSeal:
    """Seals and opens under one subject's key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, content: bytes) -> bytes:
        """Encrypted and authenticated."""
        return Fernet(self._key).encrypt(content)

    def open(self, sealed: bytes) -> bytes:
        """The content. Raises InvalidToken for what was sealed under another key, and where the key is none."""
        try:
            fernet = Fernet(self._key)
        except ValueError:
            raise InvalidToken from None
        return fernet.decrypt(sealed)


async def seals_of(
    session: AsyncSession, tenant_id: UUID, subjects: Collection[UUID]
) -> Mapping[UUID, SubjectSeal | None]:
    """The subjects' seals, made at first use; None for one whose key was destroyed."""
    wanted = sorted(set(subjects))
    found = await _find(session, tenant_id, wanted)
    if missing := [subject for subject in wanted if subject not in found]:
        keys = [Fernet.generate_key() for _ in missing]
        # Of two that make a key at once the first one's holds.
        await session.execute(_MAKE, {"tenant": tenant_id, "subjects": missing, "keys": keys})
        found |= await _find(session, tenant_id, missing)
    return {subject: SubjectSeal(key) if key is not None else None for subject, key in found.items()}


async def find_seals(
    session: AsyncSession, tenant_id: UUID, subjects: Collection[UUID]
) -> Mapping[UUID, SubjectSeal | None]:
    """The same, and none is made: for reading."""
    found = await _find(session, tenant_id, sorted(set(subjects)))
    return {subject: SubjectSeal(key) if key is not None else None for subject, key in found.items()}


async def destroy_key(session: AsyncSession, tenant_id: UUID, subject_id: UUID, *, now: datetime) -> None:
    """What was sealed for the subject is unreadable from now on, and nothing more can be sealed for it."""
    await session.execute(_DESTROY, {"tenant": tenant_id, "subject": subject_id, "now": now})


async def _find(session: AsyncSession, tenant_id: UUID, subjects: Collection[UUID]) -> dict[UUID, bytes | None]:
    rows = await session.execute(_FIND, {"tenant": tenant_id, "subjects": list(subjects)})
    return {row.subject_id: None if row.key is None else bytes(row.key) for row in rows}


_FIND = text("SELECT subject_id, key FROM subject_keys WHERE tenant_id = :tenant AND subject_id = ANY(:subjects)")

_MAKE = text("""
INSERT INTO subject_keys (tenant_id, subject_id, key)
SELECT :tenant, made.subject_id, made.key
FROM unnest(CAST(:subjects AS uuid[]), CAST(:keys AS bytea[])) AS made (subject_id, key)
ON CONFLICT (tenant_id, subject_id) DO NOTHING
""")

_DESTROY = text("""
INSERT INTO subject_keys (tenant_id, subject_id, key, destroyed_at) VALUES (:tenant, :subject, NULL, :now)
ON CONFLICT (tenant_id, subject_id) DO UPDATE SET key = NULL, destroyed_at = coalesce(subject_keys.destroyed_at, :now)
""")
