"""The answer of reconciliation."""

from typing import Literal
from uuid import UUID

from core.foundation.schemas import Answer, Instant


class DifferenceAnswer(Answer):
    """One difference, with what each side says in minor units."""

    difference: Literal["missing_here", "missing_there", "amount", "currency", "state", "ledger", "timing"]
    kind: str
    provider_id: str
    id: UUID | None
    tenant_id: UUID | None
    currency: str
    ours_minor: int | None
    theirs_minor: int | None
    detail: str


class AccountAnswer(Answer):
    """What moved on the provider's account in a currency; every part of it adds up to `net_minor`."""

    currency: str
    charged_minor: int
    refunded_minor: int
    disputed_minor: int
    fees_minor: int
    paid_out_minor: int
    other_minor: int
    net_minor: int
    ours_minor: int
    unexplained_minor: int


class ReconciliationAnswer(Answer):
    """What the provider says against what we say, from `since` on."""

    since: Instant
    compared: int
    differences: list[DifferenceAnswer]
    accounts: list[AccountAnswer]
