"""The parties of an invoice as it keeps them: what is printed, sealed under the customer's key. Pure."""

from collections.abc import Mapping
from typing import Any

from core.billing.sellers.models import InvoiceSettings
from core.identity.tenants.models import Customer

_ADDRESS = {
    "line1": "line1",
    "line2": "line2",
    "city": "city",
    "postal_code": "postalCode",
    "region": "region",
    "country": "country",
}


def party_of_seller(settings: InvoiceSettings, *, name: str) -> dict[str, Any]:
    """The tenant as it stands on its invoices; `name` where it has set no legal one."""
    return {
        "name": settings.legal_name or name,
        **_address(settings.address),
        "email": settings.email,
        "phone": settings.phone,
        "website": settings.website,
        "tax_id": settings.tax_ids.get((settings.address or {}).get("country", "")) or _first(settings.tax_ids),
        "tax_number": settings.tax_number,
        "registration": settings.registration,
        "bank": settings.bank,
        "footer": settings.footer,
        "accent_color": settings.accent_color,
        "language": settings.language,
    }


def party_of_customer(customer: Customer) -> dict[str, Any]:
    """The customer as it stands on its invoices."""
    return {
        "name": customer.name or customer.external_id,
        **_address(customer.address),
        "email": customer.email,
        "phone": customer.phone,
        "tax_id": customer.tax_id,
        "reference": customer.external_id,
        "language": customer.language,
    }


def _address(address: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: (address or {}).get(key) for name, key in _ADDRESS.items()}


def _first(tax_ids: Mapping[str, str]) -> str | None:
    return next(iter(tax_ids.values()), None)
