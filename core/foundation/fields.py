"""Fields whose refusal has a code of its own, so that a program knows what was wrong without reading sentences."""

from typing import Annotated, Any

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from core.foundation.money import MINOR_DIGITS

TITLES = {
    "amount_invalid": "The amount cannot be taken",
    "currency_unknown": "The currency is not known here",
    "price_invalid": "The price cannot be taken",
    "quantity_invalid": "The quantity cannot be taken",
    "usage_batch_size": "A batch holds 1 to 1,000 events",
}
"""The codes of such fields."""


def named(code: str) -> WrapValidator:
    """What the field refuses is refused by this code. It stands last in an Annotated."""

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            said = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            raise PydanticCustomError(code, "{said}", {"said": said}) from None  # pyright: ignore[reportArgumentType]  (a literal is wanted)

    return WrapValidator(check)


def _known(value: Any, handler: ValidatorFunctionWrapHandler) -> str:
    if not isinstance(value, str) or value not in MINOR_DIGITS:
        known = ", ".join(MINOR_DIGITS)
        raise PydanticCustomError("currency_unknown", "must be one of {known}, in capitals", {"known": known})
    return value


CurrencyCode = Annotated[
    str,
    Field(examples=["USD"], json_schema_extra={"pattern": "^[A-Z]{3}$", "minLength": 3, "maxLength": 3}),
    WrapValidator(_known),
]
"""A currency of ISO 4217 that this installation knows."""
