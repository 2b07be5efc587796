"""How large a body may be, by the path it is sent to: the services and the gateway before them ask here."""

import re

from core.api.errors import BodyTooLarge

_LARGER = re.compile(r"/operations/(?:deployments|costs/[^/]+/actual)|/billing/usage/(?:events|backfills)").fullmatch
_LARGER_BYTES = 8_000_000
"""Where MAX_BODY_BYTES would be too few: a stack's graph, a bill, a thousand events.

The guard asks for the right before it reads."""


def most_bytes(path: str, usual: int) -> int:
    """What a body to this path may have; `usual` is MAX_BODY_BYTES."""
    larger = path.startswith(("/operations/", "/billing/usage/")) and _LARGER(path)
    return max(usual, _LARGER_BYTES) if larger else usual


def refuse_announced(length: bytes | None, most: int) -> None:
    """Raises BodyTooLarge where Content-Length says more, or is no number."""
    if length is not None and (not length.isdigit() or int(length) > most):
        raise BodyTooLarge(most)
