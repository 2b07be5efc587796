"""Signing in and out: the tokens stay on this server, the browser holds a random cookie.

Sessions live in Redis only. Losing it signs people out and nothing more.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from http.cookies import CookieError, SimpleCookie
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from console.client import ApiRefused, ApiUnreachable, Client, Connection, signed_out
from console.place import place
from console.rows import Membership

COOKIE = "cloudbill_session"
LIFE_SECONDS = 7 * 24 * 3600
REFRESH_BEFORE_SECONDS = 60
LOCK_SECONDS = 20


@dataclass(frozen=True)
class Viewer:
    """Who is signed in, and as what."""

    email: str
    name: str
    tenant_id: str
    role: str
    installation_role: str
    tenants: tuple[Membership, ...] = ()

    @property
    def home(self) -> str:
        """The page this person starts on."""
        return "/" if self.installation_role else f"/tenants/{self.tenant_id}"


@dataclass(frozen=True)
class Session:
    """One sign-in of one browser."""

    session_id: str
    viewer: Viewer
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float = 0.0

    def is_stale(self, now: float) -> bool:
        """Whether the access token is about to expire."""
        return self.expires_at - now < REFRESH_BEFORE_SECONDS


class Sessions:
    """Every open sign-in, in Redis."""

    def __init__(self, redis: Redis, connection: Connection) -> None:
        self._redis, self._connection = redis, connection

    async def are_reachable(self) -> bool:
        """Whether Redis answers."""
        try:
            return bool(await self._redis.ping())
        except RedisError:
            return False

    async def open(self, email: str, password: str, *, forwarded_for: str) -> Session:
        """Sign in at the API. Raises `ApiRefused` for wrong credentials, `ApiUnreachable` when it is down."""
        forwarded = {"x-forwarded-for": forwarded_for}
        wanted = {"email": email, "password": password}
        issued = await self._connection.ask("POST", "/auth/login", json=wanted, headers=forwarded)
        return await self._keep(secrets.token_urlsafe(32), issued)

    async def join(self, wanted: dict[str, str], *, forwarded_for: str) -> Session:
        """Accept an invitation, and sign in. Raises `ApiRefused`, `ApiUnreachable`."""
        forwarded = {"x-forwarded-for": forwarded_for}
        issued = await self._connection.ask("POST", "/auth/register", json=wanted, headers=forwarded)
        return await self._keep(secrets.token_urlsafe(32), issued)

    async def providers(self) -> list[dict[str, Any]]:
        """The accounts elsewhere that the API signs people in with. Raises `ApiUnreachable`."""
        return (await self._connection.ask("GET", "/auth/providers"))["data"]

    async def redeem(self, handover: str) -> Session:
        """Sign in with what the API handed over through the browser; it works once, within a minute."""
        issued = await self._connection.ask("POST", "/auth/refresh", json={"refreshToken": handover})
        return await self._keep(secrets.token_urlsafe(32), issued)

    async def find(self, session_id: str | None) -> Session | None:
        """The session of a cookie, if it is still open."""
        kept = await self._redis.get(_key(session_id)) if session_id else None
        return _read(session_id or "", kept) if kept else None

    async def fresh(self, session_id: str | None) -> Session:
        """The session with an access token that is good for a while. Raises `SignedOut`."""
        session = await self.find(session_id)
        if session is None:
            raise signed_out()
        return await self._refresh(session) if session.is_stale(time.time()) else session

    def client(self, session: Session, tenant_id: str) -> Client:
        """The API as that person may use it in a tenant."""
        return Client(self._connection, session.access_token, tenant_id=tenant_id)

    async def switch(self, session: Session, tenant_id: str) -> Session:
        """Act in another tenant of the same person from now on."""
        async with self._lock(session):
            current = await self.find(session.session_id) or session
            return await self._exchange(current, tenant_id)

    async def change_password(self, session_id: str | None, current: str, new: str, *, forwarded_for: str) -> Session:
        """Change the person's own. Every sign-in of theirs ends; this one goes on by another name and other tokens.

        Raises `SignedOut`, `ApiRefused`, `ApiUnreachable`.
        """
        session = await self.fresh(session_id)
        async with self._lock(session):
            held = await self.find(session.session_id)
            if held is None:
                raise signed_out()
            wanted = {"currentPassword": current, "newPassword": new}
            forwarded = {"x-forwarded-for": forwarded_for}
            try:
                issued = await self._connection.ask(
                    "POST", "/auth/password", token=held.access_token, json=wanted, headers=forwarded
                )
            except ApiRefused as refused:
                if refused.status == 401 and refused.code != "invalid_credentials":
                    raise signed_out() from refused
                raise
            try:
                return await self._keep(secrets.token_urlsafe(32), issued)
            finally:
                await self.forget(held.session_id)  # its tokens are worth nothing now

    async def close(self, session_id: str | None) -> None:
        """Sign out here and at the API."""
        session = await self.find(session_id)
        if session is None:
            return
        await self._redis.delete(_key(session.session_id))
        try:
            await self._connection.ask("POST", "/auth/logout", json={"refreshToken": session.refresh_token})
        except (ApiRefused, ApiUnreachable):
            return  # the tokens are forgotten here either way, and expire by themselves there

    async def forget(self, session_id: str | None) -> None:
        """Drop a session whose tokens the API does not take."""
        if session_id:
            await self._redis.delete(_key(session_id))

    async def _refresh(self, session: Session) -> Session:
        # A refresh token works once: two tabs refreshing at the same time would look like theft to the API.
        async with self._lock(session):
            current = await self.find(session.session_id)
            if current is None:
                raise signed_out()
            if not current.is_stale(time.time()):
                return current
            try:
                return await self._exchange(current, current.viewer.tenant_id)
            except ApiUnreachable:
                if current.expires_at > time.time():
                    return current
                raise

    async def _exchange(self, session: Session, tenant_id: str) -> Session:
        wanted = {"refreshToken": session.refresh_token} | ({"tenantId": tenant_id} if tenant_id else {})
        try:
            issued = await self._connection.ask("POST", "/auth/refresh", json=wanted)
        except ApiRefused as refused:
            if refused.status == 401:
                await self._redis.delete(_key(session.session_id))
                raise signed_out() from refused
            raise
        return await self._keep(session.session_id, issued)

    async def _keep(self, session_id: str, issued: dict[str, Any]) -> Session:
        access_token = str(issued["accessToken"])
        about = await self._connection.ask("GET", "/auth/me", token=access_token)
        session = Session(
            session_id=session_id,
            viewer=_viewer(about),
            access_token=access_token,
            refresh_token=str(issued["refreshToken"]),
            expires_at=time.time() + int(issued["expiresIn"]),
        )
        await self._redis.set(_key(session_id), json.dumps(asdict(session)), ex=LIFE_SECONDS)
        return session

    def _lock(self, session: Session):
        return self._redis.lock(f"{_key(session.session_id)}:lock", timeout=LOCK_SECONDS, blocking_timeout=LOCK_SECONDS)


@cache
def sessions() -> Sessions:
    """The process's sessions; connections open at first use."""
    redis = Redis.from_url(place().redis_url, decode_responses=True, socket_connect_timeout=3, socket_timeout=25)
    return Sessions(redis, Connection.to(place().api_url))


def session_id_of(cookie_header: str) -> str | None:
    """Read our cookie out of a `Cookie` header."""
    try:
        morsel = SimpleCookie(cookie_header).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel and morsel.value else None


def _key(session_id: str) -> str:
    return f"console:session:{session_id}"


def _viewer(about: dict[str, Any]) -> Viewer:
    tenants = (
        Membership(tenant_id=entry["tenantId"], name=entry["name"], role=entry["role"]) for entry in about["tenants"]
    )
    return Viewer(
        email=about["email"],
        name=about.get("name") or about["email"].partition("@")[0],
        tenant_id=about.get("tenantId") or "",
        role=about.get("role") or "",
        installation_role=about.get("installationRole") or "",
        tenants=tuple(tenants),
    )


def _read(session_id: str, kept: str) -> Session | None:
    try:
        session = Session(**json.loads(kept))
        viewer = Viewer(**session.viewer)
        tenants = tuple(Membership(**entry) for entry in viewer.tenants)
    except (TypeError, ValueError):
        return None  # written by another version of the console: signing in again mends it
    return replace(session, session_id=session_id, viewer=replace(viewer, tenants=tenants))
