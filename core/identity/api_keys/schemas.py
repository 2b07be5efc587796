"""Bodies of API keys."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from core.foundation.schemas import Answer, Body, Instant, InstantInput, Name, StrictInteger

ScopeName = Literal[
    "usage:write",
    "usage:read",
    "ledger:read",
    "purchases:write",
    "purchases:read",
    "billing:read",
    "billing:write",
    "keys:write",
]


def _without_doubles(scopes: list[ScopeName]) -> list[ScopeName]:
    return sorted(set(scopes))


Scopes = Annotated[list[ScopeName], Field(min_length=1, max_length=20), AfterValidator(_without_doubles)]


class NewApiKey(Body):
    """A key for an application. `rateLimit`: requests a window, instead of the installation's default."""

    name: Name
    scopes: Scopes
    rate_limit: Annotated[StrictInteger, Field(ge=1, le=100_000_000)] | None = None
    expires_at: InstantInput | None = None


class ApiKeyAnswer(Answer):
    """A key, without its secret. `lastUsedAt` is true to the hour; null: never used."""

    api_key_id: UUID
    name: str
    prefix: str
    scopes: list[ScopeName]
    rate_limit: int | None
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None


class CreatedApiKey(ApiKeyAnswer):
    """A key with its secret, which is shown this once."""

    key: str
