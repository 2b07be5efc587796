"""How a tenant's invoices are made: what it set, or what holds until it sets something."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.customers.errors import TaxIdInvalid
from core.billing.customers.tax_ids import check_tax_id, country_of
from core.billing.sellers import repository
from core.billing.sellers.logos import check_logo
from core.billing.sellers.models import InvoiceSettings
from core.billing.sellers.schemas import InvoiceSettingsBody
from core.foundation.errors import InvalidInput
from core.foundation.schemas import dump


class PrefixesSame(InvalidInput):
    """Invoices and credit notes would be mistaken for each other."""

    code = "prefixes_same"
    title = "Invoices and credit notes need prefixes of their own"

    def __init__(self) -> None:
        super().__init__("creditNotePrefix", "must differ from numberPrefix: each series counts by itself")


async def settings_of(session: AsyncSession, tenant_id: UUID) -> InvoiceSettings:
    """The tenant's settings; a row that is in no session where it has set nothing yet."""
    found = await repository.find_settings(session, tenant_id)
    return found or _row(InvoiceSettingsBody(), tenant_id)


async def put_settings(
    session: AsyncSession, body: InvoiceSettingsBody, *, tenant_id: UUID, now: datetime
) -> InvoiceSettings:
    """Replaces the settings. Raises PrefixesSame, LogoInvalid, TaxIdInvalid."""
    if body.number_prefix == body.credit_note_prefix:
        raise PrefixesSame
    if body.logo is not None:
        check_logo(body.logo.bytes(), body.logo.type)
    row = await session.merge(_row(body, tenant_id, changed_at=now))
    await session.flush()
    return row


def _own_tax_id(number: str, country: str) -> str:
    """The seller's number in a country. One of another country would charge that country's tax, or none at home."""
    checked = check_tax_id(number, country=country, field=f"taxIds.{country}")
    owner = country_of(checked)
    if owner not in (None, country) and {owner, country} != {"GB", "XI"}:
        raise TaxIdInvalid(f"taxIds.{country}", f"is a number of {owner}: give it as taxIds.{owner}")
    return checked


def _row(body: InvoiceSettingsBody, tenant_id: UUID, *, changed_at: datetime | None = None) -> InvoiceSettings:
    columns = {name: getattr(body, name) for name in type(body).model_fields}
    if body.address is not None:
        columns["address"] = {name: value for name, value in dump(body.address).items() if value is not None}
    if body.bank is not None:
        columns["bank"] = {name: value for name, value in dump(body.bank).items() if value is not None}
    columns["tax_ids"] = {country: _own_tax_id(number, country) for country, number in sorted(body.tax_ids.items())}
    columns["logo"] = body.logo and body.logo.bytes()
    columns["logo_type"] = body.logo and body.logo.type
    return InvoiceSettings(tenant_id=tenant_id, changed_at=changed_at, **columns)
