"""Routes without parameters: found by one look-up, and no route with a parameter answers at their addresses."""

from collections.abc import Iterable

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send


class ExactRoutes(BaseRoute):
    """Stands before the other routes, and leaves what it does not know to them.

    Trying each route in turn took a fifth of a request's time.
    """

    def __init__(self, routes: Iterable[APIRoute]) -> None:
        self._known = {
            (method, route.path): route for route in routes if "{" not in route.path for method in route.methods or ()
        }

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """One look-up by method and path."""
        if scope["type"] != "http":
            return Match.NONE, {}
        route = self._known.get((scope["method"], scope["path"]))
        if route is None:
            return Match.NONE, {}
        return Match.FULL, {"endpoint": route.endpoint, "path_params": {}, "route": route}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands over to the route, guard and all."""
        route: APIRoute = scope["route"]
        await route.app(scope, receive, send)


class OwnAddresses(BaseRoute):
    """Refuses other methods at an address without parameters, where a route with one would take its word for an id.

    `GET /billing/subscriptions/preview` is no subscription called preview: 405, and Allow says POST.
    """

    def __init__(self, routes: Iterable[APIRoute]) -> None:
        self._methods: dict[str, set[str]] = {}
        for route in routes:
            if "{" not in route.path:
                self._methods.setdefault(route.path, set()).update(route.methods or ())

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Full for a method that the address does not take."""
        if scope["type"] != "http":
            return Match.NONE, {}
        methods = self._methods.get(scope["path"])
        return (Match.NONE, {}) if methods is None or scope["method"] in methods else (Match.FULL, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """405; the header Allow comes with the error's form."""
        raise HTTPException(405)
