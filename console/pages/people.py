"""Who may do what in a tenant: its members, their roles, and who is invited."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import reflex as rx

from console import exporting, joining, rights
from console.client import ApiRefused, Client
from console.components.figure import instant
from console.components.form import select_field, text_field
from console.components.listed import form_dialog, primary, question
from console.components.notice import notice
from console.components.table import cell, export_button, heading, row_heading, table, unseen
from console.figures import Moment, moment
from console.pages.tenant import TenantState, bones, enter, tenant_heading, title
from console.template import page
from console.viewer import PageState, ViewerState, asking

ROLES = [
    ("owner", "Owner"),
    ("finance", "Finance"),
    ("developer", "Developer"),
    ("read_only", "Read only"),
]
COLUMNS = {"E-mail": "email", "Name": "name", "Role": "role", "Since": "createdAt"}
ABOUT = [
    ("Owner", "everything, and who else may do what"),
    ("Finance", "plans, customers, invoices, payments, settings, the audit log"),
    ("Developer", "usage, holds, API keys, webhooks, the test clock"),
    ("Read only", "looks at everything but the audit log and changes nothing"),
]


@dataclass
class Member:
    """Somebody with a role."""

    user_id: str = ""
    email: str = ""
    name: str = ""
    role: str = ""
    since: Moment = field(default_factory=Moment)


@dataclass
class Invited:
    """Somebody who has not accepted yet."""

    invitation_id: str = ""
    email: str = ""
    role: str = ""
    expires: Moment = field(default_factory=Moment)


class PeopleState(PageState, rx.State):
    """The members, who is invited, and what is about to be done."""

    shown: list[Member] = []
    invited: list[Invited] = []
    sees_to_people: bool = False
    inviting: bool = False
    leaving: Member = Member()
    token: str = ""
    link: str = ""
    said: str = ""
    refused: str = ""

    @rx.event
    @asking(rights.see_tenant)
    async def load(self, api: Client):
        """Fetch them."""
        await enter(self, api)
        wall = datetime.now(UTC)  # people and invitations live in everybody's time, whatever the tenant's clock says
        self.sees_to_people = (await self.get_state(ViewerState)).sees_to_people
        self.shown = [
            Member(one["userId"], one["email"], one["name"] or "", one["role"], moment(one["createdAt"], wall))
            for one in (await api.get_own("/auth/members"))["data"]
        ]
        waiting = (await api.get_own("/auth/invitations"))["data"] if self.sees_to_people else []
        self.invited = [
            Invited(one["invitationId"], one["email"], one["role"], moment(one["expiresAt"], wall)) for one in waiting
        ]

    @rx.event
    @asking(rights.see_tenant)
    async def export_csv(self, api: Client):
        """The members, for a spreadsheet."""
        return await exporting.download(api, "/auth/members", COLUMNS, "people")

    @rx.event
    @asking(rights.see_to_people)
    async def withdraw(self, api: Client, invitation_id: str):
        """Take an invitation back."""
        await self._try(api.change("DELETE", f"/auth/invitations/{invitation_id}"), "The invitation is withdrawn.")
        return PeopleState.load

    @rx.event
    @asking(rights.see_to_people)
    async def resend(self, api: Client, invitation_id: str):
        """Mail an invitation again."""
        path = f"/auth/invitations/{invitation_id}/resend"
        await self._try(api.change("POST", path), "It is mailed again, and holds for a week from now.")
        return PeopleState.load

    @rx.event
    @asking(rights.see_to_people)
    async def give(self, api: Client, user_id: str, role: str):
        """Give somebody another role."""
        await self._try(api.change("PATCH", f"/auth/members/{user_id}", json={"role": role}), "It holds from now on.")
        return PeopleState.load

    @rx.event
    def ask(self, is_open: bool):
        """Open or close the form."""
        self.inviting, self.refused, self.token, self.link = is_open, "", "", ""

    @rx.event
    @asking(rights.see_to_people)
    async def invite(self, api: Client, form: dict[str, str]):
        """Invite somebody; the word that lets them in is shown once."""
        wanted = {"email": form.get("email", "").strip(), "role": form.get("role", "read_only")}
        try:
            self.token = str((await api.change("POST", "/auth/invitations", json=wanted))["token"])
        except ApiRefused as refused:
            self.refused = refused.advice
            return None
        self.inviting = False
        self.link = joining.link(email=wanted["email"], tenant_id=api.tenant_id, word=self.token)
        return PeopleState.load

    @rx.event
    def ask_about(self, member: Member):
        """Say who is about to lose their role."""
        self.leaving = member

    @rx.event
    def keep(self):
        """Nobody."""
        self.leaving = Member()

    @rx.event
    @asking(rights.see_to_people)
    async def take_away(self, api: Client):
        """Take the role away."""
        await self._try(api.change("DELETE", f"/auth/members/{self.leaving.user_id}"), "They have no role here now.")
        self.leaving = Member()
        return PeopleState.load

    async def _try(self, doing, said: str) -> None:
        self.said, self.refused = "", ""
        try:
            await doing
        except ApiRefused as refused:
            self.refused = refused.advice
            return
        self.said = said


@page(
    "/tenants/[tenant_slug]/people",
    title=title("People"),
    current="people",
    state=PeopleState,
    on_load=PeopleState.load,
    bones=bones,
    fresh=False,
    tenant_name=TenantState.head.name,
)
def people() -> rx.Component:
    """The list, and what each role may."""
    state = PeopleState
    return rx.fragment(
        tenant_heading(rx.cond(state.sees_to_people, primary("Invite somebody", state.ask(True)))),
        rx.cond(state.said != "", notice("good", "Done", state.said)),
        rx.cond((state.refused != "") & ~state.inviting, notice("bad", "This cannot be done", state.refused)),
        rx.cond(
            state.token != "",
            notice(
                "warn",
                "They get a mail. This address does the same; it is shown this once",
                rx.fragment(
                    rx.el.code(state.link, class_name="long"),
                    rx.el.span(
                        "Or the word by itself: ", rx.el.code(state.token, class_name="long"), class_name="below"
                    ),
                ),
                rx.el.button("Copy", class_name="button small", type="button", on_click=rx.set_clipboard(state.link)),
            ),
        ),
        rx.el.section(
            rx.el.div(rx.el.h2("People"), export_button(state.export_csv), class_name="sheet-head centered"),
            table(
                "Members, in the order they joined",
                [heading("Who"), heading("Role"), heading("Since"), unseen("Deeds")],
                rx.foreach(state.shown, _row),
            ),
            class_name="sheet",
        ),
        rx.cond(state.invited.length() > 0, _invitations()),
        rx.el.section(
            rx.el.div(rx.el.h2("What each role may"), class_name="sheet-head centered"),
            rx.el.dl(
                *(rx.el.div(rx.el.dt(role), rx.el.dd(about)) for role, about in ABOUT),
                class_name="inputs commands sheet-body",
            ),
            class_name="sheet",
        ),
        form_dialog(
            "Invite somebody",
            "They get a mail with an address where they accept within a week.",
            text_field("email", "E-mail", required=True),
            select_field("role", "Role", ROLES, value="read_only"),
            submit="Invite",
            on_submit=state.invite,
            is_open=state.inviting,
            on_open=state.ask,
            refused=state.refused,
            refused_title="Nobody was invited",
            width="420px",
        ),
        question(
            rx.fragment("Take the role of ", state.leaving.email, " away?"),
            "They see nothing of this tenant from then on. They can be invited again.",
            do="Take it away",
            on_do=state.take_away,
            on_not=state.keep,
            is_open=state.leaving.user_id != "",
        ),
    )


def _invitations() -> rx.Component:
    return rx.el.section(
        rx.el.div(rx.el.h2("Invited"), class_name="sheet-head centered"),
        table(
            "Invitations that wait",
            [heading("Who"), heading("Role"), heading("Until"), unseen("Deeds")],
            rx.foreach(PeopleState.invited, _invitation),
        ),
        class_name="sheet",
    )


def _invitation(one: rx.Var[Invited]) -> rx.Component:
    again = rx.el.button(
        "Mail again", class_name="button small", type="button", on_click=PeopleState.resend(one.invitation_id),
        aria_label=f"Mail the invitation of {one.email} again",
    )  # fmt: skip
    out = rx.el.button(
        "Withdraw", class_name="button small", type="button", on_click=PeopleState.withdraw(one.invitation_id),
        aria_label=f"Withdraw the invitation of {one.email}",
    )  # fmt: skip
    return rx.el.tr(
        row_heading(one.email),
        cell(one.role.replace("_", " "), label="Role"),
        cell(instant(one.expires), label="Until"),
        cell(rx.el.span(again, " ", out), kind="action num"),
    )


def _row(one: rx.Var[Member]) -> rx.Component:
    state = PeopleState
    choice = rx.el.select(
        *(rx.el.option(text, value=key) for key, text in ROLES),
        value=one.role,
        on_change=lambda role: state.give(one.user_id, role),
        class_name="input compact",
        aria_label=f"Role of {one.email}",
    )
    out = rx.el.button(
        "Take away", class_name="button small", type="button", on_click=state.ask_about(one),
        aria_label=f"Take the role of {one.email} away",
    )  # fmt: skip
    return rx.el.tr(
        row_heading(one.email, rx.cond(one.name != "", rx.el.span(one.name, class_name="below"))),
        cell(rx.cond(state.sees_to_people, choice, one.role.replace("_", " ")), label="Role"),
        cell(instant(one.since), label="Since"),
        cell(rx.cond(state.sees_to_people, out), kind="action num"),
    )
