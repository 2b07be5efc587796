"""The whole story against any installation: a probe tenant signs up, buys credits, spends them and sees it.

The tenant is marked as a probe, so no figure counts it; it is a test tenant, so it never pays with a live key.
"""

import asyncio
import secrets
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx

from core.billing.payments.providers.paying import Card, NoTestKey, Payer
from core.foundation.addresses import is_local
from core.foundation.settings import Settings
from core.operations.smoke.steps import Skip, Step, Wrong, agree, expect

HEALTH = ("/health", "/auth/health", "/billing/health", "/payment/health", "/notification/health")
ACTUATOR = tuple(f"/api/v1/actuator/health{tail}" for tail in ("", "/liveness", "/readiness"))
_WEBHOOK_SECONDS = 15
_RATE_LIMIT = 5
_CHARGE = Decimal("0.0075")
"""1,000 tokens in and 500 out of gpt-4o, at the price book of the first release."""


@dataclass
class Story:
    """One run. What a step learns, later ones use; what is missing makes them skip."""

    client: httpx.AsyncClient
    address: str
    settings: Settings
    slug: str = field(default_factory=lambda: f"probe-{secrets.token_hex(6)}")
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    token: str | None = None
    refresh_token: str | None = None
    paid: bool = False
    transaction_id: str | None = None
    charged: Decimal | None = None

    def steps(self) -> list[Step]:
        """In the order in which a new customer would go."""
        return [
            Step("health of every group", self.health),
            Step("ready", self.ready),
            Step("TLS", self.tls),
            Step("security headers", self.headers),
            Step("CORS", self.cors),
            Step("refused without a token", self.signed_out),
            Step("register", self.register),
            Step("login", self.login),
            Step("refresh", self.refresh),
            Step("subscribe", self.subscribe),
            Step("purchase", self.purchase),
            Step("reconcile", self.reconcile),
            Step("reconcile again", self.reconcile_again),
            Step("ledger", self.ledger),
            Step("rate limit", self.rate_limit),
            Step("logout", self.logout),
        ]

    async def health(self) -> str:
        for path in HEALTH:
            agree(f"status of {path}", expect(await self.client.get(path), 200).get("status"), "healthy")
        for path in ACTUATOR:
            agree(f"status of {path}", expect(await self.client.get(path), 200).get("status"), "UP")
        return f"{len(HEALTH) + len(ACTUATOR)} addresses healthy"

    async def ready(self) -> str:
        body = expect(await self.client.get("/readyz"), 200)
        return ", ".join(f"{name} {state}" for name, state in body["checks"].items())

    async def tls(self) -> str:
        parts = urlsplit(self.address)
        if parts.scheme == "https":
            # The certificate was verified with every request before this one.
            return "certificate verified"
        if is_local(self.address):
            raise Skip("plain HTTP on this machine")
        raise Wrong("the address is plain HTTP: passwords and keys would travel in clear")

    async def headers(self) -> str:
        answer = await self.client.get("/health")
        wanted = ("strict-transport-security", "x-content-type-options", "content-security-policy", "x-request-id")
        missing = [name for name in wanted if name not in answer.headers]
        if missing:
            raise Wrong(f"missing: {', '.join(missing)}")
        return "all there"

    async def cors(self) -> str:
        stranger = "https://stranger.example"
        asked = {"Origin": stranger, "Access-Control-Request-Method": "POST"}
        preflight = await self.client.options("/auth/login", headers=asked)
        plain = await self.client.get("/health", headers={"Origin": stranger})
        for answer in (preflight, plain):
            allowed = answer.headers.get("access-control-allow-origin")
            if allowed in ("*", stranger):
                raise Wrong(f"an unknown origin is allowed ({allowed})")
        return "an unknown origin is not allowed"

    async def signed_out(self) -> str:
        for path in ("/auth/me", "/api/ledger", "/api/purchases", "/operations/overview"):
            expect(await self.client.get(path), 401)
        forged = {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."}
        expect(await self.client.get("/auth/me", headers=forged), 401)
        return "401 without a token and with an unsigned one"

    async def register(self) -> str:
        wanted = {
            "email": self._email,
            "password": self.password,
            "tenantId": self.slug,
            "tenantName": "Probe",
            "testTenant": True,
            "probe": True,
        }
        answer = await self.client.post("/auth/register", json=wanted)
        if answer.status_code == 403 and answer.json().get("code") == "registration_closed":
            raise Skip("registration is by invitation only")
        body = expect(answer, 201)
        self._keep(body)
        return f"tenant {body['tenantId']} as {body['role']}"

    async def login(self) -> str:
        self._signed_in()
        body = expect(
            await self.client.post("/auth/login", json={"email": self._email, "password": self.password}), 200
        )
        agree("tokenType", body["tokenType"], "Bearer")
        self._keep(body)
        me = expect(await self._get("/auth/me"), 200)
        agree("tenantId", me["tenantId"], self.slug)
        return f"access token for {body['expiresIn']} s"

    async def refresh(self) -> str:
        self._signed_in()
        body = expect(await self.client.post("/auth/refresh", json={"refreshToken": self.refresh_token}), 200)
        if body["refreshToken"] == self.refresh_token:
            raise Wrong("the refresh token was not rotated")
        self._keep(body)
        return "rotated"

    async def subscribe(self) -> str:
        self._signed_in()
        body = expect(await self._post("/billing/subscriptions", {"planId": "starter", "tenantId": self.slug}), 201)
        agree("status", body["status"], "incomplete")
        return f"{body['amountMinor']} {body['currency']} minor units a {body['interval']}, {body['status']}"

    async def purchase(self) -> str:
        self._signed_in()
        answer = await self._post("/api/purchases", {"packageCode": "starter"}, key=f"{self.slug}-starter")
        if answer.status_code == 409 and answer.json().get("code") == "test_tenant_live_key":
            raise Skip("the installation has a live key, and a probe never pays with one")
        if answer.status_code == 503:
            raise Wrong(answer.json().get("detail", "the payment provider does not answer"))
        body = expect(answer, 201)
        try:
            payer = Payer(self.settings, self.client)
        except NoTestKey as no_key:
            raise Skip(f"started, not paid: {no_key}") from None
        if not await payer.pay(body["paymentIntentId"], Card.PAYS):
            raise Wrong("the test card did not pay")
        how = await self._await_paid(body["purchaseId"])
        wallet = expect(await self._get("/billing/wallets/self"), 200)
        agree("balance", wallet["balance"], "5")
        self.paid = True
        return f"5 {wallet['currency']} credited {how}"

    async def reconcile(self) -> str:
        self._signed_in()
        if not self.paid:
            # Without credits a charge is owed: the probe's debt is nobody's figure.
            expect(
                await self.client.patch(
                    "/billing/settings", json={"chargePolicy": "receivable"}, headers=self._authorization
                ),
                200,
            )
        body = expect(await self._reconcile(), 200)
        self.transaction_id, self.charged = body["transactionId"], Decimal(body["charged"])
        agree("replayed", body["replayed"], False)
        if body["priceBookVersion"] == 1:
            agree("charged", self.charged, _CHARGE)
        balance = Decimal(body["balance"])
        agree("balance", balance, (Decimal(5) - self.charged) if self.paid else Decimal(0))
        return f"charged {body['charged']} {body['currency']}, balance {body['balance']}"

    async def reconcile_again(self) -> str:
        self._signed_in()
        if self.transaction_id is None:
            raise Skip("nothing was charged")
        again = expect(await self._reconcile(), 200)
        agree("transactionId", again["transactionId"], self.transaction_id)
        agree("replayed", again["replayed"], True)
        other = await self._reconcile(output_tokens=501)
        agree("code of the same key with other input", expect(other, 409)["code"], "idempotency_key_reused")
        return "the same answer; the key with another input is refused"

    async def ledger(self) -> str:
        self._signed_in()
        body = expect(await self._get("/api/ledger"), 200)
        ids = [row["transactionId"] for row in body["data"]]
        if self.transaction_id is not None and ids.count(self.transaction_id) != 1:
            raise Wrong(f"the charge is in the ledger {ids.count(self.transaction_id)} times")
        chain = expect(await self._get("/api/ledger/verification"), 200)
        return f"{len(ids)} postings, {chain['blocks']} blocks, {chain['unsealed']} to seal"

    async def rate_limit(self) -> str:
        self._signed_in()
        key = expect(
            await self._post(
                "/auth/api-keys", {"name": "rate limit", "scopes": ["ledger:read"], "rateLimit": _RATE_LIMIT}
            ),
            201,
        )["key"]
        headers = {"Authorization": f"Bearer {key}"}
        admitted = 0
        while (answer := await self.client.get("/api/ledger", headers=headers)).status_code != 429:
            admitted += 1
            if admitted > 2 * _RATE_LIMIT:
                raise Wrong(f"{admitted} requests were admitted with a limit of {_RATE_LIMIT}")
        for name in ("retry-after", "ratelimit-limit", "ratelimit-remaining"):
            if name not in answer.headers:
                raise Wrong(f"429 without {name}")
        return f"429 after {admitted} requests, retry after {answer.headers['retry-after']} s"

    async def logout(self) -> str:
        self._signed_in()
        expect(await self.client.post("/auth/logout", json={"refreshToken": self.refresh_token}), 204)
        expect(await self.client.post("/auth/refresh", json={"refreshToken": self.refresh_token}), 401)
        return "the refresh token is gone"

    async def _await_paid(self, purchase_id: str) -> str:
        waited = 0.0
        while waited < _WEBHOOK_SECONDS:
            if expect(await self._get(f"/api/purchases/{purchase_id}"), 200)["status"] == "paid":
                return "by the provider's webhook"
            await asyncio.sleep(0.25)
            waited += 0.25
        body = expect(await self._post(f"/api/purchases/{purchase_id}/sync", None), 200)
        if body["status"] == "paid":
            raise Wrong(f"paid, but no webhook came within {_WEBHOOK_SECONDS} s: is its address set at the provider?")
        raise Wrong(f"still {body['status']} after {_WEBHOOK_SECONDS} s")

    async def _reconcile(self, *, output_tokens: int = 500) -> httpx.Response:
        return await self._post(
            "/api/usage/reconcile",
            {
                "userId": "probe-user",
                "model": "gpt-4o",
                "inputTokens": 1000,
                "outputTokens": output_tokens,
                "idempotencyKey": f"{self.slug}-call",
            },
        )

    @property
    def _email(self) -> str:
        return f"owner@{self.slug}.example"

    @property
    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def _signed_in(self) -> None:
        if self.token is None:
            raise Skip("no tenant: registration did not succeed")

    def _keep(self, body: dict[str, Any]) -> None:
        self.token, self.refresh_token = body["accessToken"], body["refreshToken"]

    async def _get(self, path: str) -> httpx.Response:
        return await self.client.get(path, headers=self._authorization)

    async def _post(self, path: str, body: dict[str, Any] | None, *, key: str | None = None) -> httpx.Response:
        headers = self._authorization | ({"Idempotency-Key": key} if key else {})
        return await self.client.post(path, json=body, headers=headers)
