"""What pricing refuses: CloudBillError ├── UnknownModel 422 unknown_model └── NoPriceBook 422 no_price_book."""

from core.billing.pricing.rating import RateCard
from core.foundation.errors import CloudBillError


class UnknownModel(CloudBillError):
    """The price book in force has no price for the model."""

    status = 422
    code = "unknown_model"
    title = "The model has no price"

    def __init__(self, model: str, card: RateCard) -> None:
        owner = "the tenant's own" if card.is_own else "the installation's"
        super().__init__(
            f"{model} is not in {owner} price book, version {card.version} in {card.currency}. "
            "GET /billing/price-books lists the models that are.",
            model=model,
            priceBookVersion=card.version,
            currency=card.currency,
        )


class NoPriceBook(CloudBillError):
    """No price book of the tenant's currency was in force."""

    status = 422
    code = "no_price_book"
    title = "There is no price book"

    def __init__(self, currency: str) -> None:
        super().__init__(
            f"No price book in {currency} was in force then. GET /billing/price-books lists those there are.",
            currency=currency,
        )
