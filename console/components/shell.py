"""What stands around every page: the rail, the phone's top bar, the account menu."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx
from reflex.style import color_mode, set_color_mode
from reflex_components_core.core.banner import has_too_many_connection_errors

from console.components.browser import plain_form, plain_link, return_focus, typed
from console.components.notice import notice


@dataclass(frozen=True)
class Link:
    """One way to go; shown only to those who may go there."""

    key: str
    text: str
    icon: str
    href: rx.Var[str] | str
    shown: rx.Var[bool] | bool = True


@dataclass(frozen=True)
class Person:
    """Who is signed in, as the account menu needs them."""

    name: rx.Var[str]
    initial: rx.Var[str]
    email: rx.Var[str]
    role: rx.Var[str]
    memberships: rx.Var[list]
    tenant_id: rx.Var[str]
    on_switch: rx.EventHandler


def brand() -> rx.Component:
    """The mark and the name."""
    return rx.fragment(rx.image(src="/mark.svg", alt=""), "CloudBill")


def nav_link(link: Link, current: str) -> rx.Component:
    """One way to go."""
    shown = rx.link(
        rx.icon(link.icon, size=17, stroke_width=1.8, aria_hidden=True),
        link.text,
        href=link.href,
        class_name="nav-link",
        custom_attrs={"aria-current": "page"} if link.key == current else {},
        unstyled=True,
    )
    return shown if link.shown is True else rx.cond(link.shown, shown)


def nav(groups: list[tuple[rx.Var[str] | str, rx.Var[bool] | bool, list[Link]]], current: str) -> rx.Component:
    """All the ways to go, in groups; a group is shown only where it leads somewhere."""

    def group(title: rx.Var[str] | str, links: list[Link]) -> rx.Component:
        return rx.el.div(
            rx.el.p(title, class_name="nav-title"),
            rx.el.ul(*(rx.el.li(nav_link(link, current)) for link in links)),
        )

    return rx.fragment(*(rx.cond(shown, group(title, links)) for title, shown, links in groups))


def account(person: Person) -> rx.Component:
    """Who is signed in; tenant, appearance, and the way out."""
    trigger = rx.el.button(
        rx.el.span("Account and appearance: ", class_name="visually-hidden"),
        rx.el.span(person.initial, class_name="initial", aria_hidden=True),
        rx.el.span(rx.el.b(person.name), rx.el.span(person.role), class_name="account-text"),
        rx.icon("chevrons-up-down", size=15, aria_hidden=True),
        class_name="account",
        type="button",
    )
    return rx.fragment(
        plain_form(id="sign-out", action="/session/end", method="post"),
        rx.dropdown_menu.root(
            rx.dropdown_menu.trigger(trigger),
            rx.dropdown_menu.content(
                rx.el.p(person.email, class_name="nav-title"),
                _tenants(person),
                rx.dropdown_menu.separator(),
                _appearance(),
                rx.dropdown_menu.separator(),
                rx.dropdown_menu.item("Change your password", on_select=rx.redirect("/account")),
                rx.dropdown_menu.item(
                    rx.el.button("Sign out", type="submit", form="sign-out", class_name="menu-button"), as_child=True
                ),
                variant="soft",
            ),
        ),
    )


def _tenants(person: Person) -> rx.Component:
    def choice(membership: rx.Var) -> rx.Component:
        return rx.dropdown_menu.item(
            membership.name,
            shortcut=rx.cond(membership.tenant_id == person.tenant_id, "current", membership.role),
            on_select=person.on_switch(membership.tenant_id),
        )

    return rx.cond(
        person.memberships.length() > 1,
        rx.fragment(rx.dropdown_menu.separator(), rx.foreach(person.memberships, choice)),
    )


def _appearance() -> rx.Component:
    def choice(mode: str, text: str) -> rx.Component:
        return rx.dropdown_menu.item(
            text, shortcut=rx.cond(color_mode == mode, "✓", ""), on_select=set_color_mode(mode)
        )

    return rx.fragment(choice("system", "Appearance of the system"), choice("light", "Light"), choice("dark", "Dark"))


def shell(
    content: rx.Component,
    *,
    groups: list[tuple[rx.Var[str] | str, rx.Var[bool] | bool, list[Link]]],
    tabs: list[Link],
    current: str,
    home: rx.Var[str],
    person: Person,
) -> rx.Component:
    """The rail (or, on a phone, the top bar) and the page within it. No link is shown before it is known where to."""
    known = home != ""
    rail = rx.el.aside(
        rx.cond(
            known,
            rx.link(brand(), href=home, class_name="brand", unstyled=True, aria_label="CloudBill, to the start"),
            rx.el.span(brand(), class_name="brand"),
        ),
        rx.el.nav(rx.cond(known, nav(groups, current)), aria_label="Pages"),
        rx.el.div(rx.cond(known, account(person)), class_name="rail-foot"),
        class_name="rail",
    )
    topbar = rx.el.header(
        rx.el.details(
            rx.el.summary(
                rx.el.span(brand(), class_name="brand"),
                rx.el.span(
                    rx.icon("menu", size=20, aria_hidden=True),
                    rx.el.span("Menu", class_name="visually-hidden"),
                    class_name="burger",
                ),
            ),
            rx.cond(
                known,
                rx.el.div(rx.el.nav(nav(groups, current), aria_label="Pages"), account(person), class_name="sheet-nav"),
            ),
        ),
        class_name="topbar",
    )
    tab_links = rx.cond(known, rx.fragment(*(nav_link(link, current) for link in tabs)))
    tab_strip = rx.el.nav(tab_links, class_name="tabs", aria_label="Of this tenant")
    return rx.el.div(
        plain_link("Skip to the figures", href="#main", class_name="skip-link"),
        rx.el.div(
            rail,
            topbar,
            rx.el.main(
                rx.el.div(tab_strip if tabs else rx.fragment(), content, class_name="page"), id="main", tab_index=-1
            ),
            class_name="house",
        ),
        connection(),
        return_focus(),
        typed(email=person.email),
    )


def connecting() -> rx.Component:
    """Shown for the moment before a page has its first word."""
    return rx.el.main(
        rx.el.div(brand(), class_name="brand"), rx.el.p("Opening …", class_name="gate-foot"), class_name="gate"
    )


def connection() -> rx.Component:
    """Shown while the page has lost the console's server; it reconnects by itself."""
    lost = notice(
        "warn",
        "The console's server does not answer",
        "What you see may be old. The page reconnects by itself.",
        class_name="connection",
    )
    return rx.cond(has_too_many_connection_errors, lost)
