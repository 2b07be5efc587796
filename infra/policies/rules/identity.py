"""Who may do what: no more than it needs, and nobody from outside."""

import re
from typing import Any

from infra.policies.demand import at_most
from infra.policies.kinds import (
    ACCOUNT,
    IAM_ROLE,
    PROJECT_GRANT,
)
from infra.policies.reading import Stack, entries, items
from infra.policies.rule import Finding, Found, Severity, each, judged, rule
from infra.policies.statements import IDENTITY, SAY_NO_ACCOUNT, everywhere, in_resource, principals

WITHOUT_RESOURCE = re.compile(
    r"^(ecr:GetAuthorizationToken|ssmmessages:\w+|cloudwatch:(Put|Get)MetricData|ec2:Describe\w+"
    r"|ecs:(Describe|List)Task\w*|rds:Describe\w+|backup:(Describe|List)\w+|xray:Put\w+|tag:GetResources|elasticfilesystem:Describe\w+"
    r"|config:Put\w+|logs:DescribeLogGroups|sts:GetCallerIdentity)$"
)
"""Actions that take no resource, or only list."""


ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"


KMS = "aws:kms/key:Key"


PUBLIC = ("allUsers", "allAuthenticatedUsers")


def actions(statement: dict[str, Any]) -> list[str]:
    return [str(action) for action in items(statement.get("Action"))]


def _is_bound(statement: dict[str, Any]) -> bool:
    return any(entries(keys) for keys in entries(statement.get("Condition")).values())


def _star_on_star(stack: Stack) -> Found:
    for resource, statement in everywhere(stack):
        if resource.type != KMS and "*" in items(statement.get("Resource")):
            for action in actions(statement):
                if action.endswith("*"):
                    yield Finding(resource.name, f"name the actions and the resources: it allows {action} on *")


def _named_actions(stack: Stack) -> Found:
    for resource, statement in everywhere(stack):
        if "NotAction" in statement:
            yield Finding(resource.name, "name the actions that are allowed, not those that are not (NotAction)")
        for action in actions(statement):
            if "*" in action:
                yield Finding(resource.name, f"name the actions: {action} is more than is needed, tomorrow more still")


def _named_resources(stack: Stack) -> Found:
    for resource, statement in everywhere(stack):
        if resource.type == KMS or (resource.type == ENDPOINT and _is_bound(statement)):
            continue
        if "NotResource" in statement:
            yield Finding(resource.name, "name the resources that are meant, not those that are not (NotResource)")
        if "*" not in items(statement.get("Resource")):
            continue
        for action in actions(statement):
            if not WITHOUT_RESOURCE.search(action):
                yield Finding(resource.name, f"name the resources of {action}: * is all of the account's")


def _buckets_named(stack: Stack) -> Found:
    """An ARN that ends the account's own part with a star is more than one thing of it."""
    wide = re.compile(r"^arn:[^:]*:[^:]*:[^:]*:[^:]*:\*$|^arn:[^:]*:(s3|secretsmanager|kms|rds|iam|dynamodb):.*[:/]\*$")
    for resource, statement in everywhere(stack):
        for found in items(statement.get("Resource")):
            if wide.search(str(found)) and not str(found).startswith("${") and "starport" not in str(found):
                yield Finding(resource.name, f"name the resource: {found} is all of a kind")


def _nobody_from_outside(stack: Stack) -> Found:
    for resource, statement in everywhere(stack):
        who = principals(statement)
        gateway = resource.type == ENDPOINT
        # A gateway is used by whoever is in the network: its own resources, or this account's, bound it.
        bound = gateway and (
            "*" not in items(statement.get("Resource")) or "aws:ResourceAccount" in str(statement.get("Condition"))
        )
        if "NotPrincipal" in statement or ("*" in who and not bound):
            yield Finding(resource.name, "name the principals: * is everybody, whatever the account")
    for resource in stack.graph.resources:
        if resource.type.startswith("gcp:"):
            for member in (*items(resource.inputs.get("member")), *items(resource.inputs.get("members"))):
                if member in PUBLIC:
                    yield Finding(resource.name, f"name the member: {member} is everybody")


def _other_accounts(stack: Stack) -> Found:
    """Accounts in a document are this one's."""
    for resource, statement in everywhere(stack):
        for who in principals(statement):
            if re.search(r"\b\d{12}\b", who) and "${" not in who:
                yield Finding(resource.name, f"name principals of this account: {who} is another")


def _trust(stack: Stack) -> Found:
    for role in stack.of(IAM_ROLE):
        for statement in in_resource(role):
            who = entries(statement.get("Principal"))
            if "Service" not in who or len(who) > 1:
                yield Finding(role.name, "let one service of AWS take the role on: Principal.Service")
            if actions(statement) != ["sts:AssumeRole"]:
                yield Finding(role.name, "trust by sts:AssumeRole alone")
            bound = str(statement.get("Condition"))
            if "aws:SourceAccount" not in bound and "aws:SourceArn" not in bound:
                yield Finding(
                    role.name, "bind the trust to this account: a Condition on aws:SourceAccount or aws:SourceArn"
                )
            if len(principals(statement)) > 1:
                yield Finding(role.name, "let one service take the role on")
        if not in_resource(role):
            yield Finding(role.name, "say in assumeRolePolicy who takes it on")


def _passing(stack: Stack) -> Found:
    for resource, statement in everywhere(stack):
        if "iam:PassRole" in actions(statement) and (
            "iam:PassedToService" not in str(statement.get("Condition")) or "*" in str(statement.get("Resource"))
        ):
            yield Finding(resource.name, "bind iam:PassRole to roles by name and to a service by iam:PassedToService")


def _conditions_hold(stack: Stack) -> Found:
    """Rights that are wide without one have a condition: mounting, decrypting for a service, the gateway."""
    for resource, statement in everywhere(stack):
        if resource.type not in IDENTITY and resource.type not in (
            "aws:efs/fileSystemPolicy:FileSystemPolicy",
            ENDPOINT,
        ):
            continue
        for action in actions(statement):
            target = stack.target(statement.get("Resource"))
            mounts = action.startswith("elasticfilesystem:Client")
            decrypts = action == "kms:Decrypt" and target is not None and target.name.endswith("-secrets")
            stores = resource.type == ENDPOINT and "*" in items(statement.get("Resource"))
            if (mounts or decrypts or stores) and not _is_bound(statement):
                yield Finding(resource.name, f"bind {action} by a Condition: an access point, a service, this account")
            if mounts and action == "elasticfilesystem:ClientRootAccess":
                yield Finding(resource.name, "take ClientRootAccess away: nobody mounts as root")


def _written_by_services(stack: Stack) -> Found:
    """What another service may write to ours, it may for this account only."""
    for resource, statement in everywhere(stack):
        if resource.type in (*IDENTITY, IAM_ROLE, KMS) or "Service" not in entries(statement.get("Principal")):
            continue
        bound = str(statement.get("Condition"))
        says_no_account = set(principals(statement)) <= SAY_NO_ACCOUNT and "*" not in items(statement.get("Resource"))
        if "aws:SourceAccount" not in bound and "aws:SourceArn" not in bound and not says_no_account:
            yield Finding(
                resource.name, "bind services to this account: a Condition on aws:SourceAccount or aws:SourceArn"
            )


RULES = (
    rule(
        "identity.no-star-on-star",
        "No statement grants wildcard action on wildcard resource.",
        judged(_star_on_star, *IDENTITY, ENDPOINT),
        source="INF-3; IAM.1; CIS AWS 1.16",
        severity=Severity.CRITICAL,
    ),
    rule(
        "identity.actions-named",
        "Statements name their actions.",
        judged(_named_actions, *IDENTITY, IAM_ROLE, KMS, ENDPOINT),
        source="INF-3; IAM.21",
    ),
    rule(
        "identity.resources-named",
        "Statements name their resources, but for actions that take none.",
        judged(_named_resources, *IDENTITY, ENDPOINT),
        judged(_buckets_named, *IDENTITY),
        source="INF-3; IAM.1; KMS.1; https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html",
    ),
    rule(
        "identity.nobody-from-outside",
        "Nothing is granted to everybody.",
        judged(_nobody_from_outside, *IDENTITY, IAM_ROLE, KMS, ENDPOINT, PROJECT_GRANT, ACCOUNT),
        source="INF-3; S3.2; SNS.4; CIS GCP 5.1; CIS GCP 1.9",
        severity=Severity.CRITICAL,
    ),
    rule(
        "identity.no-other-accounts",
        "Nothing is granted to another account.",
        judged(_other_accounts, IAM_ROLE, KMS, "aws:s3/bucketPolicy:BucketPolicy"),
        source="INF-3; S3.6",
    ),
    rule(
        "identity.trust-bound",
        "A role is taken on by one service, for this account only.",
        judged(_trust, IAM_ROLE),
        source="INF-3; https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html",
        severity=Severity.CRITICAL,
    ),
    rule(
        "identity.services-bound",
        "What a service of AWS may do with ours, it may for this account only.",
        judged(_written_by_services, "aws:s3/bucketPolicy:BucketPolicy", "aws:sns/topicPolicy:TopicPolicy"),
        source="INF-3; https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html",
    ),
    rule(
        "identity.conditions-hold",
        "Rights that would be wide are bound by a condition.",
        judged(_conditions_hold, *IDENTITY, ENDPOINT, "aws:efs/fileSystemPolicy:FileSystemPolicy"),
        source="INF-3; EFS.3",
    ),
    rule(
        "identity.passing-roles-bound",
        "Who may pass a role passes that one, to that service.",
        judged(_passing, *IDENTITY),
        source="INF-3; IAM.1",
    ),
    rule(
        "identity.sessions-short",
        "A role is taken on for an hour at most.",
        each(IAM_ROLE, "maxSessionDuration", at_most(3600).or_absent()),
        source="INF-3",
        severity=Severity.MEDIUM,
    ),
)
