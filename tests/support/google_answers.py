"""A call that Google's fake was asked, and what it may answer instead of what was asked for."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Call:
    """One call, understood."""

    method: str
    path: dict[str, str]
    """Its parameters by the document's names, `name` and `parent` whole."""
    query: dict[str, str]
    body: dict[str, Any]


class Refused(Exception):
    """An answer that is an error, in the form that Google gives it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        reason: str = "",
        details: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        self.document: dict[str, Any] = {"error": {"code": status, "message": message}}
        if reason:
            self.document["error"]["errors"] = [{"domain": "global", "reason": reason, "message": message}]
        if details:
            self.document["error"]["details"] = details


class Broken(Exception):
    """No answer that could be read."""

    def __init__(self, how: Literal["stalled", "cut", "garbled"]) -> None:
        super().__init__(how)
        self.how = how


@dataclass
class Fault:
    """What the next calls of a method meet."""

    error: Refused | Broken
    times: int
    is_done: bool
    """Whether the call does its work all the same."""
