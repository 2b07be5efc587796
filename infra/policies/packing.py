"""Each rule as a stack policy of Pulumi: what the engine shows of a stack, as a graph, judged the same way.

A policy pack is shown values where a recorded graph has references, all that a provider knows where a graph has
inputs, and secrets in clear. References are found again among what a property depends on; what a preview does not know
yet is not judged; and rules that need what the engine does not show are `NOT_SHOWN` and say so.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyResource,
    ReportViolation,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy import proxy as unknowns

from infra.graph import Graph, Resource
from infra.policies import rule as rules
from infra.policies.catalog import RULES
from infra.policies.judging import State, judge
from infra.policies.reading import is_unknown
from infra.policies.waivers import Waiver, read_waivers

NOT_SHOWN = {
    "secrets.inputs-marked": "a pack is shown secrets in clear",
    "secrets.not-in-outputs": "a pack is shown secrets in clear",
    "bridge.encrypted": "a pack is shown secrets in clear",
    "program.pinned": "a pack is not shown the versions of providers",
    "firewall.no-rules-in-groups": "a group's state lists the rules that are resources of their own",
}
"""Rules that only the recorded graph can be held to, and why."""
STACK_TYPE = "pulumi:pulumi:Stack"
SHORTEST = 6
"""Letters of a value by which a reference is known again: shorter ones occur by chance."""
_UNKNOWN = {value for name, value in vars(unknowns).items() if name.startswith("UNKNOWN_")}
_SEVERITIES = {
    rules.Severity.CRITICAL: Severity.CRITICAL,
    rules.Severity.HIGH: Severity.HIGH,
    rules.Severity.MEDIUM: Severity.MEDIUM,
}


def policies() -> list[Policy]:
    """All rules, in their order; each stops a deployment."""
    waivers = read_waivers()
    return [
        StackValidationPolicy(
            name=one.name,
            description=one.demand,
            validate=_validation(one, waivers),
            enforcement_level=EnforcementLevel.MANDATORY,
            severity=_SEVERITIES[one.severity],
            tags=list(one.sources),
        )
        for one in RULES
    ]


def _validation(one: rules.Rule, waivers: Sequence[Waiver]) -> Callable[[StackValidationArgs, ReportViolation], None]:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        if one.name in NOT_SHOWN:
            args.not_applicable(NOT_SHOWN[one.name])
        graph = graph_of(args.resources)
        outcome = judge(graph, rules=[one], waivers=waivers).outcomes[0]
        if outcome.state is State.NOT_APPLICABLE:
            args.not_applicable("the stack has nothing of the kind")
        by_name = {resource.name: resource for resource in graph.resources}
        for found in outcome.violations:
            resource = by_name.get(found.resource)
            if resource is None or not _has_unknown(resource.inputs):
                report(f"{found.resource}: {found.change}", resource.urn if resource else None)

    return validate


def graph_of(shown: Iterable[PolicyResource]) -> Graph:
    """The graph of what the engine shows of a stack."""
    resources: dict[str, Resource] = {}
    outputs: dict[str, Any] = {}
    stack = ""
    for one in shown:
        if one.provider is not None and one.provider.urn not in resources:
            provider = one.provider
            resources[provider.urn] = _resource(
                provider.urn, provider.resource_type, provider.name, _plain(provider.props)
            )
        inputs = cast("dict[str, Any]", _plain(one.props))
        for key, on in one.property_dependencies.items():
            if key in inputs:
                inputs[key] = _with_references(inputs[key], on)
        if one.resource_type == STACK_TYPE:
            stack, outputs, inputs = one.urn.split("::")[0].removeprefix("urn:pulumi:"), inputs, {}
        resources[one.urn] = _resource(
            one.urn,
            one.resource_type,
            one.name,
            inputs,
            parent=one.parent.urn if one.parent else None,
            depends_on=sorted(other.urn for other in one.dependencies),
            protect=one.opts.protect,
            provider=one.provider.urn if one.provider else None,
        )
    kinds = {kind.split(":")[0] for kind in (resource.type for resource in resources.values())}
    return Graph(
        stack=stack,
        cloud="gcp" if "gcp" in kinds else "aws",
        resources=[resources[urn] for urn in sorted(resources)],
        outputs=outputs,
    )


def _resource(
    urn: str,
    kind: str,
    name: str,
    inputs: Any,
    *,
    parent: str | None = None,
    depends_on: list[str] | None = None,
    protect: bool = False,
    provider: str | None = None,
) -> Resource:
    return Resource(
        urn=urn,
        type=kind,
        name=name,
        parent=parent,
        custom=not kind.startswith("cloudbill:"),
        inputs=inputs,
        dependsOn=depends_on or [],
        protect=protect,
        ignoreChanges=[],
        provider=provider,
        version="",
    )


def _plain(found: Any) -> Any:
    """Without the wrappers that raise an error for what a preview does not know."""
    if isinstance(found, str):
        return {"unknown": True} if found in _UNKNOWN else found
    if isinstance(found, Mapping):
        held = cast("Mapping[str, Any]", found)
        target = cast("Mapping[str, Any]", held["__target"]) if _is_wrapped(held) else held
        return {key: _plain(item) for key, item in target.items()}
    if _is_wrapped(found) or isinstance(found, list):
        listed = cast("list[Any]", cast("Any", found)["__target"] if _is_wrapped(found) else found)
        return [_plain(item) for item in listed]
    if isinstance(found, float) and found.is_integer():
        return int(found)
    return found


def _is_wrapped(found: Any) -> bool:
    return type(found).__module__ == unknowns.__name__


def _with_references(found: Any, on: list[PolicyResource]) -> Any:
    """Values that are another resource's become references to it; so does what is unknown, where it can only be one."""
    known = sorted(
        (
            (text, f"${{{other.name}.{key}}}")
            for other in on
            for key, text in cast("dict[str, Any]", _plain(other.props)).items()
            if isinstance(text, str) and len(text) >= SHORTEST
        ),
        key=lambda pair: -len(pair[0]),
    )
    waiting = iter([f"${{{other.name}.id}}" for other in on] if _count_unknown(found) == len(on) else [])
    return _referring(found, known, waiting)


def _referring(found: Any, known: list[tuple[str, str]], waiting: Iterator[str]) -> Any:
    if is_unknown(found):
        return next(waiting, found)
    if isinstance(found, dict):
        held = cast("dict[str, Any]", found)
        return {key: _referring(item, known, waiting) for key, item in held.items()}
    if isinstance(found, list):
        return [_referring(item, known, waiting) for item in cast("list[Any]", found)]
    if isinstance(found, str):
        for text, reference in known:
            if "${" not in found:
                found = found.replace(text, reference)
    return found


def _count_unknown(found: Any) -> int:
    if is_unknown(found):
        return 1
    held = cast("dict[str, Any]", found).values() if isinstance(found, dict) else found
    return sum(_count_unknown(item) for item in held) if isinstance(found, dict | list) else 0


def _has_unknown(found: Any) -> bool:
    return _count_unknown(found) > 0
