"""What was corrected of an invoice, as it is shown."""

from uuid import UUID

from core.foundation.schemas import Answer, Instant


class KnownThen(Answer):
    """What an item rested on by what was known at an instant: of usage the events, of a floor what counted for it."""

    quantity: str | None
    events: int | None
    digest: str | None
    owed_minor: int | None
    charged_minor: int | None


class CreditedAnswer(Answer):
    """What a credit note took back of the line, before tax."""

    credit_note_id: UUID
    net_minor: int


class LateCorrectionAnswer(Answer):
    """A correction of one item. `correctedOn`: the invoice that bills it, null until `billAt`."""

    correction_id: UUID
    item_id: UUID
    kind: str
    code: str
    description: str
    period_start: Instant | None
    period_end: Instant | None
    currency: str
    amount_minor: int
    as_of_before: Instant
    as_of: Instant
    before: KnownThen
    after: KnownThen
    bill_at: Instant | None
    corrected_on: UUID | None
    corrected_on_number: str | None
    credit_notes: list[CreditedAnswer]
    occurred_at: Instant


class LateCorrectionsAnswer(Answer):
    """In the order in which they were made."""

    data: list[LateCorrectionAnswer]
