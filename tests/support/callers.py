"""Who calls the API in tests: someone with a token or an API key, or nobody."""

from dataclasses import dataclass, field, replace
from typing import Any, Self
from uuid import uuid4

import httpx

from core.identity.users import operators

PASSWORD = "Test123!"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A client of the API with its credential. Every request is made as this caller."""

    client: httpx.AsyncClient
    token: str | None = None
    tenant: str | None = None
    email: str | None = None
    user_id: str | None = None
    refresh_token: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    """Query parameters that every request carries: an installation user names the tenant it reads."""

    headers: dict[str, str] = field(default_factory=dict)

    async def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """The answer, whatever it is."""
        headers = {**self.headers, **(arguments.pop("headers", None) or {})}
        if self.token and "authorization" not in {name.lower() for name in headers}:
            headers["Authorization"] = f"Bearer {self.token}"
        params = {**self.params, **(arguments.pop("params", None) or {})} or None
        return await self.client.request(method, path, headers=headers, params=params, **arguments)

    async def get(self, path: str, **params: Any) -> httpx.Response:
        """GET with query parameters."""
        return await self.request("GET", path, params=params)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        """POST of a JSON body, with an idempotency key if one is given."""
        return await self.request("POST", path, json=body, headers={"Idempotency-Key": key} if key else None)

    async def patch(self, path: str, body: Any) -> httpx.Response:
        """PATCH of a JSON body."""
        return await self.request("PATCH", path, json=body)

    async def put(self, path: str, body: Any) -> httpx.Response:
        """PUT a JSON body."""
        return await self.request("PUT", path, json=body)

    async def delete(self, path: str) -> httpx.Response:
        """DELETE."""
        return await self.request("DELETE", path)

    def entering(self, tenant: str, *, reason: str | None = None) -> Self:
        """The same installation user, reading that tenant, or writing in it where a reason is given."""
        headers = {"X-Tenant-Reason": reason} if reason else {}
        return replace(self, params={"tenantId": tenant}, headers=headers)


async def sign_up(client: httpx.AsyncClient, slug: str | None = None, **fields: Any) -> Caller:
    """A new tenant, or a new member of one (with `invitationToken`), as the API registers it."""
    slug = slug or f"tenant-{uuid4().hex[:12]}"
    email = fields.pop("email", f"owner@{slug}.test")
    body = {"email": email, "password": PASSWORD, "tenantId": slug, **fields}
    answer = await client.post("/auth/register", json=body)
    assert answer.status_code == 201, answer.text
    return _caller(client, answer.json(), email)


async def sign_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD, **fields: Any) -> Caller:
    """A known user, signed in anew."""
    answer = await client.post("/auth/login", json={"email": email, "password": password, **fields})
    assert answer.status_code == 200, answer.text
    return _caller(client, answer.json(), email)


def create_installation_user(owner_url: str, email: str, role: str) -> None:
    """An operator or a finance user of the installation, as `cloudbill operator create` makes one."""
    operators.create_installation_user(owner_url, email=email, role=role, password=PASSWORD, if_missing=False)


async def invite(owner: Caller, role: str, *, email: str | None = None) -> Caller:
    """A new member of the owner's tenant with that role."""
    email = email or f"{role.replace('_', '-')}-{uuid4().hex[:8]}@{owner.tenant}.test"
    invitation = await owner.post("/auth/invitations", {"email": email, "role": role})
    assert invitation.status_code == 201, invitation.text
    return await sign_up(owner.client, owner.tenant, email=email, invitationToken=invitation.json()["token"])


async def issue_key(owner: Caller, *scopes: str, **fields: Any) -> Caller:
    """An API key of the owner's tenant."""
    body = {"name": "a test's key", "scopes": list(scopes), **fields}
    answer = await owner.post("/auth/api-keys", body)
    assert answer.status_code == 201, answer.text
    return Caller(client=owner.client, token=answer.json()["key"], tenant=owner.tenant)


def _caller(client: httpx.AsyncClient, body: dict[str, Any], email: str) -> Caller:
    return Caller(
        client=client,
        token=body["accessToken"],
        refresh_token=body["refreshToken"],
        tenant=body["tenantId"],
        user_id=body["userId"],
        email=email,
    )
