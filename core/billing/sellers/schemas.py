"""Settings of invoices, as they are put and shown."""

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from stdnum import iban
from stdnum.exceptions import ValidationError

from core.billing.catalog.schemas import Flag
from core.billing.customers.schemas import Address, Language, Phone, TaxId
from core.foundation.countries import Country
from core.foundation.errors import InvalidInput
from core.foundation.schemas import Answer, Body, Instant, Name, StrictInteger, Text
from core.identity.users.emails import Email

MAX_LOGO_BYTES = 200_000
TaxRounding = Literal["rate", "line"]
LateUsage = Literal["next_invoice", "credit_note"]


class LogoInvalid(InvalidInput):
    """Bytes that are no picture of a known kind."""

    code = "logo_invalid"
    title = "The logo cannot be read"

    def __init__(self, message: str) -> None:
        super().__init__("logo.content", message)


def _iban(text: str) -> str:
    try:
        return str(iban.validate(text))
    except ValidationError:
        raise InvalidInput("bank.iban", "is not an IBAN: check for a typing error") from None


def _decoded(content: str) -> str:
    try:
        size = len(base64.b64decode(content, validate=True))
    except (binascii.Error, ValueError):
        raise LogoInvalid("must be base64") from None
    if size > MAX_LOGO_BYTES:
        raise LogoInvalid(f"has {size} bytes; at most {MAX_LOGO_BYTES} are taken")
    return content


class Bank(Body):
    """Where a customer transfers to."""

    iban: Annotated[Text, Field(min_length=15, max_length=42), AfterValidator(_iban)]
    bic: Annotated[Text, Field(pattern=r"^[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?$")] | None = None
    name: Annotated[Text, Field(min_length=1, max_length=100)] | None = None


class Logo(Body):
    """A picture for the head of an invoice: PNG, JPEG or SVG, in base64."""

    type: Literal["image/png", "image/jpeg", "image/svg+xml"]
    content: Annotated[str, Field(max_length=4 * MAX_LOGO_BYTES // 3 + 4), AfterValidator(_decoded)]

    def bytes(self) -> bytes:
        """The picture itself."""
        return base64.b64decode(self.content)


Prefix = Annotated[
    Text, Field(pattern=r"^[A-Z0-9][A-Z0-9/-]{0,15}$", examples=["INV-"], description="What numbers begin with.")
]


class InvoiceSettingsBody(Body):
    """How the tenant's invoices are made. All of it is put at once; what is left out has its default again."""

    legal_name: Name | None = None
    address: Address | None = None
    email: Email | None = None
    phone: Phone | None = None
    website: Annotated[Text, Field(pattern=r"^https?://[^\s]{3,200}$")] | None = None
    tax_ids: Annotated[dict[Country, TaxId], Field(max_length=60)] = {}
    registration: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    tax_number: Annotated[Text, Field(min_length=1, max_length=50)] | None = None
    one_stop_shop: Flag = False
    tax_rounding: TaxRounding = "rate"
    logo: Logo | None = None
    accent_color: Annotated[Text, Field(pattern=r"^#[0-9a-fA-F]{6}$")] = "#1f4e79"
    language: Language = "en"
    number_prefix: Prefix = "INV-"
    credit_note_prefix: Prefix = "CN-"
    number_digits: Annotated[StrictInteger, Field(ge=1, le=12)] = 5
    net_days: Annotated[StrictInteger, Field(ge=0, le=365)] = 14
    grace_hours: Annotated[StrictInteger, Field(ge=0, le=720)] = 1
    late_usage: LateUsage = "next_invoice"
    bank: Bank | None = None
    footer: Annotated[Text, Field(min_length=1, max_length=500)] | None = None


class InvoiceSettingsAnswer(Answer):
    """How the tenant's invoices are made. `legalName` is the tenant's name where none was given."""

    legal_name: str
    address: dict[str, Any] | None
    email: str | None
    phone: str | None
    website: str | None
    tax_ids: dict[str, str]
    registration: str | None
    tax_number: str | None
    one_stop_shop: bool
    tax_rounding: TaxRounding
    logo: Logo | None
    accent_color: str
    language: str
    number_prefix: str
    credit_note_prefix: str
    number_digits: int
    net_days: int
    grace_hours: int
    late_usage: LateUsage
    bank: dict[str, str] | None
    footer: str | None
    changed_at: Instant | None
