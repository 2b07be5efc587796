"""/billing/settings/invoices: the tenant as it stands on its invoices."""

import base64
from typing import Any

from fastapi import APIRouter

from core.billing.customers.errors import TaxIdInvalid
from core.billing.sellers import service
from core.billing.sellers.models import InvoiceSettings
from core.billing.sellers.schemas import InvoiceSettingsAnswer, InvoiceSettingsBody, LogoInvalid
from core.billing.sellers.service import PrefixesSame
from core.foundation.countries import CountryUnknown
from core.foundation.refusals import refusals
from core.identity.scope import Reading, Writing
from core.identity.tenants.auditing import record
from core.identity.tenants.repository import get_tenant

router = APIRouter(prefix="/billing/settings/invoices", tags=["billing"])


@router.get("", operation_id="get_invoice_settings")
async def get_invoice_settings(scope: Reading) -> InvoiceSettingsAnswer:
    """How invoices are made and whose name they bear."""
    async with scope.reading() as unit:
        name = (await get_tenant(unit.session, unit.tenant_id)).name
        return _shown(await service.settings_of(unit.session, unit.tenant_id), name)


@router.put(
    "",
    operation_id="put_invoice_settings",
    responses=refusals(PrefixesSame, LogoInvalid, TaxIdInvalid, CountryUnknown),
)
async def put_invoice_settings(scope: Writing, body: InvoiceSettingsBody) -> InvoiceSettingsAnswer:
    """Replaces them. Invoices that were issued keep what they say."""
    async with scope.writing() as unit:
        name = (await get_tenant(unit.session, unit.tenant_id)).name
        row = await service.put_settings(unit.session, body, tenant_id=unit.tenant_id, now=unit.now)
        record(
            unit.session,
            tenant_id=unit.tenant_id,
            actor=unit.actor,
            action="invoice_settings.changed",
            details={"fields": sorted(body.model_fields_set)},
            occurred_at=unit.now,
        )
        return _shown(row, name)


def _shown(row: InvoiceSettings, name: str) -> InvoiceSettingsAnswer:
    columns: dict[str, Any] = {field: getattr(row, field) for field in InvoiceSettingsAnswer.model_fields}
    columns["legal_name"] = row.legal_name or name
    columns["logo"] = row.logo and {"type": row.logo_type, "content": base64.b64encode(row.logo).decode()}
    return InvoiceSettingsAnswer(**columns)
