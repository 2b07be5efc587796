"""Stripe's SetupIntents, PaymentMethods, balance transactions and payouts, read into our own words. Pure."""

from uuid import UUID

from core.billing.payments.providers.saving import (
    ChargeReference,
    CustomerReference,
    MovementKind,
    ProviderCard,
    ProviderMovement,
    ProviderPayout,
    ProviderSetup,
    SetupReference,
    SetupStatus,
)
from core.billing.payments.providers.stripe_fields import (
    StripeObject,
    action_url,
    currency,
    failure_code,
    found_id,
    instant,
    integer,
    mapping,
    metadata,
    text,
    uuid,
)

TENANT_KEY = "cloudbill_tenant_id"
PAYMENT_KEY = "cloudbill_payment_id"
INVOICE_KEY = "cloudbill_invoice_id"
SETUP_KEY = "cloudbill_setup_id"
CUSTOMER_KEY = "cloudbill_customer_id"

_SETUP_STATUS = {
    "requires_payment_method": SetupStatus.PENDING,
    "requires_confirmation": SetupStatus.PENDING,
    "requires_action": SetupStatus.REQUIRES_ACTION,
    "processing": SetupStatus.PENDING,
    "succeeded": SetupStatus.SUCCEEDED,
    "canceled": SetupStatus.CANCELED,
}
# By the category, since a dispute's type is just `adjustment`: docs.stripe.com/reports/reporting-categories
_MOVEMENTS = {
    "charge": MovementKind.CHARGE,
    "refund": MovementKind.REFUND,
    "partial_capture_reversal": MovementKind.REFUND,
    "refund_failure": MovementKind.REFUND_FAILURE,
    "charge_failure": MovementKind.REFUND,
    "dispute": MovementKind.DISPUTE,
    "dispute_reversal": MovementKind.DISPUTE_REVERSAL,
    "payout": MovementKind.PAYOUT,
    "payout_reversal": MovementKind.PAYOUT,
}


def charge_metadata(reference: ChargeReference) -> dict[str, str]:
    """Our ids of a payment of an invoice as Stripe metadata."""
    ids = {TENANT_KEY: str(reference.tenant_id), PAYMENT_KEY: str(reference.payment_id)}
    return ids | ({INVOICE_KEY: str(reference.invoice_id)} if reference.invoice_id else {})


def setup_metadata(reference: SetupReference) -> dict[str, str]:
    """Our ids of a card being saved as Stripe metadata."""
    return {TENANT_KEY: str(reference.tenant_id), SETUP_KEY: str(reference.setup_id)}


def customer_metadata(reference: CustomerReference) -> dict[str, str]:
    """Our ids of a customer as Stripe metadata."""
    return {TENANT_KEY: str(reference.tenant_id), CUSTOMER_KEY: str(reference.customer_id)}


def charge_reference(found: StripeObject) -> ChargeReference | None:
    """Our ids of a payment; None where it is none of an invoice's."""
    ids = _ids(found, PAYMENT_KEY)
    if ids is None:
        return None
    return ChargeReference(tenant_id=ids[0], payment_id=ids[1], invoice_id=uuid(metadata(found).get(INVOICE_KEY)))


def setup_reference(found: StripeObject) -> SetupReference | None:
    """Our ids of a card being saved."""
    ids = _ids(found, SETUP_KEY)
    return SetupReference(tenant_id=ids[0], setup_id=ids[1]) if ids else None


def read_setup(setup: StripeObject) -> ProviderSetup:
    """A SetupIntent."""
    return ProviderSetup(
        setup_id=text(setup["id"]),
        status=_SETUP_STATUS[setup["status"]],
        method_id=found_id(setup.get("payment_method")),
        client_secret=setup.get("client_secret"),
        action_url=action_url(setup),
        failure_code=failure_code(setup.get("last_setup_error")),
        reference=setup_reference(setup),
    )


def read_card(method: StripeObject) -> ProviderCard:
    """A PaymentMethod of type card; of everything on it only what may be shown."""
    card = mapping(method["card"])
    return ProviderCard(
        method_id=text(method["id"]),
        brand=text(card["brand"])[:30],
        last4=text(card["last4"])[-4:],
        exp_month=integer(card["exp_month"]),
        exp_year=integer(card["exp_year"]),
        country=card.get("country"),
        customer_id=found_id(method.get("customer")),
    )


def read_movement(moved: StripeObject) -> ProviderMovement:
    """A balance transaction, its source expanded where the list was asked to."""
    source = moved.get("source")
    return ProviderMovement(
        movement_id=text(moved["id"]),
        kind=_MOVEMENTS.get(moved.get("reporting_category") or "", MovementKind.OTHER),
        amount_minor=integer(moved["amount"]),
        fee_minor=integer(moved["fee"]),
        currency=currency(moved),
        source_id=found_id(source),
        payment_id=found_id(source.get("payment_intent")) if source and not isinstance(source, str) else None,
        provider_type=text(moved["type"]),
        created_at=instant(moved["created"]),
    )


def read_payout(payout: StripeObject) -> ProviderPayout:
    """A Payout."""
    return ProviderPayout(
        payout_id=text(payout["id"]),
        status=text(payout["status"]),
        amount_minor=integer(payout["amount"]),
        currency=currency(payout),
        arrives_at=instant(payout["arrival_date"]),
        created_at=instant(payout["created"]),
    )


def _ids(found: StripeObject, key: str) -> tuple[UUID, UUID] | None:
    ours = metadata(found)
    tenant_id, other = uuid(ours.get(TENANT_KEY)), uuid(ours.get(key))
    return (tenant_id, other) if tenant_id and other else None
