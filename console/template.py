"""The frame every page is built in: its address, its title, who sees which way to go, and what stands in for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import reflex as rx

from console.components.browser import fresh_start, ticker
from console.components.notice import trouble_sheet, trouble_strip
from console.components.shell import Link, Person, shell
from console.viewer import ViewerState

FRESH_SECONDS = 30
LIVE_SECONDS = 10
"""A person has a hundred calls to the API a minute; a look at a page takes five."""


def tenant_links(slug: rx.Var[str]) -> list[Link]:
    """The pages of one tenant."""
    base = f"/tenants/{slug}"
    return [
        Link("statement", "Statement", "scroll-text", base),
        Link("search", "Search", "search", f"{base}/search"),
        Link("customers", "Customers", "users", f"{base}/customers"),
        Link("subscriptions", "Subscriptions", "repeat", f"{base}/subscriptions"),
        Link("invoices", "Invoices", "receipt-text", f"{base}/invoices"),
        Link("payments", "Payments", "credit-card", f"{base}/payments"),
        Link("dunning", "Dunning", "hand-coins", f"{base}/dunning"),
        Link("reports", "Reports", "chart-column", f"{base}/reports"),
        Link("catalog", "Catalog", "tags", f"{base}/catalog"),
        Link("usage", "Usage", "activity", f"{base}/usage"),
        Link("meters", "Meters", "gauge", f"{base}/meters"),
        Link("purchases", "Purchases", "shopping-bag", f"{base}/purchases"),
        Link("holds", "Holds", "lock", f"{base}/holds"),
        Link("notifications", "Notifications", "mail", f"{base}/notifications"),
        Link("audit", "Audit", "book-open-check", f"{base}/audit", ViewerState.sees_audit),
        Link("settings", "Settings", "settings", f"{base}/settings"),
        Link("people", "People", "user-cog", f"{base}/people"),
        Link("keys", "API keys", "key-round", f"{base}/keys", ViewerState.manages_keys),
        Link("clock", "Test clock", "clock", f"{base}/clock"),
    ]


def page(
    route: str,
    *,
    title: str,
    current: str,
    state: Any,
    on_load: Any,
    bones: Callable[[], rx.Component],
    fresh: bool = True,
    live: bool = False,
    tenant_name: Any = None,
) -> Callable[[Callable[[], rx.Component]], Callable[[], rx.Component]]:
    """Put a page at `route`. Its content is shown once its state holds rows for the tenant in the address.

    It is fetched anew every half minute while somebody looks (`live`: every few seconds), unless it is a form.
    """

    seconds = LIVE_SECONDS if live else FRESH_SECONDS

    def decorate(content: Callable[[], rx.Component]) -> Callable[[], rx.Component]:
        of_tenant = "[tenant_slug]" in route

        def framed() -> rx.Component:
            slug = rx.State.tenant_slug if of_tenant else None
            shown = state.loaded & (state.of == slug) if of_tenant else state.loaded
            return shell(
                rx.fragment(
                    rx.cond(
                        shown,
                        rx.fragment(
                            rx.cond(state.trouble.title != "", trouble_strip(state.trouble, on_load)), content()
                        ),
                        rx.cond(state.trouble.title != "", trouble_sheet(state.trouble, on_load), bones()),
                    ),
                    ticker(seconds=seconds, on_tick=on_load) if fresh else rx.fragment(),
                    rx.cond(ViewerState.expired, fresh_start(email=ViewerState.email)),
                ),
                groups=_groups(slug, tenant_name),
                tabs=tenant_links(rx.cond(ViewerState.sees_installation, slug, ViewerState.tenant_id))
                if of_tenant
                else [],
                current=current,
                home=ViewerState.home,
                person=_person(),
            )

        framed.__name__ = content.__name__
        return rx.page(route=route, title=title, on_load=[ViewerState.meet, on_load])(framed)

    return decorate


def _groups(slug: rx.Var[str] | None, tenant_name: Any) -> list[tuple[Any, Any, list[Link]]]:
    installation = [
        Link("overview", "Overview", "layout-dashboard", "/"),
        Link("tenants", "Tenants", "building-2", "/tenants"),
        Link("provider", "Payment provider", "scale", "/provider"),
        Link("costs", "Costs", "receipt-text", "/costs"),
        Link("deployments", "Deployments", "rocket", "/deployments"),
        Link("backups", "Backups", "database-backup", "/backups"),
        Link("recovery", "Disaster recovery", "life-buoy", "/recovery"),
        Link("alerts", "Alerts", "bell", "/alerts"),
        Link("audit-of-all", "Audit", "book-open-check", "/audit"),
    ]
    groups: list[tuple[Any, Any, list[Link]]] = [("Installation", ViewerState.sees_installation, installation)]
    if slug is None:
        own = ViewerState.tenant_id
        groups.append((own, (own != "") & ~ViewerState.sees_installation, tenant_links(own)))
    else:
        # Whoever belongs to a tenant is led to their own, whatever tenant stands in the address.
        led_to = rx.cond(ViewerState.sees_installation, slug, ViewerState.tenant_id)
        groups.append((rx.cond(tenant_name != "", tenant_name, led_to), True, tenant_links(led_to)))
    return groups


def _person() -> Person:
    return Person(
        name=ViewerState.name,
        initial=ViewerState.initial,
        email=ViewerState.email,
        role=ViewerState.role_spelled,
        memberships=ViewerState.memberships,
        tenant_id=ViewerState.tenant_id,
        on_switch=ViewerState.switch,
    )
