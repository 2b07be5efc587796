"""Every error has one form (RFC 9457) and a stable code, and none shows what is inside."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from core.identity.tenants import repository
from tests.support.callers import Caller

MEMBERS = {"type", "title", "status", "detail", "code", "requestId"}
REGISTER = "/auth/register"
JSON = {"Content-Type": "application/json"}


def _problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) >= MEMBERS
    assert (body["status"], body["code"]) == (status, code)
    assert body["requestId"] == answer.headers["x-request-id"]
    return body


async def test_unknown_address(api: httpx.AsyncClient) -> None:
    _problem(await api.get("/nothing/here"), 404, "not_found")
    _problem(await api.get("/health/"), 404, "not_found")


async def test_wrong_method(api: httpx.AsyncClient) -> None:
    answer = await api.put("/auth/login", json={})
    _problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    answer = await api.put("/auth/api-keys", json={})
    assert answer.headers["allow"] == "GET, POST"


async def test_an_address_without_parameters_is_nobodys_id(api: httpx.AsyncClient) -> None:
    for path, method, allow in (
        ("/billing/subscriptions/preview", "GET", "POST"),
        ("/billing/credits/grants", "GET", "POST"),
        ("/billing/invoices/items", "DELETE", "GET, POST"),
        ("/billing/payment-methods/setups", "DELETE", "POST"),
        ("/billing/payment-methods/setups", "PATCH", "POST"),
        ("/billing/subscriptions", "DELETE", "GET, POST"),
    ):
        answer = await api.request(method, path)
        _problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == allow


async def test_every_address_says_its_own_methods(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    plain = {path: {method.upper() for method in methods} for path, methods in document["paths"].items()}
    for path, methods in plain.items():
        if "{" in path or path in ("/metrics", "/health", "/readyz"):
            continue
        for method in sorted({"GET", "POST", "PUT", "PATCH", "DELETE"} - methods):
            answer = await api.request(method, path)
            _problem(answer, 405, "method_not_allowed")
            assert answer.headers["allow"] == ", ".join(sorted(methods)), (method, path)


@pytest.mark.parametrize(
    "body", [b"{", b"", b"nonsense", b'{"a":NaN}', b'{"a":Infinity}', b"\xff\xfe", b'{"a":"\\ud800"}', b"{'a':1}"]
)
async def test_broken_json(api: httpx.AsyncClient, body: bytes) -> None:
    answer = await api.post(REGISTER, content=body, headers=JSON)
    if body:
        _problem(answer, 400, "malformed_json")
    else:
        _problem(answer, 422, "invalid_input")


@pytest.mark.parametrize("body", [b"[]", b"null", b"7", b'"text"', b"{}"])
async def test_json_that_is_no_fitting_object(api: httpx.AsyncClient, body: bytes) -> None:
    _problem(await api.post(REGISTER, content=body, headers=JSON), 422, "invalid_input")


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", ""],
)
async def test_wrong_content_type(api: httpx.AsyncClient, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    _problem(await api.post(REGISTER, content=b'{"email":"a"}', headers=headers), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json"]
)
async def test_json_by_other_names_is_json(api: httpx.AsyncClient, kind: str) -> None:
    _problem(await api.post(REGISTER, content=b"{}", headers={"Content-Type": kind}), 422, "invalid_input")


async def test_too_large_a_body_announced_or_in_pieces(api: httpx.AsyncClient) -> None:
    large = b'{"email":"' + b"a" * 10_000_000 + b'"}'
    _problem(await api.post(REGISTER, content=large, headers=JSON), 413, "body_too_large")

    async def pieces() -> AsyncGenerator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    answer = await api.post(REGISTER, content=pieces(), headers=JSON)
    assert "content-length" not in answer.request.headers
    _problem(answer, 413, "body_too_large")


async def test_just_below_the_largest_body_is_read(api: httpx.AsyncClient) -> None:
    body = b'{"email":"' + b"a" * 999_000 + b'"}'
    _problem(await api.post(REGISTER, content=body, headers=JSON), 422, "invalid_input")


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("coupons", {"code": "WELCOME 25"}, "code: Should be at most 63 lower-case letters, digits and hyphens"),
        ("customers", {"phone": "030 1234"}, "phone: Should be with its country, such as +4930123456"),
        ("customers", {"language": "German"}, "language: Should be a language such as de or en-GB"),
    ],
)
async def test_a_text_of_another_form_is_told_the_form_in_words(
    tenant: Caller, path: str, body: dict[str, str], said: str
) -> None:
    answer = await tenant.post(f"/billing/{path}", {"name": "Ada", **body})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(said)


async def test_invalid_fields_are_named_and_their_values_not_shown(api: httpx.AsyncClient) -> None:
    answer = await api.post(REGISTER, json={"email": "nobody", "password": "Secret-Sauce-1", "tenantId": 7, "more": 1})
    body = _problem(answer, 422, "invalid_input")
    assert {error["field"] for error in body["errors"]} == {"email", "tenantId", "more"}
    assert "Secret" not in answer.text


@pytest.mark.parametrize("path", ["/auth/members?tenantId=%00", "/auth/me?x=%0a", "/auth/members/%00", "/a%7Fb"])
async def test_control_characters_in_an_address(api: httpx.AsyncClient, path: str) -> None:
    _problem(await api.get(path), 400, "malformed_request")


async def test_nobody_is_asked_to_sign_in(api: httpx.AsyncClient) -> None:
    answer = await api.get("/auth/me")
    _problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_rights_come_before_the_body(tenant: Caller) -> None:
    answer = await tenant.client.post("/auth/api-keys", content=b"{", headers=JSON)
    _problem(answer, 401, "unauthenticated")


@pytest.mark.parametrize("where", ["query"])
async def test_another_tenant_is_refused(tenant: Caller, other: Caller, where: str) -> None:
    _problem(await tenant.get("/auth/members", tenantId="globex"), 403, "tenant_forbidden")
    _problem(await tenant.get("/auth/members", tenantId="nowhere"), 403, "tenant_forbidden")


async def test_what_nobody_foresaw_is_internal_and_says_nothing(
    tenant: Caller, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(_session: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(repository, "list_members", broken)
    answer = await tenant.get("/auth/members")
    body = _problem(answer, 500, "internal")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    logged = capsys.readouterr().out
    assert "secret inside" in logged
    assert body["requestId"] in logged
