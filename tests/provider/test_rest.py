"""What the program gives Google agrees with Google's REST schemas, in names, types, enums and what must be given."""

import copy
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from infra.graph import Graph
from infra.recording.program import record
from tests.infra.recorded import recorded
from tests.infra.test_gcp_options import OPTIONS, SECRETS
from tests.provider.rest import documents, problems, schemas
from tests.provider.twins import NO_TWIN, TWINS

STACKS = ("prod-gcp", "staging-gcp", "dev-gcp", "dev-gcp with options")
Inputs = dict[str, Any]


@cache
def graph_of(name: str) -> Graph:
    """A stack as committed; `with options` with Valkey, a bridge, a canary, published images, a replica."""
    stack, _, options = name.partition(" with ")
    return record(stack, config=OPTIONS, secrets=SECRETS) if options else recorded(stack)


@pytest.mark.parametrize("name", STACKS)
def test_google_would_refuse_nothing_of_a_stack(name: str) -> None:
    assert list(problems(graph_of(name))) == []


def test_most_types_have_a_twin_and_the_rest_is_listed_with_its_reason() -> None:
    kinds = {
        resource.type for name in STACKS for resource in graph_of(name).resources if resource.type.startswith("gcp:")
    }
    assert kinds == set(TWINS) | set(NO_TWIN)
    assert (len(TWINS), len(NO_TWIN)) == (65, 4)
    assert not any("memorystore" in name or "valkey" in name for name in documents())
    assert schemas("serviceusage.v1")["EnableServiceRequest"].get("properties", {}) == {}
    assert "GenerateServiceIdentityRequest" not in schemas("serviceusage.v1beta1")


def test_no_entry_of_the_table_is_idle() -> None:
    used: set[Any] = set()
    for name in STACKS:
        list(problems(graph_of(name), used))
    entries = {
        (kind, part, path)
        for kind, twin in TWINS.items()
        for part in ("renamed", "beside", "keyed", "elsewhere", "required")
        for path in getattr(twin, part)
    }
    assert entries - used == set()


def test_what_must_be_given_by_the_table_has_a_source() -> None:
    assert [kind for kind, twin in TWINS.items() if bool(twin.required) != bool(twin.source)] == []


def _settings(inputs: Inputs) -> Inputs:
    return inputs["settings"]


def _container(inputs: Inputs) -> Inputs:
    return inputs["template"]["containers"][0]


BROKEN: list[tuple[str, Callable[[Inputs], Any], str]] = [
    (
        "cloudbill-database-instance",
        lambda inputs: _settings(inputs).update(availabilityTyp="REGIONAL"),
        "settings.availabilityTyp is no field of Settings",
    ),
    (
        "cloudbill-database-instance",
        lambda inputs: _settings(inputs).update(availabilityType="GLOBAL"),
        "settings.availabilityType is 'GLOBAL': it may be",
    ),
    (
        "cloudbill-database-instance",
        lambda inputs: inputs.update(dnsName="db.example.com"),
        "dnsName is read only",
    ),
    (
        "cloudbill-database-instance",
        lambda inputs: _settings(inputs).pop("tier"),
        "settings.tier is missing: Cloud SQL",
    ),
    (
        "cloudbill-database-instance",
        lambda inputs: _settings(inputs)["ipConfiguration"].update(ipv4Enabled="no"),
        "settings.ipConfiguration.ipv4Enabled is 'no': boolean is expected",
    ),
    (
        "cloudbill-api-service",
        lambda inputs: _container(inputs).pop("image"),
        "template.containers[0].image is missing: run.v2 says it is required",
    ),
    (
        "cloudbill-api-service",
        lambda inputs: inputs["template"].update(timeout="one minute"),
        "template.timeout is 'one minute': google-duration is expected",
    ),
    (
        "cloudbill-api-service",
        lambda inputs: inputs.update(ingress="INTERNAL"),
        "ingress is 'INTERNAL': it may be",
    ),
    (
        "cloudbill-api-service",
        lambda inputs: _container(inputs)["startupProbe"].update(periodSeconds="often"),
        "template.containers[0].startupProbe.periodSeconds is 'often': int32 is expected",
    ),
    ("cloudbill-api-service", lambda inputs: inputs.update(urls=["https://api"]), "urls is read only"),
    (
        "cloudbill-cache-instance",
        lambda inputs: inputs.update(tier="STANDARD"),
        "tier is 'STANDARD': it may be",
    ),
    ("cloudbill-cache-instance", lambda inputs: inputs.update(host="10.0.0.1"), "host is read only"),
    (
        "cloudbill-network-vpc",
        lambda inputs: inputs.update(routingMode="WORLD"),
        "routingMode is 'WORLD': it may be GLOBAL, REGIONAL",
    ),
    (
        "cloudbill-keys-data",
        lambda inputs: inputs["versionTemplate"].update(protectionLevel="STRONG"),
        "versionTemplate.protectionLevel is 'STRONG': it may be",
    ),
    (
        "cloudbill-alerts-dashboard",
        lambda inputs: inputs.update(dashboardJson='{"displayName": "x", "mosaicLayout": {"colums": 48}}'),
        "mosaicLayout.colums is no field of MosaicLayout",
    ),
    (
        "cloudbill-edge-tls",
        lambda inputs: inputs.update(minTlsVersion="TLS_1_4"),
        "minTlsVersion is 'TLS_1_4': it may be",
    ),
]


@pytest.mark.parametrize(("name", "change", "said"), BROKEN, ids=[re.sub(r"\W+", "-", case[2]) for case in BROKEN])
def test_one_broken_thing_is_refused_with_its_resource_type_and_path(
    name: str, change: Callable[[Inputs], Any], said: str
) -> None:
    graph = copy.deepcopy(graph_of("prod-gcp"))
    change(graph.get(name).inputs)
    [problem] = problems(graph)
    assert problem.startswith(f"{name} ({graph.get(name).type}): {said}")


def test_a_type_without_a_twin_is_not_passed_in_silence() -> None:
    graph = copy.deepcopy(graph_of("dev-gcp"))
    object.__setattr__(graph.get("cloudbill-network-vpc"), "type", "gcp:compute/vpc:Vpc")
    assert "cloudbill-network-vpc (gcp:compute/vpc:Vpc): no twin is known: add it to TWINS, or to NO_TWIN" in "".join(
        problems(graph)
    )
