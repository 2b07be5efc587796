"""JSON that can be stored, and that holds no secret."""

import re
from typing import Any, cast

from core.foundation.errors import InvalidInput

DEEPEST = 60

_PULUMI_SECRET = "4dabf18193072939515e22adb298388d"
"""The key by which Pulumi marks an encrypted or revealed value in what it exports."""

_LOOKS_SECRET = re.compile(
    r"\b[sr]k_(?:live|test)_\w{8,}|\bwhsec_\w{8,}|\bcbk_\w{8,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\."
    r"|://[^/\s:@]*:(?!\$\{)[^/\s@]+@"
)
_NAMED_SECRET = re.compile(r"(?:password|passwd|secret|token|credential|(?:private|secret|api|auth)_?key)$", re.I)
_NAMES_ONLY = re.compile(r"(?:names?|arns?|ids?)$", re.I)


class SecretInOutputs(InvalidInput):
    """An output is a secret in clear."""

    code = "secret_in_outputs"
    title = "An output holds a secret"

    def __init__(self, place: str) -> None:
        super().__init__(place, "looks like a secret in clear: keep it in the secret store and give its name instead")


def refuse_unstorable(value: Any) -> Any:
    """The value itself. Raises ValueError for NUL, half a surrogate pair, or too deep a nesting."""
    _look(value, 0)
    return value


def refuse_secrets(outputs: dict[str, Any]) -> None:
    """Raises SecretInOutputs with the output's name, never its value. `{"secret": true}` stands for one and is fine."""
    for name, value in outputs.items():
        _search(value, f"outputs.{name}", name, named=True)


def _look(value: Any, depth: int) -> None:
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("must not contain NUL or half a surrogate pair")
    elif isinstance(value, dict | list):
        if depth >= DEEPEST:
            raise ValueError(f"must not be nested deeper than {DEEPEST}")
        if isinstance(value, dict):
            for key, inner in cast("dict[str, Any]", value).items():
                _look(key, depth)
                _look(inner, depth + 1)
        else:
            for inner in cast("list[Any]", value):
                _look(inner, depth + 1)


def _search(value: Any, place: str, name: str, *, named: bool) -> None:
    """`named` is false beneath a list of names: there `API_KEY` is what a secret is called."""
    if isinstance(value, dict):
        found = cast("dict[str, Any]", value)
        if _PULUMI_SECRET in found or (found.get("secret") is True and len(found) > 1):
            raise SecretInOutputs(place)
        for key, inner in found.items():
            _search(inner, f"{place}.{key}", key, named=named and not _NAMES_ONLY.search(name))
    elif isinstance(value, list):
        for number, inner in enumerate(cast("list[Any]", value)):
            _search(inner, f"{place}[{number}]", name, named=named)
    elif isinstance(value, str) and (
        _LOOKS_SECRET.search(value) or (named and value and "${" not in value and _NAMED_SECRET.search(name))
    ):
        raise SecretInOutputs(place)
