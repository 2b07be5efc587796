"""What each role may see and do here. The API refuses what this would let through by mistake."""

from __future__ import annotations

from collections.abc import Callable

from console.session import Viewer

Right = Callable[[Viewer, str], bool]


def see_installation(viewer: Viewer, tenant_id: str = "") -> bool:
    """Overview and the list of tenants: the installation's operator and finance."""
    return viewer.installation_role in ("operator", "finance")


def recover(viewer: Viewer, tenant_id: str = "") -> bool:
    """Take backups, start drills, release a held worker: the operator. Finance sees how recovery stands."""
    return viewer.installation_role == "operator"


def explain_payments(viewer: Viewer, tenant_id: str = "") -> bool:
    """Say whose a movement on the payment provider's account is that is not ours: the operator."""
    return viewer.installation_role == "operator"


def see_tenant(viewer: Viewer, tenant_id: str) -> bool:
    """One tenant's money: its own people, and the installation's."""
    return see_installation(viewer) or (bool(tenant_id) and viewer.tenant_id == tenant_id)


def buy(viewer: Viewer, tenant_id: str) -> bool:
    """Buy credits: the tenant's owner and finance."""
    return viewer.tenant_id == tenant_id and viewer.role in ("owner", "finance")


def sell(viewer: Viewer, tenant_id: str) -> bool:
    """Build plans, subscribe customers, issue invoices: the tenant's owner and finance."""
    return viewer.tenant_id == tenant_id and viewer.role in ("owner", "finance")


def release_holds(viewer: Viewer, tenant_id: str) -> bool:
    """Give reserved credits back: who writes the applications that reserve them."""
    return viewer.tenant_id == tenant_id and viewer.role in ("owner", "developer")


def move_clock(viewer: Viewer, tenant_id: str) -> bool:
    """Advance a test tenant's time: its own builders, and the operator with a reason."""
    own = viewer.tenant_id == tenant_id and viewer.role in ("owner", "developer")
    return own or viewer.installation_role == "operator"


def manage_keys(viewer: Viewer, tenant_id: str) -> bool:
    """Create and revoke API keys."""
    return viewer.tenant_id == tenant_id and viewer.role in ("owner", "developer")


def see_audit(viewer: Viewer, tenant_id: str) -> bool:
    """Read who did what: the tenant's owner and finance, and the installation's."""
    own = viewer.tenant_id == tenant_id and viewer.role in ("owner", "finance")
    return see_installation(viewer) or (bool(tenant_id) and own)


def see_to_programs(viewer: Viewer, tenant_id: str) -> bool:
    """Say where facts are sent: who writes the applications that take them."""
    return viewer.tenant_id == tenant_id and viewer.role in ("owner", "developer")


def see_to_people(viewer: Viewer, tenant_id: str) -> bool:
    """Invite, give roles, take them away: the tenant's owner."""
    return viewer.tenant_id == tenant_id and viewer.role == "owner"
