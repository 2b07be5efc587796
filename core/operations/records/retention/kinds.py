"""Which records are removed once they are old, after how long, and which are not and why.

A tenant keeps a kind for longer or shorter than the installation does, within what is sensible: the least is what the
product itself still needs. Books, invoices, usage and chains are no kind of these.
"""

from dataclasses import dataclass
from datetime import timedelta

from core.foundation.settings import Settings


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of record that is removed or emptied by time. `setting` is the installation's, None where it is fixed."""

    name: str
    what: str
    setting: str | None
    least_days: int
    most_days: int
    fixed_days: int = 0
    by_tenant: bool = True

    def default_days(self, settings: Settings) -> int:
        """What the installation says."""
        if self.setting is None:
            return self.fixed_days
        kept_for: timedelta = getattr(settings, self.setting)
        return kept_for.days


TENANTS = (
    Kind(
        "messages",
        "Mails and SMS: to whom, when, how each ended. Their texts are made of it when they are looked at.",
        "retention_messages",
        90,
        3_650,
    ),
    Kind(
        "webhookAnswers",
        "What webhook endpoints answered: emptied in the log.",
        "retention_webhook_answers",
        1,
        3_650,
    ),
    Kind(
        "webhookLog", "Calls of webhook endpoints and their attempts, once closed.", "retention_webhook_log", 7, 3_650
    ),
    Kind(
        "invitations",
        "Invitations that were accepted, withdrawn or have run out, with their addresses.",
        "retention_invitations",
        1,
        3_650,
    ),
)
INSTALLATION = (
    Kind(
        "providerEvents",
        "What the payment provider told us: emptied once applied; that it was applied stays.",
        "retention_provider_events",
        35,
        3_650,
        by_tenant=False,
    ),
    Kind("rememberedAnswers", "Answers kept for idempotency keys that moved no money.", None, 30, 30, 30, False),
    Kind("signIns", "Sign-ins, after their last refresh token has expired.", None, 30, 30, 30, False),
)
KINDS = {kind.name: kind for kind in (*TENANTS, *INSTALLATION)}


@dataclass(frozen=True, slots=True)
class Untouched:
    """What no retention removes."""

    name: str
    why: str


UNTOUCHED = (
    Untouched(
        "invoices",
        "Issued invoices and credit notes with their lines and inputs: tax law asks for them for ten years "
        "(e.g. Abgabenordnung, section 147), and each is recomputed from them.",
    ),
    Untouched("ledger", "Entries and the chain that seals them are never changed; they hold ids and amounts only."),
    Untouched("payments", "Purchases, payments, refunds and disputes: vouchers of the books."),
    Untouched(
        "usage", "Usage events: invoices are recomputed from them, and their keys refuse a second charge for ever."
    ),
    Untouched(
        "auditLog",
        "Who did what: chained, so that nothing can be taken out. What is personal in it is sealed, and unreadable "
        "once the person is erased.",
    ),
    Untouched("exports", "Exports of a person's data are made when they are asked for and kept nowhere."),
)
