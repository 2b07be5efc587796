"""Who may use what, in plain words, so that the table is not its only witness; what the signed-out are told."""

import httpx
import pytest
from fastapi import FastAPI

from core.api.access import find_rule
from core.api.app import routes_of

NOTHING = "00000000-0000-7000-8000-000000000000"

KNOWN = [
    ("owner", "POST", "/api/purchases", True),
    ("finance", "POST", "/api/purchases", True),
    ("developer", "POST", "/api/purchases", False),
    ("read_only", "POST", "/api/purchases", False),
    ("read_only", "GET", "/api/ledger", True),
    ("finance", "POST", "/api/usage/reconcile", False),
    ("developer", "POST", "/api/usage/reconcile", True),
    ("read_only", "POST", "/api/usage/holds", False),
    ("developer", "PATCH", "/auth/members/{user_id}", False),
    ("finance", "POST", "/auth/invitations", False),
    ("developer", "POST", "/auth/api-keys", True),
    ("finance", "POST", "/auth/api-keys", False),
    ("owner", "GET", "/operations/overview", False),
    ("owner", "GET", "/operations/jobs", False),
    ("owner", "POST", "/payment/webhook-events/{event_id}/replay", False),
    ("operator", "GET", "/operations/overview", True),
    ("operator", "POST", "/operations/jobs/{job_id}/replay", True),
    ("installation finance", "GET", "/operations/overview", True),
    ("installation finance", "POST", "/operations/jobs/{job_id}/replay", False),
    ("installation finance", "POST", "/api/purchases/{purchase_id}/refunds", False),
    ("key usage:write", "POST", "/api/usage/reconcile", True),
    ("key usage:write", "GET", "/api/ledger", False),
    ("key ledger:read", "GET", "/api/ledger", True),
    ("key ledger:read", "POST", "/api/usage/reconcile", False),
    ("key billing:write", "POST", "/auth/invitations", False),
]


def may(who: str, method: str, path: str) -> bool:
    rule = find_rule(method, path)
    assert rule, f"{method} {path} has no row"
    if rule.signed_out:
        return True
    if who.startswith("key "):
        return rule.scope in ("*", who.removeprefix("key "))
    if who in ("operator", "installation finance"):
        return who.removeprefix("installation ") in rule.installation
    return who in rule.roles


def address(path: str) -> str:
    for name in ("job_id",):
        path = path.replace(f"{{{name}}}", "1")
    return "/".join(NOTHING if part.startswith("{") else part for part in path.split("/"))


@pytest.fixture
def routes(api: httpx.AsyncClient) -> list[tuple[str, str]]:
    """Every route of the running application."""
    transport = api._transport
    assert isinstance(transport, httpx.ASGITransport)
    assert isinstance(transport.app, FastAPI)
    return [(method, route.path) for route in routes_of(transport.app) for method in sorted(route.methods or ())]


@pytest.mark.parametrize(("who", "method", "path", "expected"), KNOWN)
def test_the_table_says_what_was_decided(who: str, method: str, path: str, expected: bool) -> None:
    assert may(who, method, path) is expected


async def test_signed_out_every_other_route_is_closed(api: httpx.AsyncClient, routes: list[tuple[str, str]]) -> None:
    for method, path in routes:
        rule = find_rule(method, path)
        assert rule
        answer = await api.request(method, address(path), json={} if method in ("POST", "PATCH") else None)
        if rule.signed_out:
            assert answer.status_code != 401 or path.startswith("/auth/"), f"{method} {path}"
            continue
        assert answer.status_code == 401, f"{method} {path}: {answer.status_code}"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_method_that_is_not_there_is_405_with_a_problem(api: httpx.AsyncClient) -> None:
    answer = await api.put("/api/purchases", json={})
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
    assert answer.headers["allow"] == "GET, POST"
    lost = await api.get("/api/nothing-here")
    assert (lost.status_code, lost.json()["code"]) == (404, "not_found")
