"""The real AWS provider validates and plans every AWS stack, and what the committed ones leave off."""

import copy
from collections.abc import Callable

import pytest

from tests.provider import differences, tables
from tests.provider.judging import Judge, Judgement
from tests.provider.stacks import STACKS, VARIANTS, graph_of
from tests.provider.translation import NameTooLong

pytestmark = pytest.mark.timeout(900)
Planned = Callable[[str], Judgement]


@pytest.mark.parametrize("name", [*STACKS, *VARIANTS])
def test_the_provider_plans_all_of_a_stack_and_refuses_nothing(planned: Planned, name: str) -> None:
    judgement = planned(name)
    assert [str(complaint) for complaint in judgement.refused] == []
    assert judgement.done == judgement.asked
    of_aws = [resource for resource in graph_of(name).resources if resource.type.startswith("aws:")]
    assert len(judgement.done) == len(of_aws) > 250


def test_the_variants_have_what_no_committed_stack_has() -> None:
    def types(names: tuple[str, ...]) -> set[str]:
        return {resource.type for name in names for resource in graph_of(name).resources if resource.custom}

    assert types(tuple(VARIANTS)) - types(STACKS) >= {"aws:ec2/vpnConnection:VpnConnection"}
    assert types(("dev",)) - types(("prod",)) >= {"tls:index/selfSignedCert:SelfSignedCert"}


def test_what_is_made_in_the_other_region_asks_that_regions_provider(judge: Judge) -> None:
    main = judge.translated(graph_of("prod")).main
    regions = {provider["alias"]: provider["region"] for provider in main["provider"]["aws"]}
    assert regions == {"cloudbill-provider": "us-east-1", "cloudbill-keys-us-west-2-provider": "us-west-2"}
    elsewhere = {
        kind
        for kind, resources in main["resource"].items()
        for body in resources.values()
        if body.get("provider") == "aws.cloudbill-keys-us-west-2-provider"
    }
    assert elsewhere == {
        "aws_backup_vault",
        "aws_backup_vault_lock_configuration",
        "aws_db_instance_automated_backups_replication",
        "aws_kms_alias",
        "aws_kms_key",
    }
    assert main["data"]["aws_caller_identity"]["this"]["provider"] in {f"aws.{alias}" for alias in regions}


def test_references_dependencies_protection_and_secrets_are_handed_on(judge: Judge) -> None:
    configuration = judge.translated(graph_of("prod"))
    resources = configuration.main["resource"]
    service = resources["aws_ecs_service"]["cloudbill-api-service"]
    assert service["cluster"] == "${aws_ecs_cluster.cloudbill-network-cluster-ecs.arn}"
    assert "aws_lb_listener_rule.cloudbill-edge-listening-api" in service["depends_on"]
    database = resources["aws_db_instance"]["cloudbill-database-primary"]
    assert database["lifecycle"]["prevent_destroy"] is True
    first = resources["aws_secretsmanager_secret_version"]["cloudbill-cache-url-first"]
    assert first["secret_string"] == "${var.cloudbill-cache-url-first-secretString}"
    assert first["lifecycle"] == {"ignore_changes": ["secret_string"]}
    assert configuration.main["variable"]["cloudbill-cache-url-first-secretString"]["sensitive"] is True


def test_a_name_that_the_bridge_could_not_make_is_refused(judge: Judge) -> None:
    graph = copy.deepcopy(graph_of("dev"))
    object.__setattr__(graph.get("edge-api-main"), "name", "edge-of-the-public-api-main")
    with pytest.raises(NameTooLong, match="edge-of-the-public-api-main: the bridge makes name of it, up to 32"):
        judge.translated(graph)


def test_no_entry_of_the_tables_of_names_is_idle(judge: Judge) -> None:
    used = {entry for name in (*STACKS, *VARIANTS) for entry in judge.translated(graph_of(name)).used}
    entries = {
        *(("module", module) for module in tables.MODULES),
        *(("type", kind) for kind in tables.TYPES),
        *(("field", *entry) for entry in tables.FIELDS),
        *(("named", kind) for kind in tables.NAMED),
    }
    assert entries - used == set()


def test_the_table_of_differences_to_provider_6_is_exactly_what_differs(judge: Judge) -> None:
    kinds = {
        resource.type
        for name in (*STACKS, *VARIANTS)
        for resource in graph_of(name).resources
        if resource.type.startswith("aws:")
    }
    found = {kind: differences.found(kind, judge.schema()) for kind in kinds}
    reviewed = {
        kind: (tuple(sorted(difference.added)), tuple(sorted(difference.removed)))
        for kind, difference in differences.DIFFERENCES.items()
    }
    assert {kind: parts for kind, parts in found.items() if parts != ((), ())} == reviewed


@pytest.mark.parametrize("name", [*STACKS, *VARIANTS])
def test_the_program_sets_nothing_that_only_provider_6_has(name: str) -> None:
    assert list(differences.set_anyway(graph_of(name))) == []


def test_a_field_that_only_provider_6_has_would_be_seen() -> None:
    graph = copy.deepcopy(graph_of("prod"))
    graph.get("cloudbill-network-vpc").inputs["region"] = "us-west-1"
    assert list(differences.set_anyway(graph)) == ["cloudbill-network-vpc (aws:ec2/vpc:Vpc): region"]
