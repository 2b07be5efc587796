"""A recorded AWS graph as a Terraform configuration, in its JSON form, for the real provider to judge.

References become Terraform's own, so that the plan walks the same dependencies; what other providers make (passwords,
images, self-signed certificates) becomes a `terraform_data` of the same name that offers stand-ins for its outputs;
a secret becomes a sensitive variable.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, cast

from infra.graph import Graph, Resource
from tests.provider.schema import Attribute, Block, Schema, camel, snake
from tests.provider.standins import outputs_of, secret_for
from tests.provider.tables import FIELDS, MODULES, NAMED, TYPES

SECRET = {"secret": True}
LOOKUPS = {"getCallerIdentity": "aws_caller_identity", "getPartition": "aws_partition"}
_TOKEN = re.compile(r"\$\{([A-Za-z0-9_-]+)(?:\.([^{}]+))?\}")
_PROVIDER = "pulumi:providers:aws"


@dataclass(kw_only=True)
class Configuration:
    """What Terraform is given."""

    main: dict[str, Any]
    secrets: dict[str, str]
    """Values of the sensitive variables."""
    addresses: dict[str, str]
    """Terraform's address of each AWS resource, by its name in the program."""
    used: set[Any] = field(default_factory=set[Any])
    """Entries of the tables that were needed."""


def terraform_type(kind: str, used: set[Any] | None = None) -> str:
    """`aws:ec2/vpc:Vpc` as `aws_vpc`."""
    if kind in TYPES:
        _use(used, ("type", kind))
        return TYPES[kind]
    if kind.count(":") != 2:
        return re.sub(r"\W+", "_", kind)  # for Terraform to refuse
    _, place, name = kind.split(":")
    module = place.partition("/")[0]
    if module in MODULES:
        _use(used, ("module", module))
    return "_".join(part for part in ("aws", MODULES.get(module, module), snake(name)) if part)


class Translation:
    """One graph. `without` are names of resources that nothing may wait for: what they offer is stood in for."""

    def __init__(self, graph: Graph, schema: Schema, *, without: frozenset[str] = frozenset()) -> None:
        self._graph = graph
        self._schema = schema
        self._without = without
        self._by_name = {resource.name: resource for resource in graph.resources}
        self._by_urn = {resource.urn: resource for resource in graph.resources}
        self._secrets: dict[str, str] = {}
        self._used: set[Any] = set()

    def configuration(self, settings: dict[str, Any]) -> Configuration:
        """`settings` are set on every provider: where the server is, which credentials."""
        providers = [self._provider(resource, settings) for resource in self._graph.of_type(_PROVIDER)]
        resources: dict[str, dict[str, Any]] = {}
        addresses: dict[str, str] = {}
        for resource in self._graph.resources:
            if not resource.custom or resource.type.startswith("pulumi:"):
                continue
            if resource.type.startswith("aws:"):
                kind = terraform_type(resource.type, self._used)
                addresses[resource.name] = f"{kind}.{resource.name}"
                resources.setdefault(kind, {})[resource.name] = self._resource(resource, kind)
                if resource.name in self._without:
                    resources.setdefault("terraform_data", {})[resource.name] = self._standin(resource)
            else:
                resources.setdefault("terraform_data", {})[resource.name] = self._standin(resource)
        main = {
            "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws"}}},
            "provider": {"aws": providers},
            "data": {kind: {"this": {"provider": self._first_provider()}} for kind in LOOKUPS.values()},
            "variable": {name: {"type": "string", "sensitive": True} for name in self._secrets},
            "resource": resources,
        }
        return Configuration(main=main, secrets=dict(self._secrets), addresses=addresses, used=self._used)

    # The parts of a configuration

    def _provider(self, resource: Resource, settings: dict[str, Any]) -> dict[str, Any]:
        inputs = {key: _from_text(value) for key, value in resource.inputs.items()}
        return {"alias": resource.name, **self._block(self._schema.provider(), inputs, resource, ""), **settings}

    def _first_provider(self) -> str:
        return f"aws.{next(self._graph.of_type(_PROVIDER)).name}"

    def _resource(self, resource: Resource, kind: str) -> dict[str, Any]:
        block = self._schema.resource(kind)
        if block is None:
            return {}  # no such type: Terraform says so
        written = self._block(block, resource.inputs, resource, "")
        self._name(written, block, resource)
        if resource.provider:
            written["provider"] = f"aws.{_name_in(resource.provider)}"
        if waits := self._waits_for(resource):
            written["depends_on"] = waits
        lifecycle: dict[str, Any] = {}
        if resource.protect:
            lifecycle["prevent_destroy"] = True
        if resource.ignoreChanges:
            lifecycle["ignore_changes"] = [block.named(key) for key in resource.ignoreChanges]
        if lifecycle:
            written["lifecycle"] = lifecycle
        if limits := resource.options.get("customTimeouts"):
            written["timeouts"] = limits
        return written

    def _standin(self, resource: Resource) -> dict[str, Any]:
        given = {key: self._value(value, None, resource, key) for key, value in resource.inputs.items()}
        written: dict[str, Any] = {"input": {**outputs_of(resource), **given}}
        if waits := self._waits_for(resource):
            written["depends_on"] = waits
        return written

    def _name(self, written: dict[str, Any], block: Block, resource: Resource) -> None:
        key, longest = NAMED.get(resource.type, ("name", 255))
        attribute = block.attributes.get(key)
        if attribute is None or not attribute.settable or key in written or f"{key}_prefix" in written:
            return
        if resource.type in NAMED:
            _use(self._used, ("named", resource.type))
        name = f"{resource.name}-0a1b2c3"
        if len(name) > longest:
            raise NameTooLong(f"{resource.name}: the bridge makes {key} of it, up to {longest} characters; give one")
        written[key] = name

    def _waits_for(self, resource: Resource) -> list[str]:
        found: set[str] = set()
        for urn in resource.dependsOn:
            before = self._by_urn.get(urn)
            # What is not there is named all the same: Terraform says so.
            found.update(self._addresses(before) if before else [f"terraform_data.{_name_in(urn)}"])
        return sorted(found)

    def _addresses(self, resource: Resource) -> list[str]:
        """Of a component: of all that is in it, as the SDK has it."""
        if not resource.custom:
            below = [child for child in self._graph.resources if child.parent == resource.urn]
            return [address for child in below for address in self._addresses(child)]
        if resource.type.startswith("pulumi:"):
            return []
        return [self._address(resource)]

    def _address(self, resource: Resource) -> str:
        if resource.type.startswith("aws:") and resource.name not in self._without:
            return f"{terraform_type(resource.type)}.{resource.name}"
        return f"terraform_data.{resource.name}"

    # Values

    def _block(self, block: Block, inputs: dict[str, Any], resource: Resource, path: str) -> dict[str, Any]:
        written: dict[str, Any] = {}
        for key, value in inputs.items():
            if value is None:
                continue
            place = f"{path}.{key}" if path else key
            name = self._field(resource, place) or block.named(key)
            if name in block.blocks:
                written[name] = self._blocks(block.blocks[name], value, resource, place)
            else:
                written[name] = self._value(value, block.attributes.get(name), resource, place)
        return written

    def _field(self, resource: Resource, place: str) -> str | None:
        entry = (resource.type, place)
        if entry in FIELDS:
            _use(self._used, ("field", *entry))
        return FIELDS.get(entry)

    def _blocks(self, block: Block, value: Any, resource: Resource, place: str) -> Any:
        if block.nesting == "map" and isinstance(value, dict):
            entries = cast("dict[str, Any]", value)
            return {key: self._block(block, item, resource, place) for key, item in entries.items()}
        items = cast("list[Any]", value) if isinstance(value, list) else [value]
        if not all(isinstance(item, dict) for item in items):
            return self._value(value, None, resource, place)  # for the provider to refuse
        written = [self._block(block, item, resource, place) for item in items]
        return written[0] if block.nesting in ("single", "group") and len(written) == 1 else written

    def _value(self, value: Any, attribute: Attribute | None, resource: Resource, place: str) -> Any:
        return self._typed(value, attribute.kind if attribute else None, resource, place)

    def _typed(self, value: Any, kind: Any, resource: Resource, place: str) -> Any:
        if value == SECRET:
            return self._secret(resource, place)
        collection = kind[0] if isinstance(kind, list) else None
        inner = cast("list[Any]", kind)[1] if collection else None
        if isinstance(value, list):
            return [
                self._typed(item, inner, resource, f"{place}[{n}]") for n, item in enumerate(cast("list[Any]", value))
            ]
        if collection in ("list", "set") and not isinstance(value, list):
            return [self._typed(value, inner, resource, place)]  # the bridge leaves the list out where it holds one
        if isinstance(value, dict):
            entries = cast("dict[str, Any]", value)
            if collection == "object":
                fields = {name: None for name in cast("dict[str, Any]", inner)}
                return fields | {snake(key): self._typed(item, None, resource, place) for key, item in entries.items()}
            return {
                _escaped(key): self._typed(item, inner, resource, f"{place}.{key}") for key, item in entries.items()
            }
        return self._text(value) if isinstance(value, str) else value

    def _secret(self, resource: Resource, place: str) -> str:
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{resource.name}-{place}").strip("-")
        self._secrets[name] = secret_for(resource, place)
        return f"${{var.{name}}}"

    def _text(self, text: str) -> str:
        written, end = "", 0
        for match in _TOKEN.finditer(text):
            written += _escaped(text[end : match.start()]) + f"${{{self._reference(match[1], match[2] or 'id')}}}"
            end = match.end()
        return written + _escaped(text[end:])

    def _reference(self, name: str, path: str) -> str:
        if name in LOOKUPS:
            return f"data.{LOOKUPS[name]}.this.{snake(path)}"
        resource = self._by_name.get(name)
        if resource is None:
            return f"terraform_data.{name}.output.{path}"  # of nothing: Terraform says so
        address = self._address(resource)
        if address.startswith("terraform_data."):
            return f"{address}.output.{path}"
        head = re.split(r"[.\[]", path, maxsplit=1)[0]
        if irregular := self._field(resource, head):
            path = camel(irregular) + path[len(head) :]
        block = self._schema.resource(terraform_type(resource.type))
        return f"{address}.{snake(path)}" if block is None else _output(address, block, path)


class NameTooLong(Exception):
    """The bridge could not make a name."""


def _output(address: str, block: Block, path: str) -> str:
    """`x.options[0].recordName` as an expression: a set has no places, and a list of one is not seen in Pulumi."""
    expression, kind = address, cast("Any", block)
    for part in re.findall(r"[A-Za-z0-9_]+|\[\d+\]", path):
        if part.startswith("["):
            inside = "set" if _collection(kind) == "set" else "list"
            expression = f"tolist({expression}){part}" if inside == "set" else f"{expression}{part}"
            kind = _inside(kind)
            continue
        if _collection(kind) in ("list", "set"):
            expression = f"tolist({expression})[0]"
            kind = _inside(kind)
        name, kind = _part(kind, part)
        expression = f"{expression}.{name}"
    return expression


def _name_in(urn: str) -> str:
    return urn.rpartition("::")[2]


def _collection(kind: Any) -> str | None:
    if isinstance(kind, tuple):
        return cast("tuple[str, Any]", kind)[0]
    return cast("list[Any]", kind)[0] if isinstance(kind, list) else None


def _inside(kind: Any) -> Any:
    return kind[1]


def _part(kind: Any, part: str) -> tuple[str, Any]:
    if isinstance(kind, Block):
        name = kind.named(part)
        if name in kind.blocks:
            inner = kind.blocks[name]
            return name, inner if inner.nesting == "single" else (inner.nesting, inner)
        return name, kind.attributes[name].kind if name in kind.attributes else None
    name = snake(part)
    return name, kind[1].get(name) if _collection(kind) == "object" else None


def _escaped(text: str) -> str:
    return text.replace("${", "$${").replace("%{", "%%{")


def _from_text(value: Any) -> Any:
    """A provider's settings travel as JSON within text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _use(used: set[Any] | None, entry: Any) -> None:
    if used is not None:
        used.add(entry)
