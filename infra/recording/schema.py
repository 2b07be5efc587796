"""What the providers' own packages say of a resource: its class, its outputs, the keys that its inputs may have."""

import collections.abc
import enum
import functools
import importlib
import inspect
import re
import types
import typing
from typing import Any, cast

import pulumi
from pulumi import _types  # pyright: ignore[reportPrivateUsage]  # nowhere else has the SDK the names of the wire

from infra.recording.values import SECRET_MARK, UNKNOWN_MARK

_KNOWN: dict[str, type[pulumi.CustomResource]] = {}


def resource_class(token: str) -> type[pulumi.CustomResource] | None:
    """The class that registers this type; a provider's own resource has none that is asked for."""
    # Walked again only for a type that is not known yet: packages are imported while the program runs.
    if token not in _KNOWN:
        _KNOWN.update(_classes(pulumi.CustomResource))
    return _KNOWN.get(token)


def output_types(cls: type[pulumi.CustomResource]) -> dict[str, Any]:
    """Its outputs, by their names on the wire."""
    return _types.resource_types(cls)


def input_problems(cls: type[pulumi.CustomResource], inputs: dict[str, Any]) -> list[str]:
    """What the provider would refuse: unknown keys, missing ones, at any depth."""
    arguments = _arguments(cls)
    return [] if arguments is None else list(_problems(arguments, inputs, path=""))


def documentation(cls: type[pulumi.CustomResource], path: str) -> collections.abc.Iterator[str]:
    """What the provider says of the input at this path (`a.b[0].c`), from the outermost key to the innermost."""
    arguments: Any = _arguments(cls)
    for key in re.split(r"[.\[]", re.sub(r"\[\d+\]", "", path)):
        if not (inspect.isclass(arguments) and _types.is_input_type(arguments)):
            return
        names = {wire: name for name, wire in _types.input_type_py_to_pulumi_names(arguments).items()}
        if key not in names:
            return
        yield getattr(arguments, names[key]).__doc__ or ""
        kind = _plain(_types.input_type_types(arguments)[key])
        arguments = _plain(element(kind) or kind)


def fields(output: Any) -> dict[str, Any] | None:
    """The fields of an output that is an object, else None."""
    return _types.output_type_types(output) if inspect.isclass(output) and _types.is_output_type(output) else None


def choices(kind: Any) -> list[Any]:
    """The values of an enum, in its order; of any other type none."""
    kind = _plain(kind)
    return [choice.value for choice in kind] if inspect.isclass(kind) and issubclass(kind, enum.Enum) else []


def element(kind: Any) -> Any:
    """What a list of this type holds, or None when it is no list."""
    origin = typing.get_origin(kind)
    if origin in (list, collections.abc.Sequence):
        return _plain(typing.get_args(kind)[0])
    return None


def _arguments(cls: type[pulumi.CustomResource]) -> Any:
    # Where a nested input has taken the name, the resource's own arguments are called InitArgs.
    module = importlib.import_module(cls.__module__)
    return getattr(module, f"{cls.__name__}InitArgs", None) or getattr(module, f"{cls.__name__}Args", None)


def _classes(root: type[Any]) -> dict[str, type[pulumi.CustomResource]]:
    found: dict[str, type[pulumi.CustomResource]] = {}
    for cls in root.__subclasses__():
        token = cls.__dict__.get("pulumi_type")
        if token:
            found[token] = cls
        found |= _classes(cls)
    return found


def _problems(arguments: Any, inputs: dict[str, Any], *, path: str) -> collections.abc.Iterator[str]:
    known, required = _keys(arguments)
    for key, value in inputs.items():
        if key not in known:
            yield f"{path}{key} is not a key of {arguments.__name__}"
        else:
            yield from _value_problems(known[key], value, path=f"{path}{key}")
    for key in required - inputs.keys():
        yield f"{path}{key} is missing"


def _value_problems(kind: Any, value: Any, *, path: str) -> collections.abc.Iterator[str]:
    kind = _plain(kind)
    inner = element(kind)
    if isinstance(value, list):
        items = cast("list[Any]", value)
        for place, item in enumerate(items):
            yield from _value_problems(inner, item, path=f"{path}[{place}]")
    elif isinstance(value, dict):
        entries = cast("dict[str, Any]", value)
        if not _is_marked(entries):
            if inspect.isclass(kind) and _types.is_input_type(kind):
                yield from _problems(kind, entries, path=f"{path}.")
            elif inner is not None or _is_scalar(kind):
                yield f"{path} is an object, {'a list' if inner is not None else kind.__name__} is expected"


@functools.cache
def _keys(arguments: Any) -> tuple[dict[str, Any], frozenset[str]]:
    names = _types.input_type_py_to_pulumi_names(arguments)
    required = {
        names[parameter.name]
        for parameter in inspect.signature(arguments).parameters.values()
        if parameter.default is inspect.Parameter.empty and parameter.name in names
    }
    return _types.input_type_types(arguments), frozenset(required)


def _plain(kind: Any) -> Any:
    """Without `Input`, `Output`, `Awaitable` and `Optional` around it; a dictionary twin gives way to its class."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        options = [
            option
            for option in typing.get_args(kind)
            if option is not type(None)
            and typing.get_origin(option) not in (pulumi.Output, collections.abc.Awaitable)
            and not typing.is_typeddict(option)
        ]
        return _plain(options[0]) if options else None
    return kind


def _is_scalar(kind: Any) -> bool:
    return kind in (str, int, float, bool)


def _is_marked(entries: dict[str, Any]) -> bool:
    return entries in (SECRET_MARK, UNKNOWN_MARK) or entries.keys() in ({"asset"}, {"archive"})
