"""Who calls, and what the words of the rights mean. Role x route is one table: core/api/access.py."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

OWNER, FINANCE, DEVELOPER, READ_ONLY = "owner", "finance", "developer", "read_only"
"""Roles in a tenant."""

OPERATOR, INSTALLATION_FINANCE = "operator", "finance"
"""Roles in the installation."""

USAGE_WRITE, USAGE_READ = "usage:write", "usage:read"
LEDGER_READ = "ledger:read"
PURCHASES_WRITE, PURCHASES_READ = "purchases:write", "purchases:read"
BILLING_READ, BILLING_WRITE = "billing:read", "billing:write"
KEYS_WRITE = "keys:write"

SCOPES = (
    USAGE_WRITE,
    USAGE_READ,
    LEDGER_READ,
    PURCHASES_WRITE,
    PURCHASES_READ,
    BILLING_READ,
    BILLING_WRITE,
    KEYS_WRITE,
)
"""What an API key may be allowed."""

SCOPES_OF_ROLE = {
    OWNER: frozenset(SCOPES),
    DEVELOPER: frozenset({USAGE_WRITE, USAGE_READ, LEDGER_READ, PURCHASES_READ, BILLING_READ, KEYS_WRITE}),
}
"""What a key may be given by whom: no more than the role may do itself. Other roles make no keys."""

FOREIGN_SCOPES = frozenset({USAGE_WRITE, USAGE_READ})
"""What a token of the trusted foreign issuer may do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A verified caller.

    `role` and `installation_role` are a user's; `scopes` are an API key's or a foreign token's (None: a user, whose
    role decides). A foreign caller is one customer of its tenant, `customer_id` (known to the tenant by
    `customer_external_id`), and may act for no other. `rate_limit` is requests a window where the caller has its own.
    """

    kind: Literal["user", "api_key", "foreign"]
    id: UUID
    tenant_id: UUID | None = None
    tenant_slug: str | None = None
    tenant_is_test: bool = False
    role: str | None = None
    installation_role: str | None = None
    scopes: frozenset[str] | None = None
    rate_limit: int | None = None
    customer_id: UUID | None = None
    customer_external_id: str | None = None
