"""One call to Stripe's client: what it answers is read, and what goes wrong gets one of our names."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import stripe

from core.billing.payments.providers.errors import ProviderUnavailable
from core.billing.payments.providers.stripe_errors import named
from core.billing.payments.providers.stripe_fields import StripeObject

Result = TypeVar("Result")

PAGE = 100


async def ask(call: Callable[[], Awaitable[Any]], read: Callable[[StripeObject], Result]) -> Result:
    """Calls Stripe and reads the answer; whatever goes wrong gets one of our names."""
    try:
        answer = await call()
    except stripe.StripeError as error:
        # Not chained: the library's error carries the whole body, client secrets included, into any log of it.
        raise named(error) from None
    try:
        return read(answer.to_dict())
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ProviderUnavailable(
            f"The payment provider's answer cannot be read ({type(error).__name__}). Is STRIPE_API_BASE right?"
        ) from None


async def pages(fetch: Callable[[str | None], Awaitable[Any]]) -> AsyncIterator[StripeObject]:
    after: str | None = None
    while True:
        found, has_more = await ask(partial(fetch, after), read_page)
        for item in found:
            yield item
        if not has_more or not found:
            return
        after = str(found[-1]["id"])


def read_page(page: StripeObject) -> tuple[list[StripeObject], bool]:
    return list(page["data"]), page["has_more"] is True


def read_id(found: StripeObject) -> str:
    """Just the id."""
    return str(found["id"])
