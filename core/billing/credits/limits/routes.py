"""Limited credits as wallets and lots show them."""

from core.billing.credits.limits.service import LimitedCredits
from core.billing.credits.schemas import LimitedAnswer


def limited_answer(limited: LimitedCredits) -> LimitedAnswer:
    """One account of limited credits on the wire."""
    return LimitedAnswer(
        models=list(limited.models),
        meters=list(limited.meters),
        balance=limited.balance_micro,
        available=limited.balance_micro - limited.held_micro,
        held=limited.held_micro,
    )
