"""Every route is of one group, so that the groups can run as services of their own; what is about a process is of none.

CLOUDBILL_SERVICES names the groups that a process serves, by default all; the gateway knows where each is served.
"""

from typing import Literal

Group = Literal["auth", "billing", "payment", "notification"]
GROUPS: tuple[Group, ...] = ("auth", "billing", "payment", "notification")

_OF_PREFIX: dict[str, Group] = {
    "auth": "auth",
    ".well-known": "auth",
    "billing": "billing",
    "operations": "billing",
    "openapi.json": "billing",
    "docs": "billing",
    "payment": "payment",
    "webhooks": "payment",
    "notification": "notification",
}
_OF_API: dict[str, Group] = {"usage": "billing", "ledger": "billing", "purchases": "payment"}
OF_EACH_PROCESS = ("health", "readyz", "metrics")


def group_of(path: str) -> Group | None:
    """The group that a path belongs to; None where every process answers for itself, or nobody does."""
    first, _, rest = path.removeprefix("/").partition("/")
    if first == "api":
        return _OF_API.get(rest.partition("/")[0])
    return _OF_PREFIX.get(first)


def is_of_each_process(path: str) -> bool:
    """Whether every process answers it for itself."""
    return path.removeprefix("/") in OF_EACH_PROCESS or path.startswith("/api/v1/actuator/")
