"""The console's only way to any figure: the HTTP API, asked with the signed-in person's token."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from console import alerting, billed, costing, deploying, metrics, reading, recovering, rows
from console.figures import long_instant, parse_instant

TIMEOUT = httpx.Timeout(8.0, connect=3.0)
RELEASE_TIMEOUT = httpx.Timeout(300.0, connect=3.0)
PAGE_ROWS = 25
DRILL_ROWS = 10
EXPORT_ROWS = 200


class ApiError(Exception):
    """The API did not do what was asked. `title` and `advice` are for the reader."""

    def __init__(self, title: str, advice: str, *, code: str, status: int = 0, request_id: str = "") -> None:
        super().__init__(title)
        self.title, self.advice, self.code, self.status, self.request_id = title, advice, code, status, request_id

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (0, 429) or self.status >= 500


class ApiUnreachable(ApiError):
    """Nothing answers at the API's address."""


class SignedOut(ApiError):
    """The session or its tokens are gone; the person has to sign in again."""


class ApiRefused(ApiError):
    """The API understood and said no, with a stable code."""


def signed_out() -> SignedOut:
    """The one spelling of it."""
    return SignedOut("You are signed out", "Sign in again to go on.", code="signed_out", status=401)


@dataclass(frozen=True)
class Connection:
    """One pool of connections to the API for the whole process."""

    http: httpx.AsyncClient

    @classmethod
    def to(cls, api_url: str) -> Connection:
        """Open lazily; nothing is sent until the first request."""
        return cls(httpx.AsyncClient(base_url=api_url, timeout=TIMEOUT, headers={"user-agent": "cloudbill-console"}))

    async def ask(self, method: str, path: str, *, token: str = "", **request: Any) -> dict[str, Any]:
        """Send one request and return its JSON, or raise one of the errors above."""
        answer = await self.send(method, path, token=token, **request)
        return answer.json() if answer.content else {}

    async def send(self, method: str, path: str, *, token: str = "", **request: Any) -> httpx.Response:
        """The same, with the answer as it came: a document, for instance."""
        headers = {name: value for name, value in (request.pop("headers", None) or {}).items() if value}
        if token:
            headers["authorization"] = f"Bearer {token}"
        started = time.perf_counter()
        try:
            answer = await self.http.request(method, path, headers=headers, **request)
        except httpx.TransportError as error:
            _count("unreachable", started)
            raise ApiUnreachable(
                "The API does not answer",
                "On the server, cloudbill status says what is down. The figures come back by themselves once it is up.",
                code="api_unreachable",
            ) from error
        _count(metrics.outcome_of(answer.status_code), started)
        if not answer.is_success:
            raise _error(answer)
        return answer


def _count(outcome: str, started: float) -> None:
    metrics.API_CALLS.labels(outcome).inc()
    metrics.API_SECONDS.observe(time.perf_counter() - started)


def _error(answer: httpx.Response) -> ApiError:
    try:
        problem = answer.json()
        code, detail = str(problem["code"]), str(problem.get("detail") or problem.get("title"))
    except (ValueError, KeyError, TypeError):
        problem, code, detail = {}, f"http_{answer.status_code}", "It gave no reason."
    request_id = str(problem.get("requestId") or answer.headers.get("x-request-id", ""))
    if answer.status_code >= 500:
        title = "The API could not answer"
        return ApiUnreachable(title, detail, code=code, status=answer.status_code, request_id=request_id)
    title = str(problem.get("title") or f"The API answered {answer.status_code}")
    return ApiRefused(title, detail, code=code, status=answer.status_code, request_id=request_id)


class Client:
    """The API as one signed-in person may use it, optionally within one tenant."""

    def __init__(self, connection: Connection, token: str, *, tenant_id: str = "", installation: bool = False) -> None:
        self._connection, self._token = connection, token
        self.tenant_id, self._installation = tenant_id, installation

    async def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            return await self._connection.ask(method, path, token=self._token, **request)
        except ApiRefused as refused:
            raise signed_out() if refused.status == 401 else refused from refused

    async def _get(self, path: str, **query: Any) -> dict[str, Any]:
        return await self._ask("GET", path, params={key: value for key, value in query.items() if value})

    async def document(self, path: str) -> httpx.Response:
        """A file of the tenant in the address."""
        return await self._connection.send("GET", path, token=self._token, params={"tenantId": self.tenant_id})

    async def get_own(self, path: str, **query: Any) -> dict[str, Any]:
        """Read something of the tenant in the address."""
        return await self._get(path, tenantId=self.tenant_id, **query)

    async def ask_own(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Ask about the tenant in the address by a body; nothing is changed."""
        return await self._ask(method, path, params={"tenantId": self.tenant_id}, **request)

    async def change(self, method: str, path: str, *, reason: str = "", **request: Any) -> dict[str, Any]:
        """Change something of the tenant in the address; the installation's operator gives a reason."""
        headers = {"x-tenant-reason": reason, **request.pop("headers", {})}
        return await self.ask_own(method, path, headers=headers, **request)

    # The installation

    async def ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Ask the installation's own part of the API."""
        return await self._ask(method, path, **request)

    async def overview(self, *, currency: str) -> rows.Overview:
        """Everything of the overview page; test tenants are included, since a demo has nothing else."""
        body = await self._get("/operations/overview", include="test", currency=currency)
        return reading.overview(body, datetime.now(UTC))

    async def tenants(self, *, search: str, sort: str, cursor: str) -> rows.TenantPage:
        """One page of tenants."""
        body = await self._get("/operations/tenants", search=search, sort=sort, cursor=cursor, limit=PAGE_ROWS)
        return reading.tenant_page(body, datetime.now(UTC))

    async def usage_profiles(self) -> dict[str, dict[str, float]]:
        """What a quiet, an ordinary and a busy month are."""
        return await self._get("/operations/costs/usage")

    async def costs(self, *, usage: str) -> costing.Sheet:
        """Every stack's month."""
        return costing.sheet(await self._get("/operations/costs", usage=usage), datetime.now(UTC))

    async def costs_for(self, usage: dict[str, float]) -> costing.Sheet:
        """The same for any usage."""
        return costing.sheet(await self._ask("POST", "/operations/costs", json=usage), datetime.now(UTC))

    async def cost_lines(self, stack: str, *, usage: str) -> dict[str, Any]:
        """A stack's month line by line, as the API says it: it is exported, too."""
        return await self._get(f"/operations/costs/{stack}", usage=usage)

    async def cost_lines_for(self, stack: str, usage: dict[str, float]) -> dict[str, Any]:
        """The same for any usage."""
        return await self._ask("POST", f"/operations/costs/{stack}/estimate", json=usage)

    async def savings(self, stack: str, *, usage: str) -> dict[str, Any]:
        """What could be saved."""
        return await self._get(f"/operations/costs/{stack}/savings", usage=usage)

    async def actual(self, stack: str, *, month: str) -> billed.Actual:
        """A month's bill beside the estimate; the newest where no month is given."""
        return billed.actual(await self._get(f"/operations/costs/{stack}/actual", month=month), datetime.now(UTC))

    async def stacks(self) -> list[str]:
        """The stacks that have an estimate, by name."""
        body = await self._get("/operations/costs")
        return sorted(entry["stack"] for entry in (*body["data"], *body["unpriced"]))

    async def deployments(self, *, stack: str, cursor: str) -> deploying.DeploymentPage:
        """One page of deployments, newest first."""
        body = await self._get("/operations/deployments", stack=stack, cursor=cursor, limit=PAGE_ROWS)
        return deploying.deployment_page(body, datetime.now(UTC))

    async def every_own(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """The same of the tenant in the address."""
        return await self.every(path, tenantId=self.tenant_id, **query)

    async def every(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All rows of a list, page after page, as the API says them: for an export."""
        rows: list[dict[str, Any]] = []
        cursor = ""
        while True:
            body = await self._get(path, **query, cursor=cursor, limit=EXPORT_ROWS)
            rows += body["data"]
            if not (cursor := body["nextCursor"] or ""):
                return rows

    async def deployment(self, deployment_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """One deployment, and what changed by it."""
        address = f"/operations/deployments/{quote(deployment_id, safe='')}"
        return await self._get(address), await self._get(f"{address}/changes")

    async def alerts(self, *, state: str, cursor: str) -> alerting.AlertPage:
        """One page of what fires, or fired; newest first."""
        body = await self._get("/operations/alerts", state=state, cursor=cursor, limit=PAGE_ROWS)
        return alerting.alert_page(body, datetime.now(UTC))

    async def alert_rules(self) -> list[alerting.Rule]:
        """What the installation watches of itself."""
        return alerting.rules(await self._get("/operations/alerts/rules"))

    async def runbook(self, name: str) -> str:
        """A runbook's Markdown."""
        return str((await self._get(f"/operations/runbooks/{quote(name, safe='')}"))["markdown"])

    async def backups(self) -> dict[str, Any]:
        """How the backups stand, as the API says it: it is exported, too."""
        return await self._get("/operations/backups")

    async def take_backup(self) -> None:
        """Have one taken now."""
        await self._ask("POST", "/operations/backups")

    async def recovery(self) -> recovering.Recovery:
        """Whether the installation could be recovered now."""
        return recovering.recovery(await self._get("/operations/recovery"), datetime.now(UTC))

    async def drills(self, *, cursor: str) -> recovering.DrillPage:
        """One page of drills, newest first."""
        body = await self._get("/operations/drills", cursor=cursor, limit=DRILL_ROWS)
        return recovering.drill_page(body, datetime.now(UTC))

    async def drill(self, drill_id: str) -> recovering.Drill:
        """One drill, as far as it is."""
        body = await self._get(f"/operations/drills/{quote(drill_id, safe='')}")
        return recovering.drill(body, datetime.now(UTC))

    async def start_drill(self, scenario: str, *, confirm: str) -> str:
        """Start one; its id."""
        wanted = {"scenario": scenario, **({"confirm": confirm} if confirm else {})}
        return str((await self._ask("POST", "/operations/drills", json=wanted))["runId"])

    async def release_worker(self, *, reason: str) -> int:
        """Let a held worker go; how many events were fetched first, which may take a while."""
        wanted = {"reason": reason, "confirm": "release"}
        body = await self._ask("POST", "/operations/recovery/release", json=wanted, timeout=RELEASE_TIMEOUT)
        return int(body["events"])

    # One tenant

    async def tenant_head(self, name: str) -> rows.TenantHead:
        """Balance, clock and, for the installation, who it is."""
        asked = [self.get_own("/billing/wallets/self"), self.get_own("/billing/test-clock")]
        if self._installation:
            asked.append(self._get(f"/operations/tenants/{self.tenant_id}"))
        wallet, clock, *about = await asyncio.gather(*asked)
        return reading.tenant_head(self.tenant_id, name, wallet, clock, about[0] if about else None)

    async def tenant_clock(self) -> tuple[str, str]:
        """The tenant's own time, for machines and as it is read."""
        now = (await self.get_own("/billing/test-clock"))["now"]
        return now, long_instant(parse_instant(now))

    async def ledger(self, head: rows.TenantHead, *, kind: str, cursor: str) -> rows.LedgerPage:
        """One page of postings on the tenant's own wallet, newest first."""
        asked = {"customerId": head.customer_id, "kind": kind, "cursor": cursor, "limit": PAGE_ROWS}
        return reading.ledger_page(await self.get_own("/api/ledger", **asked), parse_instant(head.clock_iso))

    async def chain(self) -> rows.Chain:
        """How far the ledger is sealed."""
        return reading.chain(await self.get_own("/api/ledger/verification"), datetime.now(UTC))

    async def usage(self, *, days: int, now: str) -> rows.Usage:
        """Usage of the last `days` days of the tenant's own time."""
        end = parse_instant(now)
        since = _first_day(end, days)
        body = await self.get_own("/api/usage/summary", **{"from": _iso(since)})
        return reading.usage(body, since, end)

    async def models_used(self, *, days: int, now: str) -> list[dict[str, Any]]:
        """The same by model, as the API says it."""
        since = _first_day(parse_instant(now), days)
        return (await self.get_own("/api/usage/summary", **{"from": _iso(since)}))["byModel"]

    async def packages(self) -> list[rows.Package]:
        """Credits on offer."""
        return reading.packages(await self.get_own("/billing/packages"))

    async def purchases(self, *, now: str, cursor: str) -> rows.PurchasePage:
        """One page of purchases, newest first."""
        body = await self.get_own("/api/purchases", cursor=cursor, limit=PAGE_ROWS)
        return reading.purchase_page(body, parse_instant(now))

    async def ask_about_purchase(self, purchase_id: str) -> rows.Purchase:
        """One purchase as the payment provider knows it, with the page where it may still be paid."""
        body = await self.change("POST", f"/api/purchases/{purchase_id}/sync")
        return reading.purchase(body, datetime.now(UTC))

    async def buy(self, package_code: str, *, key: str, return_url: str) -> rows.Purchase:
        """Begin a purchase; the buyer goes to its `checkout_url`. The same key never buys twice."""
        wanted = {
            "packageCode": package_code,
            "successUrl": f"{return_url}?returned=success",
            "cancelUrl": f"{return_url}?returned=canceled",
        }
        body = await self.change("POST", "/api/purchases", json=wanted, headers={"idempotency-key": key})
        return reading.purchase(body, datetime.now(UTC))

    async def holds(self, head: rows.TenantHead, *, status: str, cursor: str) -> rows.HoldPage:
        """One page of holds, newest first."""
        body = await self.get_own("/api/usage/holds", status=status, cursor=cursor, limit=PAGE_ROWS)
        return reading.hold_page(body, parse_instant(head.clock_iso), head.customer_id)

    async def release_hold(self, hold_id: str) -> None:
        """Give a hold's credits back."""
        await self.change("DELETE", f"/api/usage/holds/{hold_id}")

    async def move_clock(self, to: datetime, *, reason: str) -> int:
        """Move a test tenant's clock; returns how many holds expired on the way."""
        body = await self.change("POST", "/billing/test-clock", reason=reason, json={"now": _iso(to)})
        return int(body.get("drained", {}).get("holdsExpired", 0))

    async def api_keys(self) -> list[rows.ApiKey]:
        """The tenant's keys."""
        body = await self.get_own("/auth/api-keys")
        return [reading.api_key(entry, datetime.now(UTC)) for entry in body["data"]]

    async def create_api_key(self, name: str, scopes: list[str], *, expires_at: str = "") -> str:
        """Create a key and return its secret, which nobody can read again."""
        wanted = {"name": name, "scopes": scopes, **({"expiresAt": expires_at} if expires_at else {})}
        return str((await self.change("POST", "/auth/api-keys", json=wanted))["key"])

    async def revoke_api_key(self, api_key_id: str) -> None:
        """End a key at once."""
        await self.change("DELETE", f"/auth/api-keys/{api_key_id}")


def purchase_key() -> str:
    """A fresh key for one intended purchase."""
    return f"console-{uuid.uuid4()}"


def _first_day(end: datetime, days: int) -> datetime:
    return (end - timedelta(days=days - 1)).replace(hour=0, minute=0, second=0, microsecond=0)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
