"""Parameters as Stripe takes them: form-encoded with brackets, checked against what the endpoint knows.

A shape is a dictionary from name to what is expected there: INTEGER, TEXT, BOOLEAN, TEXTS (a list), METADATA, another
shape, or a list with one shape (a list of such). A name that is not in the shape is refused, as Stripe does.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, cast

from core.billing.payments.providers.simulator.errors import Refusal

Shape = dict[str, Any]

INTEGER: Final = "integer"
TEXT: Final = "text"
BOOLEAN: Final = "boolean"
TEXTS: Final = "texts"
METADATA: Final = "metadata"
TIME_RANGE: Final = "time_range"

_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
_MAX_TEXT = 5000
_MAX_PAIRS = 1000


def parse(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """`a[b][0]=c` as {"a": {"b": {"0": "c"}}}; lists stay dictionaries by index until a shape says what they are."""
    tree: dict[str, Any] = {}
    for count, (name, value) in enumerate(pairs):
        head, bracket, _ = name.partition("[")
        path = [head, *_BRACKET.findall(name[len(head) :])]
        rebuilt = head + "".join(f"[{part}]" for part in path[1:])
        if not head or (bracket and rebuilt != name) or len(path) > 8 or count >= _MAX_PAIRS:
            raise Refusal(f"Invalid parameter name: {name[:80]}", code="parameter_unknown", param=name[:80])
        _place(tree, path, value, name)
    return tree


def check(tree: dict[str, Any], shape: Shape, *, required: Iterable[str] = ()) -> dict[str, Any]:
    """The parameters with their types. Raises Refusal, which names the parameter as Stripe does."""
    checked = _check_shape(tree, shape, "")
    for name in required:
        if name not in checked:
            raise Refusal(f"Missing required param: {name}.", code="parameter_missing", param=name)
        if checked[name] in ("", None):
            raise Refusal(
                f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; "
                f"however '{name}' cannot be unset. You should remove '{name}' from your request or supply a "
                "non-empty value.",
                code="parameter_invalid_empty",
                param=name,
            )
    return checked


def one_of(value: Any, allowed: Iterable[str], param: str) -> None:
    """Refuses a value outside of an enumeration."""
    known = list(allowed)
    if value not in (None, *known):
        listed = ", ".join(known[:-1]) + f", or {known[-1]}" if len(known) > 1 else known[0]
        raise Refusal(f"Invalid {param}: must be one of {listed}", param=param)


def _place(tree: dict[str, Any], path: list[str], value: str, name: str) -> None:
    node = tree
    for part in path[:-1]:
        child = node.setdefault(part, {})
        if not isinstance(child, dict):
            raise Refusal(f"Invalid parameter: {name}", param=name)
        node = cast(dict[str, Any], child)
    last = path[-1] if path[-1] else str(len(node))
    if isinstance(node.get(last), dict):
        raise Refusal(f"Invalid parameter: {name}", param=name)
    node[last] = value


def _check_shape(tree: dict[str, Any], shape: Shape, prefix: str) -> dict[str, Any]:
    unknown = [_full(prefix, name) for name in tree if name not in shape]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise Refusal(
            f"Received unknown parameter{plural}: {', '.join(unknown)}", code="parameter_unknown", param=unknown[0]
        )
    return {name: _check_value(value, shape[name], _full(prefix, name)) for name, value in tree.items()}


def _check_value(value: Any, expected: Any, param: str) -> Any:
    if isinstance(expected, dict):
        if value == "":
            return None
        return _check_shape(_object(value, param), cast(Shape, expected), param)
    if isinstance(expected, list):
        shape = cast(list[Shape], expected)[0]
        items = _object(value, param).items()
        return [_check_shape(_object(item, f"{param}[{i}]"), shape, f"{param}[{i}]") for i, item in items]
    if expected == TEXTS:
        return [_text(item, f"{param}[{i}]") for i, item in _object(value, param).items()]
    if expected == METADATA:
        return _metadata(value, param)
    if expected == TIME_RANGE:
        return _time_range(value, param)
    text = _text(value, param)
    if expected == INTEGER:
        return _integer(text, param)
    if expected == BOOLEAN:
        if text not in ("true", "false"):
            raise Refusal(f"Invalid boolean: {text[:80]}", param=param)
        return text == "true"
    return text


def _metadata(value: Any, param: str) -> dict[str, str]:
    """An empty text for a name unsets it; an empty text for all unsets all (both are kept here as "")."""
    if value == "":
        return {}
    found = _object(value, param)
    if len(found) > 50:
        raise Refusal("Metadata can have at most 50 keys.", param=param)
    for name, text in found.items():
        if len(name) > 40:
            raise Refusal(f"Metadata keys can have up to 40 characters: {name[:40]}", param=param)
        if len(_text(text, f"{param}[{name}]")) > 500:
            raise Refusal("Metadata values can have up to 500 characters.", param=f"{param}[{name}]")
    return cast(dict[str, str], found)


def _time_range(value: Any, param: str) -> dict[str, int]:
    if isinstance(value, str):
        at = _integer(value, param)
        return {"gte": at, "lte": at}
    shape = {"gt": INTEGER, "gte": INTEGER, "lt": INTEGER, "lte": INTEGER}
    return _check_shape(_object(value, param), shape, param)


def _integer(text: str, param: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise Refusal(f"Invalid integer: {text[:80]}", code="parameter_invalid_integer", param=param)
    return int(text)


def _object(value: Any, param: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refusal("Invalid object", param=param)
    return cast(dict[str, Any], value)


def _text(value: Any, param: str) -> str:
    if not isinstance(value, str):
        raise Refusal("Invalid string", param=param)
    if len(value) > _MAX_TEXT or "\0" in value:
        raise Refusal(f"Invalid string: must be at most {_MAX_TEXT} characters and no NUL", param=param)
    return value


def _full(prefix: str, name: str) -> str:
    return f"{prefix}[{name}]" if prefix else name
