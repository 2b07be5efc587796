"""Which price book a call is charged by."""

from collections.abc import Sequence
from datetime import datetime

from core.billing.pricing.errors import NoPriceBook, UnknownModel
from core.billing.pricing.rating import RateCard


def card_at(cards: Sequence[RateCard], at: datetime, *, currency: str) -> RateCard:
    """The book in force at an instant: the tenant's own if it has one, else the installation's.

    `cards` as the repository lists them: own before the installation's, newest first. Raises NoPriceBook.
    """
    for card in cards:
        if card.effective_from <= at:
            return card
    raise NoPriceBook(currency)


def check_model(card: RateCard, model: str) -> None:
    """Raises UnknownModel, which names the book, when the book has no price for the model."""
    if model not in card.models:
        raise UnknownModel(model, card)
