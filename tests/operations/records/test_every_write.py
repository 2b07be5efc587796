"""Every route that changes something of a tenant leaves a row in its audit log."""

import ast
import inspect
import re
import textwrap
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg

from core.api.access import ACCESS
from core.api.app import ROUTERS
from core.api.guard import guarded
from core.billing.payments.providers.simulator.main import Simulator
from tests.support.callers import Caller
from tests.support.furnished import furnish, made
from tests.support.servers import Role

# These change nothing: they say what would be.
ASKING = {
    "/billing/plans/{plan}/quote",
    "/billing/subscriptions/preview",
    "/billing/subscriptions/{subscription_id}/change/preview",
    "/billing/subscriptions/{subscription_id}/cancel/preview",
    "/billing/subscriptions/{subscription_id}/pause/preview",
    "/billing/subscriptions/{subscription_id}/resume/preview",
    "/notification/templates/preview",
}
# Usage is its own record: each event and each call is a row that nobody changes, with who sent it.
USAGE = {"/api/usage/holds", "/api/usage/holds/{hold_id}", "/api/usage/reconcile", "/billing/usage/events"}
# A member's own way in, and what belongs to the installation and to no tenant.
OF_NO_TENANT = ("/auth/identities", "/operations/", "/payment/webhook-events/", "/payment/reconciliation/")
# What was paid at the provider is looked up, and booked as its event would be, in the ledger.
LOOKED_UP = {"/api/purchases/{purchase_id}/sync", "/billing/payment-methods/setups/{setup_id}/sync"}


# A password is the person's, and so may be the installation's: its row is written where it is changed.
ELSEWHERE = {"/auth/password"}


def writes_in_a_unit(function: Callable[..., Any], *, deep: int = 3) -> bool:
    """Whether this function opens `scope.writing()`, or hands its scope to one that does."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if any(isinstance(call.func, ast.Attribute) and call.func.attr == "writing" for call in calls):
        return True
    given = [call for call in calls if any(isinstance(one, ast.Name) and one.id == "scope" for one in call.args)]
    called = (_resolved(function, call.func) for call in given)
    return deep > 0 and any(inspect.isfunction(one) and writes_in_a_unit(one, deep=deep - 1) for one in called)


def _resolved(function: Callable[..., Any], node: ast.expr) -> Any:
    if isinstance(node, ast.Name):
        return function.__globals__.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_resolved(function, node.value), node.attr, None)
    return None


def test_every_writing_route_writes_in_a_unit_that_leaves_a_row() -> None:
    loose: list[str] = []
    for route in guarded(ROUTERS):
        for method in sorted((route.methods or set()) - {"GET"}):
            rule = ACCESS[method, route.path]
            exempt = route.path in ASKING | USAGE | LOOKED_UP | ELSEWHERE
            if rule.signed_out or exempt or route.path.startswith(OF_NO_TENANT):
                continue
            if not writes_in_a_unit(route.endpoint):
                loose.append(f"{method} {route.path}")
    assert loose == []


async def test_what_a_tenant_does_from_its_first_day_on_is_in_its_audit_log(
    tenant: Caller,
    api: httpx.AsyncClient,
    fund: Callable[..., Awaitable[None]],
    own_stripe: Simulator,
    connect: Callable[[Role], Awaitable[psycopg.AsyncConnection[Any]]],
) -> None:
    await fund(tenant, 20_000_000)
    admin = await connect("admin")
    await admin.set_autocommit(True)
    silent: set[str] = set()
    seen = {"rows": 0, "writes": 0}

    async def watch(answer: httpx.Response) -> None:
        if answer.request.method == "GET" or not answer.is_success:
            return
        row = await (await admin.execute("SELECT count(*) FROM audit_log")).fetchone()
        assert row
        seen["writes"] += 1
        if row[0] == seen["rows"]:
            silent.add(re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "{}", answer.request.url.path))
        seen["rows"] = row[0]

    api.event_hooks["response"].append(watch)
    found = await furnish(tenant, stripe_url=own_stripe.url)
    for action, body in (
        ("change", {"applies": "renewal", "planId": "own-plan"}),
        ("coupons", {"coupon": "own-coupon"}),
        ("cancel", {}),
    ):
        await tenant.post(f"/billing/subscriptions/{found.ids['subscription_id']}/{action}", body)
    await made(tenant.patch(f"/billing/customers/{found.ids['customer_id']}", {"name": "Other"}))
    await made(tenant.post("/billing/credits/grants", {"amount": "1"}))
    await made(tenant.put("/billing/settings/invoicing", {"monthsAhead": 12}))
    await made(tenant.patch("/billing/settings", {"chargePolicy": "receivable"}))
    for path in (f"/auth/api-keys/{found.ids['api_key_id']}", f"/notification/webhooks/{found.ids['webhook_id']}"):
        assert (await tenant.delete(path)).is_success
    assert seen["writes"] > 25
    assert silent <= {path.replace("{setup_id}", "{}") for path in USAGE | LOOKED_UP}
