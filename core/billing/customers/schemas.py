"""Customers, as they are made, changed and shown."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from core.billing.catalog.schemas import Currency
from core.foundation.countries import Country
from core.foundation.schemas import Answer, Body, Instant, Key, Name, Text
from core.foundation.zones import find_zone
from core.identity.users.emails import Email

TaxTreatment = Literal["automatic", "exempt", "reverse_charge"]
Line = Annotated[Text, Field(min_length=1, max_length=120)]


def _zone(name: str) -> str:
    find_zone(name)
    return name


TimeZone = Annotated[Text, Field(min_length=1, max_length=64, examples=["Europe/Berlin"]), AfterValidator(_zone)]
Phone = Annotated[Text, Field(pattern=r"^\+[1-9][0-9]{6,14}$", examples=["+4930123456"], description="E.164.")]
Language = Annotated[
    Text, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$", examples=["de"], description="Of invoices and messages.")
]
TaxId = Annotated[Text, Field(min_length=4, max_length=30, examples=["DE136695976"])]


class Address(Body):
    """A postal address; without a country nobody knows which tax applies."""

    line1: Line
    line2: Line | None = None
    city: Line
    postal_code: Annotated[Text, Field(min_length=1, max_length=20)] | None = None
    region: Annotated[Text, Field(min_length=1, max_length=60)] | None = None
    country: Country


class _Profile(Body):
    name: Name | None = None
    email: Email | None = None
    phone: Phone | None = None
    address: Address | None = None
    tax_id: TaxId | None = None
    tax_treatment: TaxTreatment | None = None
    tax_exempt_reason: Annotated[Text, Field(min_length=3, max_length=200)] | None = None
    language: Language | None = None
    time_zone: TimeZone | None = None
    currency: Currency | None = None


class NewCustomer(_Profile):
    """A customer of the tenant's. `externalId` is the tenant's own name for it; without one, ours is."""

    external_id: Key | None = None


class CustomerChange(_Profile):
    """What is to be otherwise: fields that are absent stay, null empties one."""


class CustomerAnswer(Answer):
    """A customer. `language` and `currency` are null where the tenant's hold."""

    customer_id: UUID
    external_id: str
    name: str | None
    email: str | None
    phone: str | None
    address: dict[str, Any] | None
    tax_id: str | None
    tax_treatment: TaxTreatment
    tax_exempt_reason: str | None
    language: str | None
    time_zone: str
    currency: str | None
    is_self: bool
    created_at: Instant
    changed_at: Instant | None
    replayed: bool = False
