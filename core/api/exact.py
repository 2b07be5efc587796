"""Routes without parameters are found by one look-up; trying each in turn took a fifth of a request's time."""

from collections.abc import Iterable

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send


class ExactRoutes(BaseRoute):
    """Stands before the other routes, and leaves what it does not know to them."""

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
