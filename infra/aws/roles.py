"""Roles that a service of AWS takes on for us."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi_aws as aws
from pulumi import Input, Output, Resource, ResourceOptions

from infra.aws.account import Account
from infra.aws.statements import Conditions, Statement, policy


@dataclass(frozen=True)
class Role:
    """`arn` is there only once its policy is, so that nothing starts with a role that may do nothing yet."""

    arn: Output[str]
    name: Output[str]


def service_role(
    name: str,
    service: str,
    statements: Sequence[Statement] = (),
    *,
    parent: Resource,
    account: Account,
    managed: Sequence[str] = (),
    conditions: Conditions | None = None,
) -> Role:
    """A role for one service. It is taken on only for our own account, so that no other customer can borrow it.

    `managed` are paths of AWS's own policies.
    """
    trust = Statement(
        actions=["sts:AssumeRole"],
        services=[service],
        conditions=conditions or {"StringEquals": {"aws:SourceAccount": account.id}},
    )
    role = aws.iam.Role(
        name, assume_role_policy=policy(trust), max_session_duration=3600, opts=ResourceOptions(parent=parent)
    )
    needed: list[Input[str]] = []
    if statements:
        rights = aws.iam.RolePolicy(
            f"{name}-policy", role=role.name, policy=policy(*statements), opts=ResourceOptions(parent=role)
        )
        needed.append(rights.id)
    for path in managed:
        attachment = aws.iam.RolePolicyAttachment(
            f"{name}-{path.rpartition('/')[2].lower()}",
            role=role.name,
            policy_arn=account.managed_policy(path),
            opts=ResourceOptions(parent=role),
        )
        needed.append(attachment.id)
    return Role(arn=after(role.arn, *needed), name=role.name)


def after(value: Output[str], *needed: Input[str]) -> Output[str]:
    """The value, for whoever must not use it before `needed` are there."""
    return Output.all(value, *needed).apply(lambda values: values[0])
