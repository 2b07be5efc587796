"""What a route may refuse by a rule of its own, for the OpenAPI document; the API adds what any route may refuse."""

from typing import Any

from core.foundation.errors import CloudBillError


def refusals(*kinds: type[CloudBillError]) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a route: the errors that its rule raises, by status, each with its code."""
    found: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        line = f"{kind.title}: `{kind.code}`."
        known = found.get(kind.status)
        found[kind.status] = {"description": f"{known['description']} {line}" if known else line}
    return found
