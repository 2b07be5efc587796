"""What can be bought: the installation's offers and a tenant's own."""

from collections.abc import Awaitable, Callable

from tests.support.callers import Caller, invite, issue_key


async def test_starter_always_exists_as_package_and_as_plan(tenant: Caller) -> None:
    packages = (await tenant.get("/billing/packages")).json()
    assert packages["nextCursor"] is None
    assert packages["data"][0] == {
        "packageCode": "starter",
        "name": "Starter",
        "amountMinor": 500,
        "currency": "USD",
        "credits": "5",
        "owner": "installation",
    }
    assert [package["packageCode"] for package in packages["data"]] == ["starter", "team", "scale"]
    plans = (await tenant.get("/billing/plans")).json()["data"]
    assert [(plan["code"], plan["amountMinor"], plan["interval"]) for plan in plans] == [
        ("starter", 1900, "month"),
        ("team", 9900, "month"),
    ]


async def test_lists_page(tenant: Caller) -> None:
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        params = {"limit": 1, **({"cursor": cursor} if cursor else {})}
        page = (await tenant.get("/billing/packages", **params)).json()
        seen += [package["packageCode"] for package in page["data"]]
        cursor = page["nextCursor"]
    assert (seen, cursor) == (["starter", "team", "scale"], None)
    refused = await tenant.get("/billing/plans", cursor="nonsense")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")


async def test_a_tenants_own_package_goes_before_the_installations(tenant: Caller, other: Caller) -> None:
    body = {"packageCode": "starter", "name": "Our starter", "amountMinor": 700, "credits": "8.5"}
    made = await tenant.post("/billing/packages", body)
    assert made.status_code == 201
    assert made.json() == {**body, "currency": "USD", "owner": "tenant"}
    again = await tenant.post("/billing/packages", body)
    assert (again.status_code, again.json()["code"]) == (409, "code_taken")

    own = (await tenant.get("/billing/packages")).json()["data"]
    assert [(package["packageCode"], package["amountMinor"]) for package in own] == [
        ("starter", 700),
        ("team", 2500),
        ("scale", 10000),
    ]
    theirs = (await other.get("/billing/packages")).json()["data"]
    assert theirs[0]["amountMinor"] == 500


async def test_a_tenants_own_plan_is_its_own(tenant: Caller, other: Caller) -> None:
    made = await tenant.post("/billing/plans", {"code": "gold", "name": "Gold", "amountMinor": 100, "interval": "year"})
    assert made.status_code == 201
    plan_id = made.json()["planId"]
    assert (await tenant.get("/billing/plans")).json()["data"][0]["planId"] == plan_id
    assert len((await other.get("/billing/plans")).json()["data"]) == 2
    for plan in (plan_id, "gold"):
        refused = await other.post("/billing/subscriptions", {"planId": plan, "tenantId": other.tenant})
        assert (refused.status_code, refused.json()["code"]) == (404, "plan_not_found")


async def test_the_installations_packages_are_the_operators(
    tenant: Caller, operator: Caller, make_operator: Callable[..., Awaitable[Caller]]
) -> None:
    body = {"packageCode": "huge", "name": "Huge", "amountMinor": 100000, "currency": "USD"}
    entered = operator.entering("installation", reason="a new package")
    assert (await entered.post("/billing/packages", body)).json()["owner"] == "installation"
    assert (await tenant.get("/billing/packages")).json()["data"][-1]["packageCode"] == "huge"
    finance = (await make_operator("finance")).entering("installation", reason="a new package")
    assert (await finance.post("/billing/packages", body)).status_code == 403
    # Reading as the installation shows all currencies.
    shown = (await operator.entering("installation").get("/billing/packages")).json()["data"]
    assert {package["currency"] for package in shown} == {"USD", "EUR"}


async def test_who_may_offer(tenant: Caller) -> None:
    body = {"packageCode": "mine", "name": "Mine", "amountMinor": 100}
    for role, status in (("developer", 403), ("read_only", 403), ("finance", 201)):
        member = await invite(tenant, role)
        assert (await member.post("/billing/packages", body)).status_code == status
    key = await issue_key(tenant, "billing:read")
    assert (await key.get("/billing/packages")).status_code == 200
    assert (await key.post("/billing/packages", {**body, "packageCode": "other"})).status_code == 403


async def test_wrong_offers_are_refused(tenant: Caller) -> None:
    good = {"packageCode": "p", "name": "P", "amountMinor": 100}
    for change in (
        {"amountMinor": 0},
        {"amountMinor": 49},
        {"amountMinor": 149, "currency": "KWD"},
        {"amountMinor": -1},
        {"amountMinor": 1.5},
        {"amountMinor": 10**12},
        {"packageCode": "Ü"},
        {"packageCode": "a b"},
        {"name": "a\u0000b"},
        {"name": ""},
        {"currency": "XXX"},
        {"currency": "usd"},
        {"credits": "1e5"},
        {"credits": "-1"},
        {"credits": "0"},
        {"credits": "0.0000001"},
        {"other": 1},
    ):
        refused = await tenant.post("/billing/packages", {**good, **change})
        assert (refused.status_code, change) == (422, change)
    assert len((await tenant.get("/billing/packages")).json()["data"]) == 3
