"""The errors a caller may see. Each carries an HTTP status, a stable code and a sentence that says what to do.

CloudBillError
├── InvalidInput          422 invalid_input
├── Unauthenticated       401 unauthenticated
├── Forbidden             403 forbidden
├── NotFound              404 not_found
├── Conflict              409 conflict
│   ├── KeyReused         409 idempotency_key_reused
│   └── KeyInFlight       409 idempotency_key_in_flight   (Retry-After)
├── TooManyRequests       429 rate_limited                (Retry-After)
└── Unavailable           503 unavailable                 (Retry-After)

Rooms derive their own from these; the form on the wire is RFC 9457 (core/api/errors.py).
"""

from typing import Any, ClassVar, Self


class CloudBillError(Exception):
    """Base of every error that is answered on purpose. `detail` is shown to the caller: no secrets, no SQL."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.extra = extra


class InvalidInput(CloudBillError):
    """A field is missing, malformed or out of range."""

    status = 422
    code = "invalid_input"
    title = "The request is not valid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field} {message}", errors=[{"field": field, "message": message}])
        self.field, self.message = field, message

    def within(self, path: str) -> Self:
        """The same refusal, of a field that lies within another."""
        return type(self)(f"{path}.{self.field}", self.message)


class Unauthenticated(CloudBillError):
    """No credential, or one that does not hold."""

    status = 401
    code = "unauthenticated"
    title = "Sign in first"

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"}, **extra)


class Forbidden(CloudBillError):
    """The caller is known and may not do this."""

    status = 403
    code = "forbidden"
    title = "Not allowed"


class NotFound(CloudBillError):
    """Nothing by that id in this tenant."""

    status = 404
    code = "not_found"
    title = "Not found"


class Conflict(CloudBillError):
    """The state of things does not allow it now."""

    status = 409
    code = "conflict"
    title = "Conflicts with the current state"


class KeyReused(Conflict):
    """The idempotency key was used with another input."""

    code = "idempotency_key_reused"
    title = "Idempotency key used before with another input"

    def __init__(self) -> None:
        super().__init__("This idempotency key was used before with another input. Use a new key for a new request.")


class KeyInFlight(Conflict):
    """A request with the same idempotency key has not been answered yet."""

    code = "idempotency_key_in_flight"
    title = "A request with this idempotency key is still running"

    def __init__(self) -> None:
        super().__init__(
            "A request with this idempotency key is still running. Try again.", headers={"Retry-After": "1"}
        )


class TooManyRequests(CloudBillError):
    """The caller's limit is used up; `retry_after` in whole seconds."""

    status = 429
    code = "rate_limited"
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail, headers={**(headers or {}), "Retry-After": str(retry_after)})


class Unavailable(CloudBillError):
    """A part that is needed does not answer; nothing was changed."""

    status = 503
    code = "unavailable"
    title = "Not available right now"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "2"})
