"""Rates of tax: added and looked up; seller and buyer as the rules want them."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.sellers.models import InvoiceSettings
from core.billing.tax import repository
from core.billing.tax.errors import TaxRateExists
from core.billing.tax.models import TaxRate
from core.billing.tax.provider import RateTable, TaxProvider
from core.billing.tax.rules import Buyer, Rate, Seller
from core.foundation.ids import new_id
from core.identity.tenants.models import Customer


async def provider_of(session: AsyncSession, tenant_id: UUID) -> TaxProvider:
    """Who says what tax the tenant's customers pay: the rate table, read once for as many invoices as wanted."""
    return RateTable([Rate(**row._mapping) for row in await repository.list_rates(session, tenant_id)])  # pyright: ignore[reportPrivateUsage]  (public; underscored to stay out of columns' way)


def seller_of(settings: InvoiceSettings) -> Seller:
    """The tenant as the rules see it."""
    address = settings.address or {}
    return Seller(
        country=address.get("country"),
        region=address.get("region"),
        tax_ids=settings.tax_ids,
        one_stop_shop=settings.one_stop_shop,
        rounding="line" if settings.tax_rounding == "line" else "rate",
    )


def buyer_of(customer: Customer) -> Buyer:
    """The customer as the rules see it."""
    address = customer.address or {}
    return Buyer(
        country=address.get("country"),
        region=address.get("region"),
        tax_id=customer.tax_id,
        treatment=customer.tax_treatment,
        exempt_reason=customer.tax_exempt_reason,
    )


async def add_rate(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    country: str,
    region: str,
    code: str,
    name: str,
    percent: Decimal,
    effective_from: date,
) -> TaxRate:
    """A rate from a day on. Raises TaxRateExists."""
    row = TaxRate(
        tenant_id=tenant_id,
        id=new_id(),
        country=country,
        region=region,
        code=code,
        name=name,
        percent=percent,
        effective_from=effective_from,
    )
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise TaxRateExists(country, code, effective_from) from None
    return row
