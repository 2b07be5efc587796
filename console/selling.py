"""How a tenant's invoices are made, and its rates of tax: asked of the API and spelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from console.client import Client

Json = Mapping[str, Any]

ADDRESS = "/billing/settings/invoices"
LINES = ("line1", "line2", "postalCode", "city", "region", "country")
TEXTS = (
    "legalName",
    "email",
    "phone",
    "website",
    "registration",
    "taxNumber",
    "taxRounding",
    "accentColor",
    "language",
    "numberPrefix",
    "creditNotePrefix",
    "lateUsage",
    "footer",
)
NUMBERS = ("numberDigits", "netDays", "graceHours")
BANK = ("iban", "bic")


@dataclass
class Settings:
    """What the form begins with; a logo is shown as it is."""

    fields: dict[str, str] = field(default_factory=dict)
    one_stop_shop: bool = False
    logo: str = ""


@dataclass
class TaxRate:
    """A percentage from a day on."""

    place: str = ""
    name: str = ""
    code: str = ""
    percent: str = ""
    since: str = ""
    is_own: bool = False


async def settings(api: Client) -> Settings:
    """As they are."""
    return _settings(await api.get_own(ADDRESS))


async def put_settings(api: Client, form: Mapping[str, str]) -> None:
    """All of them, as the form says; the logo stays."""
    logo: Json | None = (await api.get_own(ADDRESS))["logo"]
    await api.change("PUT", ADDRESS, json={**settings_of(form), **({"logo": dict(logo)} if logo else {})})


async def put_logo(api: Client, logo: Json | None) -> None:
    """Another picture, or none; the rest stays."""
    now = await settings(api)
    wanted = settings_of({**now.fields, "oneStopShop": "on" if now.one_stop_shop else ""})
    await api.change("PUT", ADDRESS, json={**wanted, **({"logo": dict(logo)} if logo else {})})


async def tax_rates(api: Client, *, country: str) -> list[TaxRate]:
    """The rates of a country, or all."""
    return [_rate(one) for one in await api.every_own("/billing/tax-rates", country=country)]


async def add_tax_rate(api: Client, form: Mapping[str, str], *, key: str) -> None:
    """One of the tenant's own."""
    names = ("country", "region", "code", "name", "percent", "effectiveFrom")
    wanted = {name: value for name in names if (value := str(form.get(f"rate-{name}") or "").strip())}
    await api.change("POST", "/billing/tax-rates", json=wanted, headers={"idempotency-key": key})


def settings_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The form as the API takes it; what is empty has its default again."""
    given = {name: str(value or "").strip() for name, value in form.items()}
    wanted: dict[str, Any] = {name: given[name] for name in TEXTS if given.get(name)}
    for name in NUMBERS:
        if text := given.get(name):
            wanted[name] = int(text) if text.isascii() and text.isdigit() else text
    if address := {name: given[name] for name in LINES if given.get(name)}:
        wanted["address"] = address
    if bank := {name: given[name] for name in BANK if given.get(name)}:
        wanted["bank"] = bank
    pairs = (line.split(None, 1) for line in given.get("taxIds", "").replace(",", "\n").splitlines() if line.strip())
    if tax_ids := {pair[0].upper(): pair[1] if len(pair) > 1 else "" for pair in pairs}:
        wanted["taxIds"] = tax_ids
    wanted["oneStopShop"] = bool(given.get("oneStopShop"))
    return wanted


def _settings(body: Json) -> Settings:
    address: Json = body["address"] or {}
    bank: Json = body["bank"] or {}
    fields = {name: str(body[name] if body[name] is not None else "") for name in (*TEXTS, *NUMBERS)}
    fields |= {name: address.get(name) or "" for name in LINES} | {name: bank.get(name) or "" for name in BANK}
    fields["taxIds"] = ", ".join(f"{country} {number}" for country, number in body["taxIds"].items())
    logo: Json | None = body["logo"]
    shown = f"data:{logo['type']};base64,{logo['content']}" if logo else ""
    return Settings(fields=fields, one_stop_shop=body["oneStopShop"], logo=shown)


def _rate(body: Json) -> TaxRate:
    region = f", {body['region']}" if body["region"] else ""
    return TaxRate(
        place=f"{body['country']}{region}",
        name=body["name"],
        code=body["code"],
        percent=f"{body['percent']} %",
        since=body["effectiveFrom"],
        is_own=body["owner"] == "tenant",
    )
