"""Lists are sorted by what their caller names, either way, and no page leaves out or repeats a row."""

from typing import Any

import pytest

from tests.billing.invoices.conftest import Shop, flat


async def pages(shop: Shop, path: str, **params: Any) -> list[dict[str, Any]]:
    """Every row, two a page."""
    found, cursor = list[dict[str, Any]](), ""
    while True:
        answer = await shop.caller.get(path, **params, limit=2, **({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        found += answer.json()["data"]
        if not (cursor := answer.json()["nextCursor"]):
            return found


async def bill(shop: Shop, *amounts: int) -> None:
    """An invoice of each amount; the last one stays a draft."""
    customer = await shop.customer()
    for place, amount in enumerate(amounts):
        body = {"customerId": customer, "lines": [{"description": "Work", "amountMinor": amount}]}
        answer = await shop.caller.post("/billing/invoices", {**body, "finalize": place < len(amounts) - 1})
        assert answer.status_code == 201, answer.text


async def test_invoices_are_sorted_by_each_column_either_way(shop: Shop) -> None:
    await bill(shop, 500, 100, 500, 300, 200)
    with_tax = {"INV-00001": 595, "INV-00002": 119, "INV-00003": 595, "INV-00004": 357, None: 238}

    async def by(sort: str) -> list[str | None]:
        found = await pages(shop, "/billing/invoices", sort=sort)
        assert {one["number"]: one["totalMinor"] for one in found} == with_tax
        assert len(found) == 5
        return [one["number"] for one in found]

    first, second, third, fourth = "INV-00001", "INV-00002", "INV-00003", "INV-00004"
    assert await by("total") == [second, None, fourth, first, third]
    assert await by("-total") == [third, first, fourth, None, second]
    assert await by("open") == [second, None, fourth, first, third]
    assert await by("number") == [None, first, second, third, fourth]
    assert await by("-number") == [fourth, third, second, first, None]
    assert await by("dueAt") == [None, first, second, third, fourth]
    assert await by("-finalizedAt") == [fourth, third, second, first, None]
    assert await by("createdAt") == [first, second, third, fourth, None]
    assert await by("-createdAt") == [None, fourth, third, second, first]
    unsorted = (await shop.caller.get("/billing/invoices")).json()["data"]
    assert [one["number"] for one in unsorted] == [None, fourth, third, second, first]


@pytest.mark.parametrize("sort", ["", "-", "totalMinor", "total desc", "--total", "id;--"])
async def test_what_is_no_column_is_refused_by_naming_those_there_are(shop: Shop, sort: str) -> None:
    refused = await shop.caller.get("/billing/invoices", sort=sort)
    assert refused.status_code == 422
    assert "createdAt, number, finalizedAt, dueAt, open, total" in refused.text


async def test_the_cursor_of_another_order_is_refused(shop: Shop) -> None:
    await bill(shop, 500, 100, 200)
    cursor = (await shop.caller.get("/billing/invoices", sort="number", limit=1)).json()["nextCursor"]
    refused = await shop.caller.get("/billing/invoices", sort="total", cursor=cursor)
    assert refused.status_code == 422
    assert "nextCursor" in refused.text


async def test_customers_are_sorted_by_each_column_either_way(shop: Shop) -> None:
    for name, country in (("Zoe", "DE"), ("adam", "AT"), ("Mia", "CH")):
        await shop.customer(
            name, email=f"{name.lower()}@shop.test", address={"line1": "1", "city": "X", "country": country}
        )

    async def by(sort: str) -> list[str]:
        found = await pages(shop, "/billing/customers", sort=sort)
        return [one["name"] for one in found if one["externalId"] != "self"]

    assert await by("name") == ["adam", "Mia", "Zoe"]
    assert await by("-email") == ["Zoe", "Mia", "adam"]
    assert await by("externalId") == ["adam", "Mia", "Zoe"]
    assert await by("country") == ["adam", "Mia", "Zoe"]
    assert await by("createdAt") == ["Zoe", "adam", "Mia"]
    assert await by("-createdAt") == ["Mia", "adam", "Zoe"]


async def test_subscriptions_are_sorted_by_each_column_either_way(shop: Shop) -> None:
    cheap = await shop.plan(flat("5.00"), code="b-cheap")
    dear = await shop.plan(flat("90.00"), code="a-dear", interval="year")
    for name, plan in (("Zoe", cheap), ("adam", dear), ("Mia", cheap)):
        await shop.subscribe(await shop.customer(name), plan)
    names = {one["customerId"]: one["name"] for one in await pages(shop, "/billing/customers")}

    async def by(sort: str, **asked: str) -> list[str | None]:
        return [names[one["customerId"]] for one in await pages(shop, "/billing/subscriptions", sort=sort, **asked)]

    assert await by("customer") == ["adam", "Mia", "Zoe"]
    assert await by("-plan") == ["Mia", "Zoe", "adam"]
    assert await by("amount") == ["Zoe", "Mia", "adam"]
    assert await by("-renewsAt") == ["adam", "Mia", "Zoe"]
    assert await by("createdAt") == ["Zoe", "adam", "Mia"]
    assert await by("customer", plan="b-cheap") == ["Mia", "Zoe"]
