"""Customers through the API: made once, found, changed field by field; what is wrong is refused by name."""

from typing import Any

import pytest

from tests.support.callers import Caller
from tests.support.furnished import made

ADA = {
    "externalId": "ada",
    "name": "Ada Lovelace GmbH",
    "email": "Ada@Example.com",
    "phone": "+4930123456",
    "address": {"line1": "Torstraße 1", "city": "Berlin", "postalCode": "10119", "country": "DE"},
    "taxId": "de 136,695.976".replace(",", " "),
    "language": "de",
    "timeZone": "Europe/Berlin",
    "currency": "EUR",
}


async def test_a_customer_is_made_once_and_found_by_what_one_knows_of_it(tenant: Caller, other: Caller) -> None:
    first = await made(tenant.post("/billing/customers", ADA, key="k"))
    assert {name: first[name] for name in ("externalId", "email", "taxId", "taxTreatment", "timeZone", "currency")} == {
        "externalId": "ada",
        "email": "ada@example.com",
        "taxId": "DE136695976",
        "taxTreatment": "automatic",
        "timeZone": "Europe/Berlin",
        "currency": "EUR",
    }
    assert first["address"] == {"line1": "Torstraße 1", "city": "Berlin", "postalCode": "10119", "country": "DE"}
    assert await made(tenant.post("/billing/customers", ADA, key="k")) == {**first, "replayed": True}
    again = await tenant.post("/billing/customers", ADA)
    assert (again.status_code, again.json()["code"], again.json()["customerId"]) == (
        409,
        "customer_exists",
        first["customerId"],
    )
    nameless = await made(tenant.post("/billing/customers", {}))
    assert nameless["externalId"] == nameless["customerId"]

    for query in ({"externalId": "ada"}, {"search": "LOVELACE"}, {"search": "ada@ex"}):
        found = (await made(tenant.get("/billing/customers", **query)))["data"]
        assert [row["customerId"] for row in found] == [first["customerId"]], query
    assert (await made(tenant.get("/billing/customers", search="100%")))["data"] == []
    page = await made(tenant.get("/billing/customers", limit=2))
    rest = await made(tenant.get("/billing/customers", limit=2, cursor=page["nextCursor"]))
    assert [row["externalId"] for row in (*page["data"], *rest["data"])] == [nameless["customerId"], "ada", "self"]
    assert [row["externalId"] for row in (await made(other.get("/billing/customers")))["data"]] == ["self"]
    assert (await other.get(f"/billing/customers/{first['customerId']}")).status_code == 404
    taken = await tenant.post("/billing/customers", {"externalId": "self"})
    assert (taken.status_code, taken.json()["code"]) == (409, "customer_exists")


async def test_a_change_leaves_what_it_does_not_name_and_null_empties_a_field(tenant: Caller) -> None:
    first = await made(tenant.post("/billing/customers", ADA))
    path = f"/billing/customers/{first['customerId']}"
    changed = await made(tenant.patch(path, {"phone": None, "name": "Ada & Co"}))
    assert changed == {**first, "phone": None, "name": "Ada & Co", "changedAt": changed["changedAt"]}
    assert await made(tenant.patch(path, {})) == changed
    exempt = {"taxTreatment": "exempt", "taxExemptReason": "Embassy, certificate 12/2026"}
    assert (await made(tenant.patch(path, exempt)))["taxExemptReason"] == "Embassy, certificate 12/2026"
    back = await made(tenant.patch(path, {"taxTreatment": "automatic", "timeZone": None}))
    assert (back["taxTreatment"], back["taxExemptReason"], back["timeZone"]) == ("automatic", None, "UTC")
    mine = await made(tenant.patch("/billing/customers/self", {"name": "Ourselves"}))
    assert (mine["isSelf"], mine["name"]) == (True, "Ourselves")


async def test_one_that_came_by_using_something_is_completed_later(tenant: Caller) -> None:
    meter = {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "call"}
    await made(tenant.post("/billing/meters", meter))
    event = {"idempotencyKey": "e", "eventName": "call", "externalId": "ada"}
    await made(tenant.post("/billing/usage/events", {"events": [event]}))
    (known,) = (await made(tenant.get("/billing/customers", externalId="ada")))["data"]
    assert (known["name"], known["taxTreatment"], known["timeZone"]) == (None, "automatic", "UTC")
    completed = await made(tenant.patch(f"/billing/customers/{known['customerId']}", {"name": "Ada"}))
    assert completed["name"] == "Ada"


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"taxId": "DE136695977"}, "tax_id_invalid", "taxId"),
        ({"taxId": "XX1"}, "invalid_input", "taxId"),
        ({"address": {**ADA["address"], "country": "DX"}}, "country_unknown", "country"),  # pyright: ignore
        ({"address": {"city": "Berlin", "country": "DE"}}, "invalid_input", "address.line1"),
        ({"timeZone": "Europe/Atlantis"}, "time_zone_unknown", "timeZone"),
        ({"currency": "XXX"}, "currency_unknown", "currency"),
        ({"phone": "030 123"}, "invalid_input", "phone"),
        ({"email": "nobody"}, "invalid_input", "email"),
        ({"language": "German"}, "invalid_input", "language"),
        ({"taxTreatment": "exempt"}, "tax_exempt_invalid", "taxExemptReason"),
        ({"taxExemptReason": "because"}, "tax_exempt_invalid", "taxExemptReason"),
        ({"name": "A\u0000"}, "invalid_input", "name"),
        ({"externalId": "other"}, "invalid_input", "externalId"),
    ],
)
async def test_what_is_wrong_is_refused_by_name_and_nothing_changes(
    tenant: Caller, change: dict[str, Any], code: str, field: str
) -> None:
    first = await made(tenant.post("/billing/customers", ADA))
    path = f"/billing/customers/{first['customerId']}"
    refused = await tenant.patch(path, change)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert [error["field"] for error in refused.json()["errors"]] == [field]
    assert await made(tenant.get(path)) == {**first}


async def test_reading_roles_read_and_change_nothing(tenant: Caller, operator: Caller) -> None:
    from tests.support.callers import invite

    reader = await invite(tenant, "read_only")
    assert (await reader.get("/billing/customers")).status_code == 200
    assert (await reader.post("/billing/customers", ADA)).status_code == 403
    assert (await reader.put("/billing/settings/invoices", {})).status_code == 403
    assert (await operator.get("/billing/customers", tenantId=tenant.tenant)).status_code == 200
