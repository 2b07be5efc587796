"""SavedCards and AccountMovements on Stripe: SetupIntents, PaymentMethods, test clocks, balance transactions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import datetime
from typing import Any

import stripe

from core.billing.payments.providers.base import ProviderCheckout, ProviderPayment
from core.billing.payments.providers.errors import ProviderRejected, ProviderUnavailable
from core.billing.payments.providers.saving import (
    ChargeRequest,
    CustomerReference,
    ProviderCard,
    ProviderMovement,
    ProviderPayout,
    ProviderSetup,
    SetupPageRequest,
    SetupReference,
)
from core.billing.payments.providers.stripe_asking import PAGE, ask, pages, read_id
from core.billing.payments.providers.stripe_objects import StripeObject, read_checkout, read_payment
from core.billing.payments.providers.stripe_saved_objects import (
    charge_metadata,
    customer_metadata,
    read_card,
    read_movement,
    read_payout,
    read_setup,
    setup_metadata,
)

_CLOCK_SECONDS = 0.2
_CLOCK_LOOKS = 300


class StripeSaving:
    """The half of StripeProvider that saves cards, charges them later and lists what moved."""

    _client: stripe.StripeClient

    async def create_customer(
        self, reference: CustomerReference, *, clock_id: str | None = None, idempotency_key: str
    ) -> str:
        params: stripe.params.CustomerCreateParams = {"metadata": customer_metadata(reference)}
        if clock_id is not None:
            params["test_clock"] = clock_id
        return await ask(
            lambda: self._client.v1.customers.create_async(params, {"idempotency_key": idempotency_key}), read_id
        )

    async def create_clock(self, at: datetime, *, idempotency_key: str) -> str:
        return await ask(
            lambda: self._client.v1.test_helpers.test_clocks.create_async(
                {"frozen_time": int(at.timestamp())}, {"idempotency_key": idempotency_key}
            ),
            read_id,
        )

    async def advance_clock(self, clock_id: str, to: datetime) -> None:
        seconds = int(to.timestamp())
        clocks = self._client.v1.test_helpers.test_clocks
        for _ in range(_CLOCK_LOOKS):
            status, frozen = await ask(lambda: clocks.retrieve_async(clock_id), _read_clock)
            if status == "ready" and frozen >= seconds:
                return
            if status == "ready":
                await ask(
                    lambda: clocks.advance_async(
                        clock_id, {"frozen_time": seconds}, {"idempotency_key": f"advance-{clock_id}-{seconds}"}
                    ),
                    read_id,
                )
            else:
                await asyncio.sleep(_CLOCK_SECONDS)
        raise ProviderUnavailable("The payment provider's test clock does not come to its time. Try again.")

    async def create_setup(self, reference: SetupReference, *, customer_id: str, idempotency_key: str) -> ProviderSetup:
        return await ask(
            lambda: self._client.v1.setup_intents.create_async(
                {
                    "customer": customer_id,
                    "usage": "off_session",
                    "allowed_payment_method_types": ["card"],
                    "metadata": setup_metadata(reference),
                },
                {"idempotency_key": idempotency_key},
            ),
            read_setup,
        )

    async def get_setup(self, setup_id: str) -> ProviderSetup:
        return await ask(lambda: self._client.v1.setup_intents.retrieve_async(setup_id), read_setup)

    async def cancel_setup(self, setup_id: str, *, idempotency_key: str) -> ProviderSetup:
        return await ask(
            lambda: self._client.v1.setup_intents.cancel_async(
                setup_id, {"cancellation_reason": "abandoned"}, {"idempotency_key": idempotency_key}
            ),
            read_setup,
        )

    async def create_setup_page(self, request: SetupPageRequest, *, idempotency_key: str) -> ProviderCheckout:
        metadata = setup_metadata(request.reference)
        params: stripe.params.checkout.SessionCreateParams = {
            "mode": "setup",
            "customer": request.customer_id,
            "currency": request.currency.lower(),
            "allowed_payment_method_types": ["card"],
            "metadata": metadata,
            "setup_intent_data": {"metadata": metadata},
            "success_url": request.success_url,
        }
        if request.cancel_url is not None:
            params["cancel_url"] = request.cancel_url
        return await ask(
            lambda: self._client.v1.checkout.sessions.create_async(params, {"idempotency_key": idempotency_key}),
            read_checkout,
        )

    async def get_card(self, method_id: str) -> ProviderCard:
        return await ask(lambda: self._client.v1.payment_methods.retrieve_async(method_id), read_card)

    async def detach_card(self, method_id: str, *, idempotency_key: str) -> None:
        try:
            await ask(
                lambda: self._client.v1.payment_methods.detach_async(
                    method_id, {}, {"idempotency_key": idempotency_key}
                ),
                read_id,
            )
        except ProviderRejected:
            # Stripe refuses to detach twice; whether that is it is seen by looking.
            if (await self.get_card(method_id)).customer_id is not None:
                raise

    async def create_charge(self, request: ChargeRequest, *, idempotency_key: str) -> ProviderPayment:
        return await ask(
            lambda: self._client.v1.payment_intents.create_async(
                {
                    "amount": request.amount_minor,
                    "currency": request.currency.lower(),
                    "customer": request.customer_id,
                    "description": request.description,
                    "allowed_payment_method_types": ["card"],
                    "metadata": charge_metadata(request.reference),
                },
                {"idempotency_key": idempotency_key},
            ),
            read_payment,
        )

    async def charge_away(self, payment_id: str, *, method_id: str, idempotency_key: str) -> ProviderPayment:
        return await ask(
            lambda: self._client.v1.payment_intents.confirm_async(
                payment_id,
                {"payment_method": method_id, "off_session": True},
                {"idempotency_key": idempotency_key},
            ),
            read_payment,
        )

    async def list_movements(self, since: datetime) -> AsyncIterator[ProviderMovement]:
        def fetch(after: str | None) -> Awaitable[Any]:
            params: stripe.params.BalanceTransactionListParams = {
                "created": {"gte": int(since.timestamp())},
                "expand": ["data.source"],
                "limit": PAGE,
            }
            if after is not None:
                params["starting_after"] = after
            return self._client.v1.balance_transactions.list_async(params)

        async for found in pages(fetch):
            yield read_movement(found)

    async def list_payouts(self, since: datetime) -> AsyncIterator[ProviderPayout]:
        def fetch(after: str | None) -> Awaitable[Any]:
            params: stripe.params.PayoutListParams = {"created": {"gte": int(since.timestamp())}, "limit": PAGE}
            if after is not None:
                params["starting_after"] = after
            return self._client.v1.payouts.list_async(params)

        async for found in pages(fetch):
            yield read_payout(found)


def _read_clock(clock: StripeObject) -> tuple[str, int]:
    return str(clock["status"]), int(clock["frozen_time"])
