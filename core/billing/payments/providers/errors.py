"""What may go wrong at a payment provider, in our words.

ProviderError (CloudBillError)
├── CardDeclined              402 card_declined             the payer must act; `decline_code` says why
├── PaymentStateConflict      409 payment_state_conflict    already paid, canceled, expired, or paid through Checkout
├── RefundRefused             409 refund_refused            too little is left to refund, or it is disputed
├── ProviderObjectMissing     404 provider_object_missing   the provider does not know the id
├── ProviderKeyConflict       409 provider_key_conflict     an idempotency key was sent again with another input
├── ProviderRejected          502 provider_rejected         the provider refused our parameters: a mistake of ours
├── ProviderCredentialsRefused 502 provider_credentials     the secret key is wrong or lacks a right
└── ProviderUnavailable       503 provider_unavailable      no answer, a 5xx or a limit; safe to send again with its key

InvalidSignature (CloudBillError) 400 invalid_signature     a webhook that the provider did not sign
MalformedProviderEvent (CloudBillError) 422 malformed_provider_event   signed, yet not of the provider's form

No text here ever holds a key, a client secret or a body: `detail` may be shown to a caller.
"""

from core.foundation.errors import CloudBillError


class ProviderError(CloudBillError):
    """Base. `provider_code` and `provider_request_id` are for our log, they are not shown to the caller."""

    status = 502
    code = "provider_error"
    title = "The payment provider did not do it"

    def __init__(
        self,
        detail: str,
        *,
        provider_code: str | None = None,
        provider_request_id: str | None = None,
        headers: dict[str, str] | None = None,
        **extra: object,
    ) -> None:
        super().__init__(detail, headers=headers, **extra)
        self.provider_code = provider_code
        self.provider_request_id = provider_request_id


class CardDeclined(ProviderError):
    """The payer's bank said no. `decline_code` is the provider's (insufficient_funds, generic_decline, ...)."""

    status = 402
    code = "card_declined"
    title = "The card was declined"

    def __init__(
        self,
        decline_code: str | None,
        *,
        advice_code: str | None = None,
        provider_code: str | None = None,
        provider_request_id: str | None = None,
    ) -> None:
        super().__init__(
            "The card was declined. Try another card, or ask the bank that issued it.",
            provider_code=provider_code,
            provider_request_id=provider_request_id,
            declineCode=decline_code,
        )
        self.decline_code = decline_code
        self.advice_code = advice_code


class PaymentStateConflict(ProviderError):
    """The payment, Checkout or dispute has moved on: read it again and decide anew."""

    status = 409
    code = "payment_state_conflict"
    title = "The payment is no longer in that state"


class RefundRefused(ProviderError):
    """The provider will not give that amount back."""

    status = 409
    code = "refund_refused"
    title = "The refund was refused"


class ProviderObjectMissing(ProviderError):
    """The provider does not know that id, in this account and mode."""

    status = 404
    code = "provider_object_missing"
    title = "Not known to the payment provider"


class ProviderKeyConflict(ProviderError):
    """One of our idempotency keys was sent with two different inputs; never retried."""

    status = 409
    code = "provider_key_conflict"
    title = "Idempotency key used before at the payment provider"


class ProviderRejected(ProviderError):
    """Our request was not valid; sending it again gives the same answer."""

    code = "provider_rejected"
    title = "The payment provider refused the request"


class ProviderCredentialsRefused(ProviderError):
    """The installation's secret key does not hold."""

    code = "provider_credentials"
    title = "The payment provider refused our credentials"


class ProviderUnavailable(ProviderError):
    """Not known whether it was done: send it again with the same idempotency key."""

    status = 503
    code = "provider_unavailable"
    title = "The payment provider does not answer"

    def __init__(
        self, detail: str, *, provider_code: str | None = None, provider_request_id: str | None = None
    ) -> None:
        super().__init__(
            detail,
            provider_code=provider_code,
            provider_request_id=provider_request_id,
            headers={"Retry-After": "5"},
        )


class InvalidSignature(CloudBillError):
    """The signature is missing, wrong or too old."""

    status = 400
    code = "invalid_signature"
    title = "The webhook's signature does not hold"


class MalformedProviderEvent(CloudBillError):
    """The body is signed but lacks what every event has."""

    status = 422
    code = "malformed_provider_event"
    title = "The provider's event cannot be read"
