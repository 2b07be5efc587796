"""Stripe's refusals: HTTP status and error body. Source: docs.stripe.com/api/errors, docs.stripe.com/error-codes."""

from typing import Any


class Refusal(Exception):
    """An error answer. `executed` says that the call began: its changes stay and its key replays this answer."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        executed: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.executed = executed
        error: dict[str, Any] = {"message": message, "type": kind}
        if code is not None:
            error |= {"code": code, "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"}
        if param is not None:
            error["param"] = param
        self.body: dict[str, Any] = {
            "error": error | {name: value for name, value in more.items() if value is not None}
        }


def missing(kind: str, identifier: str, *, param: str | None = None) -> Refusal:
    """An id that is not known: 404 where it is the path's (no `param` given), 400 where it is a parameter's."""
    return Refusal(
        f"No such {kind}: '{identifier}'",
        status=404 if param is None else 400,
        code="resource_missing",
        param=param or "id",
    )


def wrong_state(message: str, **more: Any) -> Refusal:
    """An intent that is past what is asked of it."""
    return Refusal(message, code="payment_intent_unexpected_state", executed=True, **more)


def no_key() -> Refusal:
    return Refusal(
        "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer "
        "auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        status=401,
    )


def bad_key(key: str) -> Refusal:
    """The key itself is not repeated: only its public prefix."""
    prefix = "_".join(key.split("_")[:2]) + "_" if key.count("_") >= 2 and len(key) < 300 else ""
    if prefix in ("sk_live_", "rk_live_", "pk_live_"):
        return Refusal("This is a simulator: a live key must never be sent here. Use any sk_test_ key.", status=401)
    return Refusal(f"Invalid API Key provided: {prefix if len(prefix) < 12 else ''}****", status=401)


def secret_key_required() -> Refusal:
    return Refusal(
        "This API call cannot be made with a publishable API key. Please use a secret API key.",
        status=403,
        code="secret_key_required",
    )


def unknown_address(method: str, path: str) -> Refusal:
    return Refusal(
        f"Unrecognized request URL ({method}: {path}). The simulator knows only the part of Stripe's API that is used.",
        status=404,
    )
