"""One table says who may use which route: every route has a row, every row a route, and all of it is walked."""

import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import APIRouter

from core.api.access import ACCESS, ANY_SCOPE, Rule, find_rule
from core.api.app import create_app, routes_of
from core.api.guard import RouteWithoutRule, guarded
from core.foundation.settings import Settings
from core.identity.access import SCOPES
from tests.support import callers
from tests.support.callers import Caller

ROLES = ("owner", "finance", "developer", "read_only")


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_every_row_has_a_route_and_every_route_a_row(settings: Settings) -> None:
    routes = {
        (method, _shape(route.path)) for route in routes_of(create_app(settings)) for method in route.methods or ()
    }
    rows = {(method, _shape(path)) for method, path in ACCESS}
    assert rows - routes == set()
    assert routes - rows == set()


def test_a_route_without_a_row_does_not_start() -> None:
    router = APIRouter()

    @router.get("/secret/door")
    async def door() -> None: ...

    with pytest.raises(RouteWithoutRule, match="GET /secret/door needs a row"):
        guarded([router])


def test_a_row_does_not_mind_what_a_parameter_is_called() -> None:
    assert find_rule("GET", "/api/purchases/{anything}") is ACCESS[("GET", "/api/purchases/{purchase_id}")]
    assert find_rule("GET", "/api/nothing") is None


@pytest.fixture
async def crowd(tenant: Caller, make_operator: Callable[..., Awaitable[Caller]]) -> dict[str, Caller]:
    """One caller of each kind, those of the installation inside the tenant with a reason."""
    found = {"owner": tenant}
    for role in ROLES[1:]:
        found[role] = await callers.invite(tenant, role)
    for scope in SCOPES:
        found[f"key {scope}"] = await callers.issue_key(tenant, scope)
    for role in ("operator", "finance"):
        found[f"installation {role}"] = (await make_operator(role)).entering("acme", reason="walking the table")
    return found


def _expected(name: str, rule: Rule) -> bool:
    if rule.signed_out:
        return True
    kind, _, rest = name.partition(" ")
    if kind == "key":
        return rule.scope in (ANY_SCOPE, rest)
    return rest in rule.installation if kind == "installation" else name in rule.roles


async def test_role_by_route_is_what_the_table_says(crowd: dict[str, Caller], api: httpx.AsyncClient) -> None:
    wrong: list[str] = []
    for (method, template), rule in ACCESS.items():
        path = re.sub(r"\{[^}]*\}", str(uuid4()), template)
        for name, caller in crowd.items():
            # An empty body: what is allowed gets as far as its validation and changes nothing.
            answer = await caller.request(method, path, json={} if method in ("POST", "PATCH") else None)
            refused = answer.status_code in (401, 403) and answer.json()["code"] in _REFUSALS
            if refused == _expected(name, rule):
                wrong.append(f"{name} {method} {template}: {answer.status_code} {answer.text[:80]}")
        nobody = await api.request(method, path, json={} if method in ("POST", "PATCH") else None)
        if (nobody.status_code == 401 and nobody.json()["code"] == "unauthenticated") == rule.signed_out:
            wrong.append(f"signed out {method} {template}: {nobody.status_code}")
    assert wrong == []


_REFUSALS = ("forbidden", "scope_required", "unauthenticated")


async def test_another_tenants_name_is_refused_on_every_route_that_takes_one(
    crowd: dict[str, Caller], other: Caller, settings: Settings
) -> None:
    owner = crowd["owner"]
    wrong: list[Any] = []
    for route in routes_of(create_app(settings)):
        rule = find_rule(next(iter(route.methods or ())), route.path)
        assert rule is not None
        named = any(parameter.alias == "tenantId" for parameter in _queries(route.dependant))
        if rule.signed_out or "owner" not in rule.roles or not named:
            continue
        method = next(iter(route.methods or ()))
        path = re.sub(r"\{[^}]*\}", str(uuid4()), route.path)
        answer = await owner.request(method, path, params={"tenantId": "globex"}, json=None if method == "GET" else {})
        # A body that does not fit may be told first; nothing is ever read or changed.
        if (answer.status_code, answer.json().get("code")) not in ((403, "tenant_forbidden"), (422, "invalid_input")):
            wrong.append((method, route.path, answer.status_code, answer.text[:100]))
    assert wrong == []


def _queries(dependant: Any) -> list[Any]:
    return [*dependant.query_params, *(found for inner in dependant.dependencies for found in _queries(inner))]
