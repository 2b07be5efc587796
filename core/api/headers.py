"""The headers that every answer carries, and those that depend on where the caller's page comes from (CORS)."""

from collections.abc import Sequence

from core.api.limits import Allowance

RawHeaders = list[tuple[bytes, bytes]]

_EXPOSED = (
    b"X-Request-Id, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, "
    b"X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
)
_PREFLIGHT: RawHeaders = [
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, Idempotency-Key, X-Request-Id, X-Tenant-Reason"),
    (b"access-control-max-age", b"600"),
]

SECURITY: RawHeaders = [
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_NO_STORE = (b"cache-control", b"no-store")


class Cors:
    """The allow-list of CORS_ORIGIN: exact origins, no wildcard, no cookies."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def allows(self, origin: bytes) -> bool:
        """Whether pages of that origin may read the answers."""
        return origin in self._origins

    def of_answer(self, origin: bytes | None) -> RawHeaders:
        """What lets a page of an allowed origin read the answer."""
        if not self._origins:
            return []
        if origin is None or origin not in self._origins:
            return [(b"vary", b"Origin")]
        return [
            (b"vary", b"Origin"),
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
        ]

    def of_preflight(self) -> RawHeaders:
        """What an allowed page may send."""
        return _PREFLIGHT


def of_limit(allowance: Allowance, now: float) -> RawHeaders:
    """RateLimit-* as the IETF draft has them (reset in seconds), X-RateLimit-* as is usual (reset as an instant)."""
    limit = b"%d" % allowance.limit
    remaining = b"%d" % allowance.remaining
    return [
        (b"ratelimit-limit", limit),
        (b"ratelimit-remaining", remaining),
        (b"ratelimit-reset", b"%d" % allowance.reset_seconds),
        (b"x-ratelimit-limit", limit),
        (b"x-ratelimit-remaining", remaining),
        (b"x-ratelimit-reset", b"%d" % (now + allowance.reset_seconds)),
    ]


def completed(own: RawHeaders, added: RawHeaders) -> RawHeaders:
    """The headers of an answer with what every answer carries; a route's own policy and caching win."""
    names = {name for name, _ in own}
    completed = [*own, *SECURITY, *added]
    if b"content-security-policy" not in names:
        completed.append(_POLICY)
    if b"cache-control" not in names:
        completed.append(_NO_STORE)
    return completed
