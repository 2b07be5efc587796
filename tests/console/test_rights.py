"""What the console offers is what the API allows: the two tables cannot drift apart."""

import ast
from pathlib import Path

import pytest

from console import rights
from console.rights import Right
from console.session import Viewer
from core.api.access import ACCESS
from tests.support.servers import ROOT

TENANT_ROLES = ("owner", "finance", "developer", "read_only")


def viewer(*, role: str = "", installation_role: str = "", tenant_id: str = "acme") -> Viewer:
    return Viewer(
        email="ada@acme.test", name="Ada", tenant_id=tenant_id, role=role, installation_role=installation_role
    )


@pytest.mark.parametrize(
    ("right", "route"),
    [
        (rights.see_tenant, ("GET", "/api/ledger")),
        (rights.buy, ("POST", "/api/purchases")),
        (rights.release_holds, ("DELETE", "/api/usage/holds/{hold_id}")),
        (rights.move_clock, ("POST", "/billing/test-clock")),
        (rights.manage_keys, ("POST", "/auth/api-keys")),
        (rights.sell, ("POST", "/billing/invoices")),
        (rights.see_audit, ("GET", "/billing/audit")),
        (rights.see_to_programs, ("POST", "/notification/webhooks")),
        (rights.see_to_people, ("PATCH", "/auth/members/{user_id}")),
    ],
)
def test_a_tenants_role_is_offered_what_the_api_allows_it(right: Right, route: tuple[str, str]) -> None:
    offered = {role for role in TENANT_ROLES if right(viewer(role=role), "acme")}
    assert offered == ACCESS[route].roles


def test_no_role_reaches_another_tenant() -> None:
    every = (rights.see_tenant, rights.buy, rights.release_holds, rights.move_clock, rights.manage_keys)
    assert not any(right(viewer(role=role), "globex") for right in every for role in TENANT_ROLES)


def test_the_overview_is_the_installations_own() -> None:
    assert rights.see_installation(viewer(installation_role="operator", tenant_id=""))
    assert rights.see_installation(viewer(installation_role="finance", tenant_id=""))
    assert not any(rights.see_installation(viewer(role=role)) for role in TENANT_ROLES)


def test_only_the_operator_starts_what_recovery_takes() -> None:
    for route in (
        ("POST", "/operations/backups"),
        ("POST", "/operations/drills"),
        ("POST", "/operations/recovery/release"),
    ):
        offered = {
            role for role in ("operator", "finance") if rights.recover(viewer(installation_role=role, tenant_id=""))
        }
        assert offered == ACCESS[route].installation == {"operator"}
    assert not any(rights.recover(viewer(role=role)) for role in TENANT_ROLES)


def test_finance_of_the_installation_reads_a_tenant_and_moves_nothing() -> None:
    finance = viewer(installation_role="finance", tenant_id="")
    assert rights.see_tenant(finance, "acme")
    assert not rights.move_clock(finance, "acme")
    assert not rights.buy(finance, "acme")


def test_somebody_without_a_role_sees_nothing() -> None:
    assert not rights.see_tenant(viewer(tenant_id=""), "")
    assert not rights.see_tenant(viewer(tenant_id=""), "acme")


def offered_by(right: str) -> set[str]:
    """Who is offered what this right is asked for: a tenant's roles, and the installation's behind a star."""
    asked: Right = getattr(rights, right)
    tenants = {role for role in TENANT_ROLES if asked(viewer(role=role), "acme")}
    installations = ("operator", "finance")
    return tenants | {f"*{role}" for role in installations if asked(viewer(installation_role=role, tenant_id=""), "")}


def handlers() -> dict[str, str]:
    """Each handler of a page and the right that it asks for, read from the pages themselves."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / "console").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.AsyncFunctionDef):
                continue
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "asking":
                    found[f"{Path(file).stem}.{node.name}"] = decorator.args[0].attr
    return found


SELLS, PLANS, SUBSCRIPTIONS = "/billing/invoices/{invoice_id}", "/billing/plans", "/billing/subscriptions"
ONE = f"{SUBSCRIPTIONS}/{{subscription_id}}"
DEEDS: dict[str, tuple[tuple[str, str], ...]] = {
    "backups.take": (("POST", "/operations/backups"),),
    "recovery.release": (("POST", "/operations/recovery/release"),),
    "recovery.start": (("POST", "/operations/drills"),),
    "provider.acknowledge": (("POST", "/payment/reconciliation/acknowledgements"),),
    "provider.take_back": (("DELETE", "/payment/reconciliation/acknowledgements/{kind}/{provider_id}"),),
    "payments.refund": (("POST", "/api/purchases/{purchase_id}/refunds"),),
    "purchases.offer": (("POST", "/api/purchases"),),
    "purchases.pay": (("POST", "/api/purchases"),),
    "purchases.resume": (("POST", "/api/purchases/{purchase_id}/sync"),),
    "keys.load": (("GET", "/auth/api-keys"),),
    "keys.export_csv": (("GET", "/auth/api-keys"),),
    "keys.create": (("POST", "/auth/api-keys"),),
    "keys.revoke": (("DELETE", "/auth/api-keys/{api_key_id}"),),
    "clock.advance": (("POST", "/billing/test-clock"),),
    "clock.set_to": (("POST", "/billing/test-clock"),),
    "holds.release": (("DELETE", "/api/usage/holds/{hold_id}"),),
    "audit.load": (("GET", "/billing/audit"),),
    "audit.export_csv": (("GET", "/billing/audit"),),
    "people.give": (("PATCH", "/auth/members/{user_id}"),),
    "people.invite": (("POST", "/auth/invitations"),),
    "people.take_away": (("DELETE", "/auth/members/{user_id}"),),
    "people.resend": (("POST", "/auth/invitations/{invitation_id}/resend"),),
    "people.withdraw": (("DELETE", "/auth/invitations/{invitation_id}"),),
    "notifications.add": (("POST", "/notification/webhooks"),),
    "notifications.act": (
        ("POST", "/notification/webhooks/{webhook_id}/test"),
        ("PATCH", "/notification/webhooks/{webhook_id}"),
    ),
    "notifications.replay": (("POST", "/notification/deliveries/{delivery_id}/replay"),),
    "notifications.replay_since": (("POST", "/notification/webhooks/{webhook_id}/replay"),),
    "notifications.resend": (("POST", "/notification/messages/{message_id}/resend"),),
    "catalog.add_product": (("POST", "/billing/products"),),
    "catalog_coupons.add": (("POST", "/billing/coupons"),),
    "catalog_coupons.put_away": (("PATCH", "/billing/coupons/{coupon}"),),
    "meters.add": (("POST", "/billing/meters"),),
    "customer.save": (("PATCH", "/billing/customers/{customer_id}"),),
    "customers.add": (("POST", "/billing/customers"),),
    "dunning.save": (("PUT", "/billing/settings/dunning"),),
    "invoice.charge": (("POST", f"{SELLS}/pay"),),
    "invoice.do": (("POST", f"{SELLS}/finalize"), ("POST", f"{SELLS}/void"), ("POST", f"{SELLS}/uncollectible")),
    "invoice.make_link": (("POST", f"{SELLS}/payment-link"),),
    "invoice.record": (("POST", f"{SELLS}/payments"),),
    "invoice_changing.credit": (("POST", f"{SELLS}/credit-notes"),),
    "invoice_changing.write_line": (("POST", f"{SELLS}/lines"),),
    "invoice_payments.undo": (
        ("POST", f"{SELLS}/payments/{{payment_id}}/take-back"),
        ("POST", f"{SELLS}/refunds/{{refund_id}}/retry"),
    ),
    "written.withdraw": (("DELETE", f"{SELLS}/lines/{{item_id}}"), ("DELETE", "/billing/invoices/items/{item_id}")),
    "invoice_writing.begin_writing": (("POST", "/billing/invoices"),),
    "invoice_writing.write": (("POST", "/billing/invoices"),),
    "invoices.step": (("POST", f"{SELLS}/finalize"), ("POST", f"{SELLS}/void")),
    "plan.archive": (("PATCH", f"{PLANS}/{{plan}}"),),
    "plan_builder.create": (("POST", PLANS),),
    "plan_builder.create_version": (("POST", f"{PLANS}/{{plan}}/versions"),),
    "plan_builder.load": (("POST", PLANS),),
    "plan_builder.load_version": (("POST", f"{PLANS}/{{plan}}/versions"),),
    "settings.save": (("PUT", "/billing/settings/invoices"),),
    "settings.keep": (("PUT", "/billing/settings/retention"),),
    "settings.add_rate": (("POST", "/billing/tax-rates"),),
    "subscription.ask": (("POST", f"{ONE}/cancel"),),
    "subscription.preview": (("POST", f"{ONE}/change"),),
    "subscription.change": (("POST", f"{ONE}/change"),),
    "subscription.do": tuple(("POST", f"{ONE}/{deed}") for deed in ("cancel", "pause", "resume", "release")),
    "subscription.undo": (("DELETE", f"{ONE}/cancel"), ("DELETE", f"{ONE}/change")),
    "subscriptions.step": (("POST", f"{ONE}/cancel"), ("DELETE", f"{ONE}/cancel")),
    "subscriptions.begin_adding": (("POST", SUBSCRIPTIONS),),
    "subscriptions.subscribe": (("POST", SUBSCRIPTIONS),),
}
"""What each button comes to at the API; what only reads for all of a tenant or of the installation is not here."""


def test_every_button_is_offered_to_those_whom_the_api_lets_do_it_and_to_nobody_else() -> None:
    deeds = {name: right for name, right in handlers().items() if right not in ("see_tenant", "see_installation")}
    assert deeds.keys() == DEEDS.keys()
    for name, right in deeds.items():
        tenants = {role for role in offered_by(right) if not role.startswith("*")}
        for route in DEEDS[name]:
            rule = ACCESS[route]
            assert tenants == rule.roles, f"{name}: {right} offers {route} to {tenants}, the API allows {rule.roles}"
            if not rule.roles:
                assert offered_by(right) == {f"*{role}" for role in rule.installation}, name
