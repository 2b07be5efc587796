"""Who looks at the page, and the one way a page's handlers reach the API."""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from typing import Any

import reflex as rx
from redis.exceptions import RedisError
from reflex.event import EventSpec
from reflex.middleware import Middleware

from console import metrics, rights
from console.client import ApiError, Client, Connection, SignedOut
from console.place import place
from console.rows import Membership
from console.session import Session, session_id_of, sessions

log = logging.getLogger("console")

ROLES = {
    "operator": "Operator",
    "finance": "Finance",
    "owner": "Owner",
    "developer": "Developer",
    "read_only": "Reads only",
}
connection = Connection.to(place().api_url)


@dataclass
class Trouble:
    """Why a page has nothing to show, and what to do about it."""

    title: str = ""
    advice: str = ""
    code: str = ""
    request_id: str = ""
    retry: bool = True


NOT_YOURS = Trouble(
    title="This is not yours to see",
    advice="Your role does not reach this page. Ask the owner of the tenant, or sign in as somebody else.",
    code="forbidden",
    retry=False,
)

NO_REDIS = Trouble(
    title="Redis is down",
    advice="The console keeps its sign-ins there and cannot fetch anything. Money and usage are safe in PostgreSQL. "
    "On the server, cloudbill status says more.",
    code="redis_down",
)
NOT_UNDERSTOOD = Trouble(
    title="The API's answer was not understood",
    advice="Console and API may be of different versions. The console's log says what was missing.",
    code="unexpected_answer",
)


class ViewerState(rx.State):
    """The signed-in person, as every page shows them."""

    email: str = ""
    name: str = ""
    initial: str = ""
    role_spelled: str = ""
    tenant_id: str = ""
    home: str = ""
    sees_installation: bool = False
    expired: bool = False
    may_buy: bool = False
    may_sell: bool = False
    may_release: bool = False
    may_move_clock: bool = False
    manages_keys: bool = False
    may_recover: bool = False
    may_explain_payments: bool = False
    sees_audit: bool = False
    sees_to_programs: bool = False
    sees_to_people: bool = False
    memberships: list[Membership] = []
    _seen: str = ""

    def show(self, session: Session, tenant_id: str) -> None:
        """Take over who is signed in, and what they may do in the tenant of the address."""
        viewer = session.viewer
        self.email, self.name, self.tenant_id, self.home = viewer.email, viewer.name, viewer.tenant_id, viewer.home
        self.initial = viewer.name[:1].upper()
        self.role_spelled = ROLES.get(viewer.installation_role) or ROLES.get(viewer.role, viewer.role)
        self.sees_installation = rights.see_installation(viewer)
        self.memberships = list(viewer.tenants)
        self.may_buy = rights.buy(viewer, tenant_id)
        self.may_sell = rights.sell(viewer, tenant_id)
        self.may_release = rights.release_holds(viewer, tenant_id)
        self.may_move_clock = rights.move_clock(viewer, tenant_id)
        self.manages_keys = rights.manage_keys(viewer, viewer.tenant_id)
        self.may_recover = rights.recover(viewer)
        self.may_explain_payments = rights.explain_payments(viewer)
        self.sees_audit = rights.see_audit(viewer, tenant_id or viewer.tenant_id)
        self.sees_to_programs = rights.see_to_programs(viewer, tenant_id)
        self.sees_to_people = rights.see_to_people(viewer, tenant_id)
        self.expired = False

    @rx.event
    async def meet(self):
        """Show who is signed in before anything is fetched: until then no link knows where it leads."""
        with suppress(RedisError):
            session = await sessions().find(session_id_of(self.router.headers.cookie))
            if session:
                self.show(session, getattr(self, "tenant_slug", ""))

    @rx.event
    async def switch(self, tenant_id: str):
        """Act in another of one's tenants."""
        session = await sessions().fresh(session_id_of(self.router.headers.cookie))
        switched = await sessions().switch(session, tenant_id)
        return rx.redirect(switched.viewer.home)


class PageState(rx.State, mixin=True):
    """What every page that asks the API has."""

    loaded: bool = False
    of: str = ""
    trouble: Trouble = Trouble()


async def _enter(state: rx.State, right: rights.Right) -> Client | None:
    session = await sessions().fresh(session_id_of(state.router.headers.cookie))
    tenant_id = getattr(state, "tenant_slug", "")
    (await state.get_state(ViewerState)).show(session, tenant_id)
    if not right(session.viewer, tenant_id):
        return None
    installation = rights.see_installation(session.viewer)
    return Client(connection, session.access_token, tenant_id=tenant_id, installation=installation)


async def _sign_out(state: rx.State) -> None:
    """Tokens that the API refuses are worth nothing; the door asks whoever reloads the page to sign in."""
    with suppress(RedisError):
        await sessions().forget(session_id_of(state.router.headers.cookie))
    (await state.get_state(ViewerState)).expired = True


def asking(right: rights.Right) -> Callable[..., Any]:
    """Give a handler the API as its first argument, if the viewer has the right; show what went wrong otherwise."""

    def decorate(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(handler)
        async def run(self: Any, *arguments: Any, **named: Any) -> Any:
            try:
                api = await _enter(self, right)
                if api is None:
                    self.trouble, self.loaded = NOT_YOURS, False
                    return None
                answer = await handler(self, api, *arguments, **named)
                self.trouble, self.loaded, self.of = Trouble(), True, api.tenant_id
                return answer
            except SignedOut:
                await _sign_out(self)
                return None
            except ApiError as error:
                metrics.EVENT_FAILURES.labels("api").inc()
                self.trouble = Trouble(error.title, error.advice, error.code, error.request_id, error.may_pass)
                return None
            except RedisError:
                metrics.EVENT_FAILURES.labels("cache").inc()
                self.trouble = NO_REDIS
                return None
            except (LookupError, TypeError, ValueError) as error:
                metrics.EVENT_FAILURES.labels("not_understood").inc()
                log.exception("the API's answer was not understood", exc_info=error)
                self.trouble = NOT_UNDERSTOOD
                return None

        signature = inspect.signature(handler)
        without_api = [parameter for name, parameter in signature.parameters.items() if name != "api"]
        run.__signature__ = signature.replace(parameters=without_api)
        return run

    return decorate


class ForgetOthers(Middleware):
    """Empties a tab's state when somebody else signed in: what one person saw is never sent to the next."""

    async def preprocess(self, app: rx.App, state: Any, event: Any) -> None:
        """Runs before a page's state is first sent to the browser."""
        if not event.name.endswith((".hydrate", ".hydrate_and_load")):
            return
        session_id = session_id_of(state.router.headers.cookie) or ""
        seen = hashlib.sha256(session_id.encode()).hexdigest()
        viewer = await state.get_state(ViewerState)
        if viewer._seen != seen:
            state.reset()
            viewer._seen = seen


def log_unforeseen(exception: Exception) -> EventSpec | None:
    """For what no handler caught: the log has it, the page stays as it is."""
    metrics.EVENT_FAILURES.labels("unforeseen").inc()
    log.error("a handler failed", exc_info=exception)
    return None
