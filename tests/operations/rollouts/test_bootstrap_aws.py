"""What Pulumi needs on AWS is made once, closed and versioned; what was changed by hand is mended."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from core.cli.bootstrap import app
from core.operations.clouds.groundwork import aws_rights
from infra.graph import Graph
from tests.infra.recorded import recorded
from tests.operations.rollouts import aws

BUCKET = "cloudbill-state-123456789012-us-east-1"
WORDS = ("prod", "--repository", "acme/cloudbill")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with aws.moto(monkeypatch) as url:
        yield url


@pytest.fixture
def client(account: str) -> Callable[[str], Any]:
    return lambda service: boto3.client(service, region_name=aws.REGION)


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    return result.exit_code, result.output


def test_a_look_changes_nothing_the_first_run_makes_all_and_the_second_nothing(client: Callable[[str], Any]) -> None:
    code, said = run(*WORDS, "--dry-run")
    assert (code, "14 of 14 parts would be made; nothing was changed" in said) == (0, True)
    assert client("s3").list_buckets()["Buckets"] == []
    assert client("kms").list_keys()["Keys"] == []
    code, said = run(*WORDS)
    assert (code, "14 of 14 parts were made" in said) == (0, True)
    assert f"pulumi login 's3://{BUCKET}?region=us-east-1'" in said
    assert "pulumi stack init prod --secrets-provider='awskms://alias/cloudbill-state?region=us-east-1'" in said
    assert "AWS_DEPLOY_ROLE=arn:aws:iam::123456789012:role/cloudbill-deploy-prod" in said
    code, said = run(*WORDS)
    assert (code, "0 of 14 parts were made, the others were there" in said) == (0, True)

    s3, kms, iam = client("s3"), client("kms"), client("iam")
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    rule = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    key = rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"].rpartition("/")[2]
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True
    assert [
        one["TargetKeyId"] for one in kms.list_aliases()["Aliases"] if one["AliasName"] == "alias/cloudbill-state"
    ] == [key]
    assert set(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values()) == {True}
    assert '"aws:SecureTransport": "false"' in s3.get_bucket_policy(Bucket=BUCKET)["Policy"]
    role = iam.get_role(RoleName="cloudbill-deploy-prod")["Role"]
    trusts = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["StringEquals"]
    assert trusts == {
        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
        "token.actions.githubusercontent.com:sub": "repo:acme/cloudbill:environment:prod",
    }
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith(":policy/cloudbill-pipeline-boundary")


def test_another_stack_of_the_account_shares_the_state_and_has_roles_of_its_own(client: Callable[[str], Any]) -> None:
    run(*WORDS)
    code, said = run("staging", "--repository", "acme/cloudbill")
    assert code == 0
    assert [line.split(" for ")[0] for line in said.splitlines() if line.startswith("made")] == [
        "made        policy cloudbill-deploy-staging (there is none)",
        "made        policy cloudbill-preview-staging (there is none)",
        "made        role cloudbill-deploy-staging",
        "made        role cloudbill-preview-staging",
    ]
    assert [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]] == [BUCKET]


def test_what_was_changed_by_hand_is_mended_and_nothing_else(client: Callable[[str], Any]) -> None:
    run(*WORDS)
    s3, iam = client("s3"), client("iam")
    s3.delete_bucket_policy(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    iam.attach_role_policy(RoleName="cloudbill-deploy-prod", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    others = aws_rights.trust(partition="aws", account="123456789012", subject="repo:acme/cloudbill:*")
    iam.update_assume_role_policy(RoleName="cloudbill-preview-prod", PolicyDocument=json.dumps(others))
    _, said = run(*WORDS)
    assert [line.removeprefix("made").strip() for line in said.splitlines() if line.startswith("made")] == [
        "versions of the bucket (it is not so)",
        "the bucket refuses what is not TLS 1.2 (its policy is another one, or there is none)",
        "role cloudbill-deploy-prod for repo:acme/cloudbill:environment:prod (its policies: not as it should be)",
        "role cloudbill-preview-prod for repo:acme/cloudbill:environment:prod-preview "
        "(whom it trusts: not as it should be)",
    ]
    attached = iam.list_attached_role_policies(RoleName="cloudbill-deploy-prod")["AttachedPolicies"]
    assert [one["PolicyName"] for one in attached] == ["cloudbill-deploy-prod"]


def test_without_a_pipeline_only_the_state_is_made(client: Callable[[str], Any]) -> None:
    code, said = run("dev", "--no-pipeline")
    assert (code, "8 of 8 parts were made" in said, "GitHub" in said) == (0, True, False)
    assert client("iam").list_roles()["Roles"] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nope",), "there is no stack 'nope'"),
        (("prod", "--repository", "acme"), "it must be OWNER/NAME"),
        (("prod", "--repository", "acme/x:ref:refs/heads/*"), "it must be OWNER/NAME"),
    ],
)
def test_bad_input_is_named(words: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 1
    assert says in str(result.exception)


def test_the_pipeline_may_use_each_service_of_the_program_and_no_action_on_all_roles() -> None:
    names = {
        "appautoscaling": "application-autoscaling", "cfg": "config", "efs": "elasticfilesystem",
        "lb": "elasticloadbalancing", "vpc": "ec2", "cloudwatch": "cloudwatch", "iam": "iam",
    }  # fmt: skip
    used: set[str] = set()
    graph: Graph = recorded("prod")
    for resource in graph.resources:
        if resource.custom and resource.type.startswith("aws:"):
            module = resource.type.split(":")[1].partition("/")[0]
            used.add(names.get(module, module))
    allowed = {*aws_rights.REGIONAL, *aws_rights.GLOBAL, "iam"}
    assert used - allowed == set()
    assert allowed - used == {"backup-storage", "events", "logs"}  # of backup and cloudwatch
    policy = aws_rights.deploy_policy(partition="aws", account="1" * 12, regions=["us-east-1"], bucket="b", key="k")
    assert len(json.dumps(policy, separators=(",", ":"))) < 6144
    for statement in policy["Statement"]:
        assert "*" not in statement["Action"]
        if any(action.startswith("iam:") for action in statement["Action"]):
            assert statement["Resource"] != "*"
    attached = {
        str(resource.inputs["policyArn"]).partition(":policy/")[2]
        for resource in graph.of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    }
    assert attached == set(aws_rights.MANAGED)
