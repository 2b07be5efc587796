"""Customers: made and changed. What stands here may be overwritten; invoices keep what it was, sealed."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.customers import repository
from core.billing.customers.errors import CustomerExists, TaxExemptInvalid
from core.billing.customers.schemas import CustomerChange, NewCustomer
from core.billing.customers.tax_ids import check_tax_id
from core.foundation.ids import new_id
from core.foundation.schemas import dump
from core.identity.tenants.customers import CustomerNotFound, customer_by_external_id, refuse_erased
from core.identity.tenants.models import Customer

_NOT_EMPTIED = {"tax_treatment": "automatic", "time_zone": "UTC"}


async def get_customer(session: AsyncSession, tenant_id: UUID, customer_id: UUID | None) -> Customer:
    """A customer by our id; None is the tenant itself. Raises CustomerNotFound."""
    found = await repository.find_customer(session, tenant_id, customer_id)
    if found is None:
        raise CustomerNotFound
    return found


async def create_customer(session: AsyncSession, body: NewCustomer, *, tenant_id: UUID, now: datetime) -> Customer:
    """Raises CustomerExists, TaxIdInvalid, TaxExemptInvalid."""
    customer_id = new_id()
    row = Customer(
        tenant_id=tenant_id,
        id=customer_id,
        external_id=body.external_id or str(customer_id),
        is_self=False,
        created_at=now,
        **_columns(body, set(type(body).model_fields) - {"external_id"}),
    )
    _complete(row)
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        known = await customer_by_external_id(session, tenant_id, row.external_id)
        if known is None:
            raise
        raise CustomerExists(row.external_id, str(known.id)) from None
    return row


async def change_customer(
    session: AsyncSession, change: CustomerChange, *, tenant_id: UUID, customer_id: UUID | None, now: datetime
) -> tuple[Customer, dict[str, Any], dict[str, Any]]:
    """The customer with what it was and is, by field that changed.

    Raises CustomerNotFound, CustomerErased, TaxIdInvalid and others.
    """
    row = await get_customer(session, tenant_id, customer_id)
    await refuse_erased(session, tenant_id, row.id)
    columns = _columns(change, change.model_fields_set)
    before = {name: getattr(row, name) for name in columns}
    for name, value in columns.items():
        setattr(row, name, value)
    if columns.get("tax_treatment", "exempt") != "exempt" and "tax_exempt_reason" not in columns:
        before["tax_exempt_reason"], row.tax_exempt_reason = row.tax_exempt_reason, None
    _complete(row)
    changed = {name for name, value in before.items() if getattr(row, name) != value}
    if changed:
        row.changed_at = now
    await session.flush()
    return row, {name: before[name] for name in changed}, {name: getattr(row, name) for name in changed}


def _columns(body: NewCustomer | CustomerChange, fields: set[str]) -> dict[str, Any]:
    columns: dict[str, Any] = {name: getattr(body, name) for name in fields}
    if body.address is not None and "address" in fields:
        columns["address"] = {name: value for name, value in dump(body.address).items() if value is not None}
    return {
        name: _NOT_EMPTIED[name] if value is None and name in _NOT_EMPTIED else value for name, value in columns.items()
    }


def _complete(row: Customer) -> None:
    # The parts are judged together, whichever of them came now: a number by the country, a reason by the treatment.
    if (row.tax_treatment == "exempt") != (row.tax_exempt_reason is not None):
        raise TaxExemptInvalid(
            "taxExemptReason", "goes with taxTreatment exempt, and with nothing else: it stands on the invoice"
        )
    if row.tax_id is not None:
        row.tax_id = check_tax_id(row.tax_id, country=(row.address or {}).get("country"))
