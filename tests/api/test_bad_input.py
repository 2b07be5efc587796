"""Bad input: each a clear 4xx in one form, and nothing changes."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.conftest import CALL, Everything, is_problem
from tests.support.callers import Caller
from tests.support.furnished import made

HUGE = 10**30
NEVER_COUNTS: list[Any] = [-1, HUGE, 1_000_000_001, 1.5, 1.0, 1e400, "1000", "", None, True, [], {}, [1]]


@pytest.mark.parametrize("field", ["inputTokens", "outputTokens", "cachedTokens"])
async def test_token_counts_are_whole_bounded_and_not_negative(
    owner: Caller, everything: Everything, field: str
) -> None:
    before = await everything()
    for value in NEVER_COUNTS:
        body = json.dumps({**CALL, "userId": "u", "idempotencyKey": "k", field: value}).replace("Infinity", "1e400")
        answer = await owner.request(
            "POST", "/api/usage/reconcile", content=body, headers={"Content-Type": "application/json"}
        )
        assert is_problem(answer, 400, 422) is None, f"{field}={value!r}: {is_problem(answer, 400, 422)}"
        if answer.status_code == 422:
            assert field in [error["field"].rpartition(".")[2] for error in answer.json()["errors"]], answer.text
    assert await everything() == before


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "0x10", "01", "1.", ".5", "+1"])
async def test_numbers_that_json_does_not_have(owner: Caller, everything: Everything, literal: str) -> None:
    before = await everything()
    body = f'{{"model":"gpt-4o","inputTokens":{literal},"outputTokens":1,"idempotencyKey":"k"}}'
    answer = await owner.request(
        "POST", "/api/usage/reconcile", content=body, headers={"Content-Type": "application/json"}
    )
    assert is_problem(answer, 400, 422) is None, is_problem(answer, 400, 422)
    assert await everything() == before


async def test_more_cached_than_input_tokens(owner: Caller, everything: Everything) -> None:
    before = await everything()
    answer = await owner.post("/api/usage/reconcile", {**CALL, "cachedTokens": 1001, "idempotencyKey": "k"})
    assert is_problem(answer, 422) is None, is_problem(answer, 422)
    assert await everything() == before


async def test_an_unknown_model(owner: Caller, everything: Everything) -> None:
    before = await everything()
    for path, body in (
        ("/api/usage/reconcile", {**CALL, "model": "gpt-99", "userId": "never-seen", "idempotencyKey": "k"}),
        ("/api/usage/holds", {"model": "gpt-99", "inputTokens": 1, "maxOutputTokens": 1, "idempotencyKey": "k"}),
    ):
        answer = await owner.post(path, body)
        assert is_problem(answer, 404, 422) is None, is_problem(answer, 404, 422)
        assert "gpt-99" in answer.json()["detail"]
    assert await everything() == before


async def test_an_unknown_package_and_plan(owner: Caller, everything: Everything) -> None:
    before = await everything()
    for path, body in (
        ("/api/purchases", {"packageCode": "platinum"}),
        ("/billing/subscriptions", {"planId": "platinum", "tenantId": owner.tenant}),
        ("/billing/subscriptions", {"planId": str(uuid4()), "tenantId": owner.tenant}),
    ):
        answer = await owner.post(path, body)
        assert is_problem(answer, 404, 422) is None, is_problem(answer, 404, 422)
    assert await everything() == before


AMOUNTS: list[Any] = [
    "0",
    "-1",
    "1e3",
    "NaN",
    "Infinity",
    "0.0000001",
    "9" * 13,
    "",
    " 1",
    "1,5",
    0.05,
    5,
    None,
    "٥",
    "1\x00",
]


async def test_amounts_that_are_none(owner: Caller, everything: Everything) -> None:
    before = await everything()
    for amount in AMOUNTS:
        answer = await owner.post("/api/usage/holds", {"amount": amount, "idempotencyKey": "k"})
        assert is_problem(answer, 400, 422) is None, f"{amount!r}: {is_problem(answer, 400, 422)}"
    for seconds in (0, -1, 86_401, 1.5, HUGE, "300"):
        answer = await owner.post("/api/usage/holds", {"amount": "1", "ttlSeconds": seconds, "idempotencyKey": "k"})
        assert is_problem(answer, 422) is None, f"{seconds!r}: {is_problem(answer, 422)}"
    assert await everything() == before


INSTANTS: list[Any] = [
    "1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00+99:00", "yesterday", "",
    "2026-01-01T00:00:00Z\x00", 0, -1, 1e300, HUGE, None, True, [], {},
]  # fmt: skip


async def test_time_stamps_out_of_range(
    api: httpx.AsyncClient, sign_up: Callable[..., Awaitable[Caller]], owner: Caller, everything: Everything
) -> None:
    tester = await sign_up("clockwork", testClock="2026-01-01T00:00:00Z")
    before = await everything()
    for instant in INSTANTS:
        answer = await tester.post("/billing/test-clock", {"now": instant})
        assert is_problem(answer, 400, 409, 422) is None, f"clock {instant!r}: {is_problem(answer)}"
        if instant is None:
            continue
        body = {**CALL, "userId": "u", "idempotencyKey": "k", "occurredAt": instant}
        answer = await owner.post("/api/usage/reconcile", body)
        assert is_problem(answer, 400, 422) is None, f"occurredAt {instant!r}: {is_problem(answer, 400, 422)}"
        answer = await owner.get("/api/usage/summary", **{"from": str(instant)})
        if str(instant) not in ("2026-01-01", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
            assert answer.status_code in (200, 400, 422), f"from {instant!r}: {answer.status_code}"
        register = {"email": f"{uuid4().hex}@x.test", "password": "Test123!", "tenantId": "t-" + uuid4().hex[:8]}
        answer = await api.post("/auth/register", json={**register, "testClock": instant})
        if instant not in ("2026-01-01", 0):
            assert is_problem(answer, 400, 422) is None, f"testClock {instant!r}: {is_problem(answer, 400, 422)}"
    assert await everything() == before


TEXTS = [
    "a\x00b", "\x00", "a\x1bb", "a\nb", "\x7f", "x" * 100_000, "", "\ud800",
]  # fmt: skip
TEXT_FIELDS: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "/auth/register", {"email": "n@e.test", "password": "Test123!", "tenantId": "newcomer"}, "name"),
    ("POST", "/auth/register", {"email": "n@e.test", "password": "Test123!", "tenantId": "newcomer"}, "email"),
    ("POST", "/auth/register", {"email": "n@e.test", "password": "Test123!", "tenantId": "newcomer"}, "tenantId"),
    (
        "POST",
        "/auth/register",
        {"email": "n@e.test", "password": "Test123!", "tenantId": "newcomer"},
        "invitationToken",
    ),
    ("POST", "/auth/register", {"email": "n@e.test", "password": "Test123!", "tenantId": "newcomer"}, "currency"),
    ("POST", "/auth/login", {"email": "n@e.test", "password": "Test123!"}, "email"),
    ("POST", "/auth/login", {"email": "n@e.test", "password": "Test123!"}, "tenantId"),
    ("POST", "/auth/refresh", {"refreshToken": "cbr_x"}, "refreshToken"),
    ("POST", "/auth/invitations", {"email": "n@e.test", "role": "developer"}, "email"),
    ("POST", "/auth/invitations", {"email": "n@e.test", "role": "developer"}, "role"),
    ("POST", "/auth/api-keys", {"name": "key", "scopes": ["usage:read"]}, "name"),
    ("POST", "/billing/plans", {"code": "p", "name": "P", "amountMinor": 1}, "name"),
    ("POST", "/billing/plans", {"code": "p", "name": "P", "amountMinor": 1}, "code"),
    ("POST", "/billing/packages", {"packageCode": "p", "name": "P", "amountMinor": 100}, "name"),
    ("POST", "/billing/packages", {"packageCode": "p", "name": "P", "amountMinor": 100}, "packageCode"),
    ("POST", "/billing/subscriptions", {"planId": "starter"}, "planId"),
    ("POST", "/api/purchases", {"packageCode": "starter"}, "packageCode"),
    ("POST", "/api/purchases", {"packageCode": "starter"}, "customerId"),
    ("POST", "/api/purchases", {"packageCode": "starter"}, "successUrl"),
    ("POST", "/api/usage/holds", {"amount": "1", "idempotencyKey": "k"}, "idempotencyKey"),
    ("POST", "/api/usage/holds", {"amount": "1", "idempotencyKey": "k"}, "userId"),
    ("POST", "/api/usage/reconcile", {**CALL, "idempotencyKey": "k"}, "idempotencyKey"),
    ("POST", "/api/usage/reconcile", {**CALL, "idempotencyKey": "k"}, "userId"),
    ("POST", "/api/usage/reconcile", {**CALL, "idempotencyKey": "k"}, "model"),
]


async def test_texts_with_a_nul_a_control_character_a_half_character_or_too_long(
    owner: Caller, everything: Everything
) -> None:
    before = await everything()
    for method, path, body, field in TEXT_FIELDS:
        for text in TEXTS:
            # Written as JSON escapes, which may name what UTF-8 cannot hold.
            answer = await owner.request(
                method,
                path,
                content=json.dumps({**body, field: text}),
                headers={"Content-Type": "application/json"},
            )
            assert is_problem(answer) is None, f"{path} {field}={text[:20]!r}: {is_problem(answer)}"
    assert await everything() == before


SQL_AND_SCRIPT = [
    "'; DROP TABLE tenants; --",
    "' OR '1'='1",
    "1); SELECT pg_sleep(5); --",
    "<script>alert(1)</script>",
    "{{7*7}}${7*7}%{7*7}",
    "../../etc/passwd",
    "%00%27",
]


async def test_sql_and_script_are_only_text(owner: Caller, everything: Everything) -> None:
    """A free text is kept as it is, a name of ours is refused, and nowhere does it do anything."""
    before = await everything()
    for method, path, body, field in TEXT_FIELDS:
        for text in SQL_AND_SCRIPT:
            given = {**body, field: text}
            if field != "idempotencyKey" and "idempotencyKey" in body:
                given["idempotencyKey"] = uuid4().hex
            answer = await owner.request(method, path, json=given)
            assert answer.status_code < 500, f"{path} {field}={text!r}: {answer.status_code} {answer.text}"
            if answer.is_success:
                assert answer.headers["content-type"] == "application/json"
                assert answer.headers["x-content-type-options"] == "nosniff"
            elif problem := is_problem(answer):
                pytest.fail(f"{path} {field}={text!r}: {problem}")
    after = await everything()
    for untouched in ("price_books", "model_prices", "tenant_clocks"):
        assert after.get(untouched) == before.get(untouched), untouched
    assert after.keys() == before.keys()
    for text in SQL_AND_SCRIPT:
        for path in ("/api/usage/events", "/api/ledger", "/billing/subscriptions", "/auth/members"):
            for parameter in ("cursor", "limit", "customerId", "kind", "outcome", "tenantId"):
                answer = await owner.get(path, **{parameter: text})
                assert answer.status_code < 500, f"{path}?{parameter}={text}: {answer.status_code}"
        for path in ("/api/usage/holds/", "/api/purchases/", "/billing/wallets/", "/api/usage/events/"):
            answer = await owner.request("GET", path + text.replace("/", "%2F").replace("%", "%25"))
            assert is_problem(answer, 400, 404, 422) is None, f"{path}{text}: {is_problem(answer)}"


async def test_a_body_of_ten_megabytes(owner: Caller, everything: Everything) -> None:
    before = await everything()
    body = json.dumps({**CALL, "idempotencyKey": "k", "userId": "x" * 10_000_000}).encode()
    answer = await owner.request(
        "POST", "/api/usage/reconcile", content=body, headers={"Content-Type": "application/json"}
    )
    assert is_problem(answer, 413) is None, is_problem(answer, 413)

    async def pieces() -> Any:  # chunked: its length is not announced
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    answer = await owner.request(
        "POST", "/api/usage/reconcile", content=pieces(), headers={"Content-Type": "application/json"}
    )
    assert is_problem(answer, 413) is None, is_problem(answer, 413)
    answer = await owner.request("POST", "/webhooks/stripe", content=body, headers={"Stripe-Signature": "t=1,v1=0"})
    assert is_problem(answer, 400, 413, 415) is None, is_problem(answer)
    assert await everything() == before


BROKEN = [
    b"", b"{", b"}", b"null", b"[]", b"1", b'"text"', b'{"model":"gpt-4o",}', b"{'model':'gpt-4o'}", b'{"a":1}{"b":2}',
    b"\xff\xfe", b'{"model":"\xff"}', b"[" * 100_000, b'{"a":' * 50_000, b'{"model":"gpt-4o"', b"\x00", b"{}\x00",
]  # fmt: skip


async def test_broken_json(owner: Caller, everything: Everything) -> None:
    before = await everything()
    for path in ("/api/usage/reconcile", "/api/purchases", "/auth/login", "/billing/subscriptions"):
        for body in BROKEN:
            answer = await owner.request("POST", path, content=body, headers={"Content-Type": "application/json"})
            assert is_problem(answer, 400, 413, 422) is None, f"{path} {body[:20]!r}: {is_problem(answer)}"
    assert await everything() == before


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "x", "",
     "application/json-seq", "text/json"],
)  # fmt: skip
async def test_a_wrong_content_type(owner: Caller, everything: Everything, kind: str) -> None:
    before = await everything()
    body = json.dumps({**CALL, "idempotencyKey": "k"})
    answer = await owner.request("POST", "/api/usage/reconcile", content=body, headers={"Content-Type": kind})
    assert is_problem(answer, 415) is None, is_problem(answer, 415)
    assert await everything() == before


async def test_fields_nobody_knows_and_fields_given_twice(owner: Caller, everything: Everything) -> None:
    before = await everything()
    unknown = await owner.post("/api/usage/reconcile", {**CALL, "idempotencyKey": "k", "input_tokens": 5, "price": 0})
    assert is_problem(unknown, 422) is None, is_problem(unknown, 422)
    assert {error["field"].rpartition(".")[2] for error in unknown.json()["errors"]} == {"input_tokens", "price"}
    assert await everything() == before


async def test_a_reused_key_with_other_input(owner: Caller, everything: Everything) -> None:
    call = {**CALL, "userId": "u", "idempotencyKey": "once"}
    hold = {"amount": "0.05", "idempotencyKey": "once"}
    await made(owner.post("/api/usage/reconcile", call))
    await made(owner.post("/api/usage/holds", hold))
    await made(owner.post("/api/purchases", {"packageCode": "starter"}, key="once"))
    await made(owner.post("/billing/subscriptions", {"planId": "starter"}, key="once"))
    before = await everything()
    for attempt in (
        owner.post("/api/usage/reconcile", {**call, "outputTokens": 501}),
        owner.post("/api/usage/reconcile", {**call, "userId": "v"}),
        owner.post("/api/usage/reconcile", {**call, "model": "gpt-4o-mini"}),
        owner.post("/api/usage/holds", {**hold, "amount": "0.06"}),
        owner.post("/api/purchases", {"packageCode": "team"}, key="once"),
        owner.post("/billing/subscriptions", {"planId": "team"}, key="once"),
    ):
        answer = await attempt
        assert is_problem(answer, 409) is None, is_problem(answer, 409)
        assert answer.json()["code"] == "idempotency_key_reused"
    assert await everything() == before


async def test_a_replay_changes_nothing_and_answers_the_same(owner: Caller, everything: Everything) -> None:
    doors = [
        ("/api/usage/reconcile", {**CALL, "userId": "u", "idempotencyKey": "twice"}, None),
        ("/api/usage/holds", {"amount": "0.05", "idempotencyKey": "twice"}, None),
        ("/api/purchases", {"packageCode": "starter"}, "twice"),
        ("/billing/subscriptions", {"planId": "starter"}, "twice"),
    ]
    first = [await made(owner.post(path, body, key=key)) for path, body, key in doors]
    before = await everything()
    moving = {"replayed", "balance", "available"}
    for (path, body, key), answered in zip(doors, first, strict=True):
        again = await made(owner.post(path, body, key=key))
        same = {name for name in answered if name not in moving and again.get(name) != answered[name]}
        assert same == set(), f"{path}: {same}"
        assert again.get("replayed") is True, path
    assert await everything() == before
