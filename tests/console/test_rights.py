"""What the console offers is what the API allows: the two tables cannot drift apart."""

import pytest

from console import rights
from console.rights import Right
from console.session import Viewer
from core.api.access import ACCESS

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
