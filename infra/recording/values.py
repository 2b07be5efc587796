"""The engine's own way to write values that plain JSON cannot hold: secrets, unknowns, references and assets.

The marks are those of the Pulumi SDKs (`sdk/go/common/resource/plugin/rpc.go`).
"""

from typing import Any, cast

from google.protobuf import json_format, struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
_KINDS = {ASSET: "asset", ARCHIVE: "archive"}
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

SECRET_MARK: dict[str, Any] = {"secret": True}
UNKNOWN_MARK: dict[str, Any] = {"unknown": True}


def secret(value: Any) -> dict[str, Any]:
    """The value, as the engine hands out a secret."""
    return {SIGNATURE: SECRET, "value": value}


def to_struct(values: dict[str, Any]) -> struct_pb2.Struct:
    """For an answer to the program."""
    struct = struct_pb2.Struct()
    json_format.ParseDict(values, struct)
    return struct


def from_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    """What the program sent, with whole numbers as such and in the engine's own marks."""
    return {key: _from_value(value) for key, value in struct.fields.items()}


def recorded(value: Any, names: dict[str, str]) -> Any:
    """As the graph shows it: no secret in clear, a resource as `${NAME}`, an unknown as `{"unknown": true}`.

    `names` maps the URNs registered so far to their names.
    """
    if isinstance(value, list):
        return [recorded(item, names) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return _recorded_object(cast("dict[str, Any]", value), names)
    if isinstance(value, str) and UNKNOWN in value:
        return dict(UNKNOWN_MARK)
    return value


def _recorded_object(entries: dict[str, Any], names: dict[str, str]) -> Any:
    signature = entries.get(SIGNATURE)
    rest = {key: recorded(item, names) for key, item in entries.items() if key != SIGNATURE}
    if signature is None:
        return rest
    if signature == SECRET or (signature == OUTPUT and entries.get("secret")):
        return dict(SECRET_MARK)
    if signature == OUTPUT:
        return rest.get("value", dict(UNKNOWN_MARK))
    if signature == RESOURCE:
        urn: str = entries["urn"]
        return "${" + names.get(urn, urn) + "}"
    return {_KINDS[signature]: rest}


def _from_value(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return from_struct(value.struct_value)
        case "list_value":
            return [_from_value(item) for item in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None
