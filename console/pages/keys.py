"""API keys of one tenant's applications."""

from __future__ import annotations

import reflex as rx

from console import exporting, rights
from console.client import ApiRefused, Client
from console.components.figure import instant
from console.components.notice import blank
from console.components.table import cell, export_button, heading, row_heading, table, unseen
from console.pages.keys_dialogs import making, revoking
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.planning import instant_of
from console.rows import ApiKey
from console.template import page
from console.viewer import PageState, asking

SCOPES = {
    "usage:write": "reserve and settle usage",
    "usage:read": "read usage",
    "ledger:read": "read the ledger",
    "purchases:write": "buy credits",
    "purchases:read": "read purchases",
    "billing:read": "read plans and subscriptions",
    "billing:write": "change subscriptions",
    "keys:write": "create and revoke keys",
}

COLUMNS = {
    "Key": "apiKeyId",
    "Name": "name",
    "Begins with": "prefix",
    "May": "scopes",
    "Created": "createdAt",
    "Last used": "lastUsedAt",
    "Expires": "expiresAt",
}


class KeysState(PageState, rx.State):
    """The keys, the one being made, and its secret while it is shown."""

    shown: list[ApiKey] = []
    making: bool = False
    secret: str = ""
    refused: str = ""
    replacing: ApiKey = ApiKey()
    revoking: ApiKey = ApiKey()

    @rx.event
    @asking(rights.manage_keys)
    async def load(self, api: Client):
        """Fetch them."""
        await enter(self, api)
        self.shown = await api.api_keys()

    @rx.event
    @asking(rights.manage_keys)
    async def export_csv(self, api: Client):
        """Every key, without its secret."""
        return await exporting.download(api, "/auth/api-keys", COLUMNS, "api-keys")

    @rx.event
    def open(self, is_open: bool):
        """Begin a new key, or be done with it: from then on its secret is gone."""
        self.making, self.secret, self.refused, self.replacing = is_open, "", "", ApiKey()

    @rx.event
    def replace(self, key: ApiKey):
        """Begin a key that takes the place of another."""
        self.making, self.secret, self.refused, self.replacing = True, "", "", key

    @rx.event
    @asking(rights.manage_keys)
    async def create(self, api: Client, form: dict[str, str]):
        """Create the key and show its secret once."""
        scopes = [scope for scope in SCOPES if form.get(scope)]
        if not scopes:
            self.refused = "It may nothing: choose at least one thing that it may."
            return
        ends = instant_of(str(form.get("expiresAt") or ""))
        try:
            self.secret = await api.create_api_key(form["name"], scopes, expires_at=ends)
        except ApiRefused as refused:
            self.refused = refused.advice
            return
        self.refused = ""
        self.shown = await api.api_keys()

    @rx.event
    def ask_revoke(self, key: ApiKey):
        """Ask before ending a key."""
        self.making, self.secret, self.revoking = False, "", key

    @rx.event
    def keep(self):
        """End none."""
        self.revoking = ApiKey()

    @rx.event
    @asking(rights.manage_keys)
    async def revoke(self, api: Client):
        """End it."""
        doomed, self.revoking = self.revoking.api_key_id, ApiKey()
        await api.revoke_api_key(doomed)
        self.shown = await api.api_keys()


@page(
    "/tenants/[tenant_slug]/keys",
    title=title("API keys"),
    current="keys",
    state=KeysState,
    on_load=KeysState.load,
    bones=bones,
    fresh=False,
    tenant_name=TenantState.head.name,
)
def keys() -> rx.Component:
    """The keys and the two dialogs."""
    return rx.fragment(
        tenant_heading(_new_button("primary")),
        rx.el.section(
            rx.el.div(
                rx.el.h2("API keys"),
                rx.cond(KeysState.shown.length() > 0, export_button(KeysState.export_csv)),
                class_name="sheet-head centered",
            ),
            rx.cond(
                KeysState.shown.length() > 0,
                _table(),
                blank(
                    "key-round",
                    "No key yet",
                    "Applications reserve and settle usage with a key of their own.",
                    _new_button(""),
                ),
            ),
            class_name="sheet",
        ),
        making(KeysState, SCOPES),
        revoking(KeysState),
    )


def _new_button(tone: str) -> rx.Component:
    return rx.el.button(
        rx.icon("plus", size=16, aria_hidden=True),
        "New key",
        class_name=f"button {tone}",
        type="button",
        on_click=KeysState.open(True),
    )


def _table() -> rx.Component:
    return table(
        "API keys",
        [
            heading("Name"),
            heading("Begins with"),
            heading("May"),
            heading("Created"),
            heading("Last used"),
            heading("Expires"),
            unseen("Deeds"),
        ],
        rx.foreach(KeysState.shown, _row),
    )


def _row(row: rx.Var[ApiKey]) -> rx.Component:
    revoke = rx.el.button(
        "Revoke",
        class_name="button small",
        type="button",
        aria_label=f"Revoke {row.name}",
        on_click=KeysState.ask_revoke(row),
    )
    anew = rx.el.button(
        "Replace",
        class_name="button small",
        type="button",
        aria_label=f"Replace {row.name}",
        on_click=KeysState.replace(row),
    )
    return rx.el.tr(
        row_heading(row.name),
        cell(rx.el.code(row.prefix), label="Begins with"),
        cell(row.scopes, label="May"),
        cell(instant(row.created), label="Created"),
        cell(instant(row.last_used), label="Last used"),
        cell(instant(row.expires), label="Expires"),
        cell(anew, " ", revoke, kind="num action"),
    )
