"""Where an address leads."""

import httpx

_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def is_local(url: str) -> bool:
    """Whether it is this machine itself: an environment's proxy would lead away from it."""
    return httpx.URL(url).host in _THIS_MACHINE
