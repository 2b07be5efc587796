"""PaymentProvider on Stripe's API with the `stripe` library (StripeClient, asynchronous through httpx).

The same code speaks to Stripe, to our simulator and to Stripe's own mock: only the base address differs. Every POST
carries an idempotency key, so that the library's retries and ours after a crash charge once.
"""

import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import stripe

from core.billing.payments.providers.base import (
    CheckoutRequest,
    CheckoutStatus,
    PaymentRequest,
    ProviderCheckout,
    ProviderDispute,
    ProviderEvent,
    ProviderPayment,
    ProviderRefund,
    PurchaseReference,
    RefundReason,
    RefundRequest,
)
from core.billing.payments.providers.errors import (
    MalformedProviderEvent,
    PaymentStateConflict,
    ProviderRejected,
)
from core.billing.payments.providers.stripe_asking import PAGE, ask, pages, read_id
from core.billing.payments.providers.stripe_fields import StripeObject
from core.billing.payments.providers.stripe_objects import (
    REFUND_KEY,
    read_checkout,
    read_dispute,
    read_envelope,
    read_event,
    read_payment,
    read_refund,
    reference_metadata,
)
from core.billing.payments.providers.stripe_saved_objects import charge_metadata
from core.billing.payments.providers.stripe_saving import StripeSaving
from core.billing.payments.providers.stripe_signature import verify

OFFICIAL_API_BASE = "https://api.stripe.com"
MAX_NETWORK_RETRIES = 2
TIMEOUT = httpx.Timeout(20.0, connect=5.0)
"""Seconds to wait for an answer; a job waits for it, never a caller's transaction."""

_REASONS = {
    RefundReason.REQUESTED: "requested_by_customer",
    RefundReason.DUPLICATE: "duplicate",
    RefundReason.FRAUD: "fraudulent",
}


class StripeProvider(StripeSaving):
    """One Stripe account, live or test by its secret key."""

    name = "stripe"

    def __init__(
        self,
        secret_key: str,
        *,
        webhook_secrets: Sequence[str] = (),
        api_base: str | None = None,
        timeout: httpx.Timeout = TIMEOUT,
        max_network_retries: int = MAX_NETWORK_RETRIES,
    ) -> None:
        """Raises ValueError where a live key would go to an address that is not Stripe's."""
        base = (api_base or OFFICIAL_API_BASE).rstrip("/")
        self.is_live = not secret_key.startswith(("sk_test_", "rk_test_"))
        if self.is_live and base != OFFICIAL_API_BASE:
            raise ValueError("STRIPE_SECRET_KEY is not a test key: leave STRIPE_API_BASE empty, or use a test key.")
        self._webhook_secrets = tuple(webhook_secrets)
        self._account_id: str | None = None
        self._transport = _Transport(timeout, bypass_proxy=_is_loopback(base))
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": base},
            max_network_retries=max_network_retries,
            http_client=self._transport,
        )

    async def get_account_id(self) -> str:
        if self._account_id is None:
            self._account_id = await ask(self._client.v1.accounts.retrieve_current_async, read_id)
        return self._account_id

    async def create_payment(self, request: PaymentRequest, *, idempotency_key: str) -> ProviderPayment:
        params: stripe.params.PaymentIntentCreateParams = {
            "amount": request.amount_minor,
            "currency": request.currency.lower(),
            "description": request.description,
            # Cards only: they confirm at once and without a return address, which other means need.
            # (`payment_method_types` was taken out of the API with version 2026-09-30.)
            "allowed_payment_method_types": ["card"],
            "metadata": reference_metadata(request.reference),
        }
        if request.customer_id is not None:
            params["customer"] = request.customer_id
        return await ask(
            lambda: self._client.v1.payment_intents.create_async(params, {"idempotency_key": idempotency_key}),
            read_payment,
        )

    async def get_payment(self, payment_id: str) -> ProviderPayment:
        return await ask(lambda: self._client.v1.payment_intents.retrieve_async(payment_id), read_payment)

    async def confirm_payment(
        self, payment_id: str, *, card: str, return_url: str | None = None, idempotency_key: str
    ) -> ProviderPayment:
        params: stripe.params.PaymentIntentConfirmParams = {"payment_method": card}
        if return_url is not None:
            params["return_url"] = return_url
        return await ask(
            lambda: self._client.v1.payment_intents.confirm_async(
                payment_id, params, {"idempotency_key": idempotency_key}
            ),
            read_payment,
        )

    async def cancel_payment(self, payment_id: str, *, idempotency_key: str) -> ProviderPayment:
        return await ask(
            lambda: self._client.v1.payment_intents.cancel_async(
                payment_id, {"cancellation_reason": "abandoned"}, {"idempotency_key": idempotency_key}
            ),
            read_payment,
        )

    async def create_checkout(self, request: CheckoutRequest, *, idempotency_key: str) -> ProviderCheckout:
        metadata = reference_metadata(request.reference)
        params: stripe.params.checkout.SessionCreateParams = {
            "mode": "payment",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": request.currency.lower(),
                        "unit_amount": request.amount_minor,
                        "product_data": {"name": request.item_name},
                    },
                }
            ],
            "allowed_payment_method_types": ["card"],
            "client_reference_id": str(request.reference.purchase_id),
            "metadata": metadata,
            # The intent that Checkout makes carries them too, and its charge and their events with it.
            "payment_intent_data": {"metadata": metadata, "description": request.item_name},
            "success_url": request.success_url,
        }
        if request.cancel_url is not None:
            params["cancel_url"] = request.cancel_url
        if request.expires_at is not None:
            params["expires_at"] = int(request.expires_at.timestamp())
        return await ask(
            lambda: self._client.v1.checkout.sessions.create_async(params, {"idempotency_key": idempotency_key}),
            read_checkout,
        )

    async def get_checkout(self, checkout_id: str) -> ProviderCheckout:
        return await ask(lambda: self._client.v1.checkout.sessions.retrieve_async(checkout_id), read_checkout)

    async def expire_checkout(self, checkout_id: str, *, idempotency_key: str) -> ProviderCheckout:
        try:
            return await ask(
                lambda: self._client.v1.checkout.sessions.expire_async(
                    checkout_id, {}, {"idempotency_key": idempotency_key}
                ),
                read_checkout,
            )
        except ProviderRejected as refused:
            # Stripe gives this refusal no code: whether the page was closed before is seen by looking.
            if (await self.get_checkout(checkout_id)).status is CheckoutStatus.OPEN:
                raise
            raise PaymentStateConflict(
                "The payment page is complete or expired already.",
                provider_request_id=refused.provider_request_id,
            ) from None

    async def create_refund(self, request: RefundRequest, *, idempotency_key: str) -> ProviderRefund:
        params: stripe.params.RefundCreateParams = {
            "payment_intent": request.payment_id,
            "reason": cast(Any, _REASONS[request.reason]),
            "metadata": {**_metadata(request), REFUND_KEY: str(request.refund_id)},
        }
        if request.amount_minor is not None:
            params["amount"] = request.amount_minor
        return await ask(
            lambda: self._client.v1.refunds.create_async(params, {"idempotency_key": idempotency_key}), read_refund
        )

    async def get_refund(self, provider_refund_id: str) -> ProviderRefund:
        return await ask(lambda: self._client.v1.refunds.retrieve_async(provider_refund_id), read_refund)

    async def list_refunds(self, payment_id: str) -> list[ProviderRefund]:
        def fetch(after: str | None) -> Awaitable[Any]:
            params: stripe.params.RefundListParams = {"payment_intent": payment_id, "limit": PAGE}
            if after is not None:
                params["starting_after"] = after
            return self._client.v1.refunds.list_async(params)

        return [read_refund(refund) async for refund in pages(fetch)]

    async def get_dispute(self, dispute_id: str) -> ProviderDispute:
        return await ask(lambda: self._client.v1.disputes.retrieve_async(dispute_id), read_dispute)

    async def list_events(self, since: datetime) -> AsyncIterator[ProviderEvent]:
        async for event in self._events(since):
            yield read_event(event)

    async def list_bodies(self, since: datetime) -> AsyncIterator[tuple[ProviderEvent, bytes]]:
        async for event in self._events(since):
            body = json.dumps(event, default=_as_mapping)
            yield read_envelope(json.loads(body)), body.encode()

    def _events(self, since: datetime) -> AsyncIterator[StripeObject]:
        def fetch(after: str | None) -> Awaitable[Any]:
            params: stripe.params.EventListParams = {"created": {"gte": int(since.timestamp())}, "limit": PAGE}
            if after is not None:
                params["starting_after"] = after
            return self._client.v1.events.list_async(params)

        return pages(fetch)

    def verify_event(self, body: bytes, *, signature: str | None, now: datetime) -> ProviderEvent:
        return self.parse_event(self._verified(body, signature=signature, now=now))

    def verify_envelope(self, body: bytes, *, signature: str | None, now: datetime) -> ProviderEvent:
        return read_envelope(self._verified(body, signature=signature, now=now))

    def _verified(self, body: bytes, *, signature: str | None, now: datetime) -> Mapping[str, Any]:
        verify(body, header=signature, secrets=self._webhook_secrets, now=now)
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise MalformedProviderEvent("The event is not JSON.") from None

    def parse_event(self, payload: Mapping[str, Any]) -> ProviderEvent:
        return read_event(payload)

    async def aclose(self) -> None:
        await self._transport.close_async()


class _Transport(stripe.HTTPXClient):
    """The library's httpx client; a proxy of the environment is not asked for what runs on this machine."""

    def __init__(self, timeout: httpx.Timeout, *, bypass_proxy: bool) -> None:
        super().__init__(timeout=timeout)  # pyright: ignore[reportUnknownMemberType]  (untyped in the library)
        self._request_timeout = timeout
        if bypass_proxy:
            self._client_async = httpx.AsyncClient(trust_env=False)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        # The library hands a text over as form data, which httpx has deprecated: here it is content.
        try:
            response = await self._client_async.request(
                method, url, headers=headers, content=post_data or b"", timeout=self._request_timeout
            )
        except httpx.HTTPError as error:
            raise stripe.APIConnectionError(type(error).__name__, should_retry=True) from None
        return response.content, response.status_code, response.headers


def _is_loopback(base: str) -> bool:
    host = urlsplit(base).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _as_mapping(found: Any) -> dict[str, Any]:
    return found.to_dict()  # the library's own objects


def _metadata(request: RefundRequest) -> dict[str, str]:
    if isinstance(request.reference, PurchaseReference):
        return reference_metadata(request.reference)
    return charge_metadata(request.reference)
