"""One key of KMS and its alias."""

from collections.abc import Sequence

import pulumi_aws as aws
from pulumi import Resource, ResourceOptions

from infra.aws.account import Account
from infra.aws.statements import Statement, policy

DELETION_DAYS = 30
"""The longest that KMS offers: time to notice that a key is still needed."""

# All that the account may do with its keys, by name: what a later action of KMS would allow is not granted unread.
_ACTIONS = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:RetireGrant",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)


def encryption_key(
    name: str,
    description: str,
    statements: Sequence[Statement],
    *,
    alias: str,
    account: Account,
    parent: Resource,
    opts: ResourceOptions | None = None,
) -> aws.kms.Key:
    """A key that the account governs by its identity policies, and that `statements` open to services.

    In a key's policy the resource "*" is that key.
    """
    governed = Statement(accounts=[account.root], actions=_ACTIONS, resources=["*"])
    options = opts or ResourceOptions(parent=parent)
    key = aws.kms.Key(
        name,
        description=description,
        enable_key_rotation=True,
        rotation_period_in_days=365,
        deletion_window_in_days=DELETION_DAYS,
        policy=policy(governed, *statements),
        opts=options,
    )
    aws.kms.Alias(
        f"{name}-alias",
        name=alias,
        target_key_id=key.key_id,
        opts=ResourceOptions(parent=key, provider=options.provider),
    )
    return key
