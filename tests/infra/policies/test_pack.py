"""The rules as a Pulumi policy pack, asked over the engine's own protocol in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import grpc
import pytest
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from infra.graph import Graph
from infra.policies.catalog import RULES
from infra.policies.packing import NOT_SHOWN
from infra.recording.values import UNKNOWN
from tests.infra.recorded import recorded
from tests.support.servers import ROOT

DATABASE, GROUP = "cloudbill-database-primary", "cloudbill-network-firewall-database"
LIMIT = [("grpc.max_receive_message_length", 2**26), ("grpc.max_send_message_length", 2**26)]


@pytest.fixture(scope="module")
def analyzer() -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    """The pack, on a port that it chooses and prints."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "infra" / "policies" / "pack")], stdout=subprocess.PIPE, cwd="/"
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=LIMIT) as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
    finally:
        process.terminate()
        process.wait(timeout=30)
        if process.stdout is not None:
            process.stdout.close()


def shown(graph: Graph) -> analyzer_pb2.AnalyzeStackRequest:
    """A graph as the engine shows a stack."""
    request = analyzer_pb2.AnalyzeStackRequest()
    providers = {
        resource.urn: resource for resource in graph.resources if resource.type.startswith("pulumi:providers:")
    }
    for resource in graph.resources:
        entry = request.resources.add(
            type=resource.type, urn=resource.urn, name=resource.name, parent=resource.parent or ""
        )
        json_format.ParseDict(resource.inputs, entry.properties)
        entry.options.protect = resource.protect
        entry.dependencies.extend(resource.dependsOn)
        if resource.provider in providers:
            provider = providers[resource.provider]
            entry.provider.type, entry.provider.urn, entry.provider.name = provider.type, provider.urn, provider.name
            json_format.ParseDict(provider.inputs, entry.provider.properties)
    return request


def changed(graph: Graph, name: str, **inputs: object) -> Graph:
    resources = [
        replace(resource, inputs=resource.inputs | inputs) if resource.name == name else resource
        for resource in graph.resources
    ]
    return replace(graph, resources=resources)


def test_every_rule_is_a_mandatory_policy_of_the_stack(analyzer: analyzer_pb2_grpc.AnalyzerStub) -> None:
    info = analyzer.GetAnalyzerInfo(empty_pb2.Empty())
    assert info.name == "cloudbill"
    assert [policy.name for policy in info.policies] == [rule.name for rule in RULES]
    assert {policy.enforcementLevel for policy in info.policies} == {analyzer_pb2.MANDATORY}
    assert [policy.description for policy in info.policies] == [rule.demand for rule in RULES]


@pytest.mark.parametrize("stack", ["prod", "prod-gcp"])
def test_production_passes_the_pack(analyzer: analyzer_pb2_grpc.AnalyzerStub, stack: str) -> None:
    answer = analyzer.AnalyzeStack(shown(recorded(stack)))
    assert [f"{found.policyName}: {found.message}" for found in answer.diagnostics] == []
    said = {found.policy_name: found.reason for found in answer.not_applicable}
    assert NOT_SHOWN.items() <= said.items()


def test_a_violation_names_the_rule_the_resource_and_what_to_change(analyzer: analyzer_pb2_grpc.AnalyzerStub) -> None:
    answer = analyzer.AnalyzeStack(shown(changed(small(), DATABASE, publiclyAccessible=True)))
    found = next(found for found in answer.diagnostics if found.policyName == "network.database-not-public")
    assert found.urn.endswith(f"::{DATABASE}")
    assert f"{DATABASE}: publiclyAccessible is true: it must be false" in found.message
    assert found.enforcementLevel == analyzer_pb2.MANDATORY


def test_what_a_preview_does_not_know_is_not_judged(analyzer: analyzer_pb2_grpc.AnalyzerStub) -> None:
    before = on_database(analyzer.AnalyzeStack(shown(small())))
    graph = changed(small(), DATABASE, publiclyAccessible=UNKNOWN, kmsKeyId=UNKNOWN, multiAz=UNKNOWN)
    assert on_database(analyzer.AnalyzeStack(shown(graph))) <= before


def test_values_of_a_stack_that_stands_are_known_again_as_references(analyzer: analyzer_pb2_grpc.AnalyzerStub) -> None:
    request = shown(small())
    before = on_database(analyzer.AnalyzeStack(request))
    entries = {entry.name: entry for entry in request.resources}
    group, database = entries[GROUP], entries[DATABASE]
    group.properties.fields["id"].string_value = identity = "sg-0123456789abcdef0"
    del database.properties.fields["vpcSecurityGroupIds"].list_value.values[:]
    database.properties.fields["vpcSecurityGroupIds"].list_value.values.add(string_value=identity)
    assert "firewall.own-groups" in on_database(analyzer.AnalyzeStack(request)) - before
    database.propertyDependencies["vpcSecurityGroupIds"].urns.append(group.urn)
    assert on_database(analyzer.AnalyzeStack(request)) == before


def small() -> Graph:
    """Of production only the database and what it refers to."""
    graph = recorded("prod")
    kept = ("pulumi:providers:aws", "pulumi:pulumi:Stack", "aws:kms/key:Key", "aws:rds/parameterGroup:ParameterGroup")
    chosen = [resource for resource in graph.resources if resource.type in kept or resource.name in (DATABASE, GROUP)]
    return replace(graph, resources=chosen)


def on_database(answer: analyzer_pb2.AnalyzeResponse) -> set[str]:
    return {found.policyName for found in answer.diagnostics if found.urn.endswith(f"::{DATABASE}")}
