"""How a tenant's invoices are made: defaults until something is set, put as a whole, refused by name."""

import base64
from typing import Any

import pytest

from tests.support.callers import Caller
from tests.support.furnished import made

PATH = "/billing/settings/invoices"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


async def test_settings_have_defaults_and_are_put_as_a_whole(tenant: Caller, other: Caller) -> None:
    first = await made(tenant.get(PATH))
    assert {
        name: first[name] for name in ("netDays", "graceHours", "lateUsage", "numberPrefix", "creditNotePrefix")
    } == {
        "netDays": 14,
        "graceHours": 1,
        "lateUsage": "next_invoice",
        "numberPrefix": "INV-",
        "creditNotePrefix": "CN-",
    }
    assert (first["legalName"], first["changedAt"]) == (tenant.tenant, None)
    body = {
        "legalName": "Analytical Engines GmbH",
        "address": {"line1": "Torstraße 1", "city": "Berlin", "postalCode": "10119", "country": "DE"},
        "taxIds": {"DE": "136 695 976"},
        "logo": {"type": "image/png", "content": PIXEL},
        "bank": {"iban": "DE89 3704 0044 0532 0130 00", "bic": "COBADEFFXXX"},
        "accentColor": "#AA0033",
        "netDays": 30,
    }
    put = await made(tenant.put(PATH, body))
    assert (put["taxIds"], put["bank"]["iban"], put["netDays"]) == (
        {"DE": "DE136695976"},
        "DE89370400440532013000",
        30,
    )
    assert put["logo"] == {"type": "image/png", "content": PIXEL}
    assert await made(tenant.get(PATH)) == put
    assert (await made(other.get(PATH)))["taxIds"] == {}
    back = await made(tenant.put(PATH, {"netDays": 7}))
    assert (back["legalName"], back["logo"], back["taxIds"], back["netDays"]) == (tenant.tenant, None, {}, 7)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"creditNotePrefix": "INV-"}, "prefixes_same"),
        ({"numberPrefix": "=HYPERLINK("}, "invalid_input"),
        ({"logo": {"type": "image/png", "content": base64.b64encode(b"GIF89a").decode()}}, "logo_invalid"),
        ({"logo": {"type": "image/png", "content": "*"}}, "logo_invalid"),
        ({"taxIds": {"DE": "DE136695977"}}, "tax_id_invalid"),
        ({"taxIds": {"FR": "DE136695976"}}, "tax_id_invalid"),
        ({"taxIds": {"DX": "1"}}, "country_unknown"),
        ({"bank": {"iban": "DE89370400440532013001"}}, "invalid_input"),
        ({"netDays": 400}, "invalid_input"),
        ({"netDays": 14.0}, "invalid_input"),
        ({"graceHours": -1}, "invalid_input"),
        ({"accentColor": "red"}, "invalid_input"),
        ({"lateUsage": "never"}, "invalid_input"),
        ({"logoUrl": "https://example.com"}, "invalid_input"),
    ],
)
async def test_what_is_wrong_is_refused_by_name(tenant: Caller, body: dict[str, Any], code: str) -> None:
    before = await made(tenant.get(PATH))
    refused = await tenant.put(PATH, body)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert await made(tenant.get(PATH)) == before
