"""What the provider's own schema (`terraform providers schema -json`) says of a type: names, blocks, lists, sets.

pulumi-aws is a bridge over this provider. It writes every name in camelCase, in the plural where more than one may be
given, and leaves out the list around a block that may be given once: all of that follows from the schema.
"""

import re
from dataclasses import dataclass, field
from typing import Any

AWS = "registry.terraform.io/hashicorp/aws"


@dataclass(frozen=True)
class Attribute:
    """A value: its type in Terraform's own notation (`"string"`, `["set", "string"]`, ...)."""

    kind: Any
    settable: bool
    """Whether the program may set it; else the cloud does."""


@dataclass(frozen=True)
class Block:
    """A group of values, given once or more often."""

    nesting: str
    """single, list, set or map."""
    once: bool
    attributes: dict[str, Attribute]
    blocks: "dict[str, Block]"
    written_as_value: bool = False
    """Assigned (`x = {...}`), as the newer plugin framework has it: absent parts need not be said."""
    names: dict[str, str] = field(default_factory=dict[str, str])
    """Pulumi's name of each attribute and block, to the provider's."""

    def named(self, pulumi_name: str) -> str:
        """The provider's name; of one that it does not know the mechanical one, for the provider to refuse."""
        return self.names.get(pulumi_name) or snake(pulumi_name)


class Schema:
    """All types of one provider version."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document["provider_schemas"][AWS]
        self._read: dict[str, Block] = {}
        self.types = frozenset(self._document["resource_schemas"])

    def resource(self, kind: str) -> Block | None:
        """A resource's schema; None of a type that this provider does not have."""
        if kind not in self.types:
            return None
        if kind not in self._read:
            self._read[kind] = _block(self._document["resource_schemas"][kind]["block"], nesting="single", once=True)
        return self._read[kind]

    def provider(self) -> Block:
        """The settings of the provider itself."""
        return _block(self._document["provider"]["block"], nesting="single", once=True)


def snake(name: str) -> str:
    """`vpcId` as `vpc_id`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def camel(name: str) -> str:
    """`cidr_ipv4` as `cidrIpv4`."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def plurals(name: str) -> list[str]:
    """What the bridge may have made of a name that holds several."""
    ending = [name[:-1] + "ies"] if name.endswith("y") else []
    return [name, f"{name}s", f"{name}es", *ending]


def _block(given: dict[str, Any], *, nesting: str, once: bool, written_as_value: bool = False) -> Block:
    attributes: dict[str, Attribute] = {}
    blocks: dict[str, Block] = {}
    for name, said in given.get("attributes", {}).items():
        settable = bool(said.get("optional") or said.get("required"))
        if "nested_type" in said:
            nested = said["nested_type"]
            mode = nested["nesting_mode"]
            blocks[name] = _block(nested, nesting=mode, once=mode == "single", written_as_value=True)
        else:
            attributes[name] = Attribute(said["type"], settable)
    for name, said in given.get("block_types", {}).items():
        mode = said["nesting_mode"]
        blocks[name] = _block(said["block"], nesting=mode, once=mode == "single" or said.get("max_items") == 1)
    several = [name for name, attribute in attributes.items() if isinstance(attribute.kind, list)] + list(blocks)
    names = {camel(name): name for name in (*attributes, *blocks)}
    for name in several:  # the bridge leaves some in the plural that may be given once only
        for spelling in plurals(camel(name)):
            names.setdefault(spelling, name)
    return Block(nesting, once, attributes, blocks, written_as_value, names)
