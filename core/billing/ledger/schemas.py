"""Postings on the wire. Credits are decimal strings in units of the currency."""

from typing import Literal
from uuid import UUID

from core.foundation.schemas import Answer, Credits, Instant

TransactionKind = Literal[
    "purchase",
    "usage",
    "refund",
    "refund_reversal",
    "dispute",
    "dispute_reversal",
    "receivable_payment",
    "expiry",
    "grant",
    "adjustment",
    "invoice",
    "invoice_credit",
]


class PostingAnswer(Answer):
    """What a transaction did to a wallet: charges are negative, `balanceAfter` is the sum of all amounts so far.

    `receivable` is what the wallet did not cover and is now owed; negative where what was owed got paid. `limited` is
    what moved of credits that are for certain models or meters only, beside the wallet.
    """

    transaction_id: UUID
    kind: TransactionKind
    amount: Credits
    currency: str
    balance_after: Credits
    receivable: Credits
    limited: Credits
    occurred_at: Instant
    recorded_at: Instant
    customer_id: UUID
    description: str
    usage_event_id: UUID | None
    purchase_id: UUID | None
