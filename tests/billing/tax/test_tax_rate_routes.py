"""Rates of tax through the API: the installation's are there, a tenant's own are added, none is ever changed."""

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.support.callers import Caller
from tests.support.furnished import made

REDUCED = {"country": "DE", "code": "reduced", "name": "USt.", "percent": "7", "effectiveFrom": "2007-01-01"}


async def test_rates_are_added_once_and_those_of_the_installation_are_read_by_all(
    tenant: Caller, other: Caller
) -> None:
    known = (await made(tenant.get("/billing/tax-rates", country="DE")))["data"]
    assert sorted((row["percent"], row["effectiveFrom"], row["owner"]) for row in known) == [
        ("16", "2020-07-01", "installation"),
        ("19", "2007-01-01", "installation"),
        ("19", "2021-01-01", "installation"),
    ]
    own = await made(tenant.post("/billing/tax-rates", REDUCED, key="k"))
    assert (own["percent"], own["region"], own["owner"]) == ("7", None, "tenant")
    assert await made(tenant.post("/billing/tax-rates", REDUCED, key="k")) == {**own, "replayed": True}
    again = await tenant.post("/billing/tax-rates", REDUCED)
    assert (again.status_code, again.json()["code"]) == (409, "tax_rate_exists")
    first = await made(tenant.get("/billing/tax-rates", limit=1))
    then = await made(tenant.get("/billing/tax-rates", limit=1, cursor=first["nextCursor"]))
    assert first["data"] == [{**own, "replayed": False}]
    assert then["data"][0]["owner"] == "installation"
    assert len((await made(other.get("/billing/tax-rates", country="DE")))["data"]) == 3


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"percent": "100.01"}, "invalid_input"),
        ({"percent": "-1"}, "invalid_input"),
        ({"percent": 19}, "invalid_input"),
        ({"percent": "1e1"}, "invalid_input"),
        ({"country": "DX"}, "country_unknown"),
        ({"effectiveFrom": "2026-02-30"}, "invalid_input"),
        ({"effectiveFrom": 20260101}, "invalid_input"),
        ({"code": "Reduced Rate"}, "invalid_input"),
    ],
)
async def test_what_is_no_rate_is_refused(tenant: Caller, change: dict[str, Any], code: str) -> None:
    refused = await tenant.post("/billing/tax-rates", {**REDUCED, **change})
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert len((await made(tenant.get("/billing/tax-rates", country="DE")))["data"]) == 3


async def test_nobody_changes_a_rate_not_even_the_owner(
    tenant: Caller, connect: Callable[..., Awaitable[psycopg.AsyncConnection[Any]]]
) -> None:
    admin = await connect("admin")
    await made(tenant.post("/billing/tax-rates", REDUCED))
    for statement in ("UPDATE tax_rates SET percent = 1", "DELETE FROM tax_rates"):
        with pytest.raises(errors.RestrictViolation):
            await admin.execute(statement)
        await admin.rollback()
