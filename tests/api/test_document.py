"""The OpenAPI document is true: every route is in it, with its rights and each error it may give."""

import asyncio
import json
import re
from typing import Any

import httpx
import pytest

from core.api import openapi
from core.api.access import ACCESS, find_rule
from core.foundation.schemas import Body
from core.foundation.settings import Settings


@pytest.fixture
async def document(api: httpx.AsyncClient) -> dict[str, Any]:
    return (await api.get("/openapi.json")).json()


async def test_every_route_is_described_once(document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert all(find_rule(method, path) for method, path in described)
    assert len(described) == len(ACCESS) - 2  # without /openapi.json and /docs
    operations = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(operations) == len(set(operations))
    assert all(name.isidentifier() and "__" not in name for name in operations)


async def test_errors_have_one_form(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                if int(status) >= 400 and "health" not in path and path != "/readyz":
                    assert list(response["content"]) == ["application/problem+json"], (method, path, status)
    assert "HTTPValidationError" not in json.dumps(document)


async def test_a_route_for_the_signed_in_says_so(document: dict[str, Any]) -> None:
    register = document["paths"]["/auth/register"]["post"]
    assert "security" not in register
    assert {"201", "400", "401", "403", "409", "413", "415", "422", "429", "500", "503"} <= set(register["responses"])
    keys = document["paths"]["/auth/api-keys"]["post"]
    assert keys["security"] == [{"accessToken": []}, {"apiKey": []}]
    assert keys["x-access"] == {
        "roles": ["developer", "owner"],
        "installationRoles": ["operator"],
        "scope": "keys:write",
    }
    members = document["paths"]["/auth/members"]["get"]
    assert members["security"] == [{"accessToken": []}]
    assert {"401", "403", "404", "429"} <= set(members["responses"])


async def test_a_body_takes_each_kind_of_value_in_one_form_only(document: dict[str, Any]) -> None:
    """A number or a boolean written as text is refused: what is loose is not what the document says."""
    assert document["paths"]
    loose = [
        f"{body.__name__}.{name}"
        for body in _bodies(Body)
        for name, field in body.model_fields.items()
        if re.search(r"\b(int|float|bool|Decimal|datetime|date)\b", kind := f"{field.annotation} {field.metadata}")
        and not re.search(r"strict=True|BeforeValidator", kind)
    ]
    assert loose == []


def _bodies(above: type[Body]) -> set[type[Body]]:
    return {found for below in above.__subclasses__() for found in {below, *_bodies(below)}}


async def test_references_resolve(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                assert part["$ref"].removeprefix("#/components/schemas/") in schemas
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(document)


async def test_the_readable_form_needs_nothing_from_elsewhere(api: httpx.AsyncClient) -> None:
    answer = await api.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "/api/usage/reconcile" in answer.text
    assert "src=" not in answer.text
    assert "script" not in answer.headers["content-security-policy"].replace("default-src 'none'", "")


async def test_whoever_asks_while_the_document_is_made_gets_the_same_one(
    api: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start makes none; the first to ask has it made, beside the requests of others, and it is made once."""
    made: list[str] = []

    def make(*arguments: Any) -> dict[str, Any]:
        made.append(arguments[0])
        return real(*arguments)

    real = openapi._made
    monkeypatch.setattr(openapi, "_made", make)
    monkeypatch.setattr(openapi, "_KNOWN", {})
    asked = asyncio.gather(*(api.get(path) for path in ("/openapi.json", "/docs", "/openapi.json")))
    assert (await api.get("/health")).status_code == 200
    document, page, again = await asked
    assert made == ["CloudBill"]
    assert document.content == again.content
    assert json.loads(document.content)["servers"] == [{"url": settings.public_api_url}]
    assert "/billing/subscriptions" in page.text
