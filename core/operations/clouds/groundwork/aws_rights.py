"""What the pipeline may do on AWS: what the program's resources need, in the stack's regions, and nothing that leads
beyond them.
"""

from collections.abc import Sequence
from typing import Any

REGIONAL = (
    "acm", "application-autoscaling", "backup", "backup-storage", "cloudtrail", "cloudwatch", "config", "ec2", "ecr",
    "ecs", "elasticache", "elasticfilesystem", "elasticloadbalancing", "events", "guardduty", "kms", "logs", "rds",
    "s3", "scheduler", "secretsmanager", "servicediscovery", "sns", "wafv2",
)  # fmt: skip
"""IAM's names of the services that the program makes things in. A test holds them to the recorded graphs."""
GLOBAL = ("budgets", "route53")
"""They have no region to be limited to."""
MANAGED = (
    "service-role/AWSBackupServiceRolePolicyForBackup",
    "service-role/AWSBackupServiceRolePolicyForRestores",
    "service-role/AmazonRDSEnhancedMonitoringRole",
    "service-role/AWS_ConfigRole",
)
"""AWS's own policies that the program attaches; no other may be."""
PASSED_TO = (
    "backup.amazonaws.com", "cloudtrail.amazonaws.com", "config.amazonaws.com", "ecs-tasks.amazonaws.com",
    "ecs.amazonaws.com", "monitoring.rds.amazonaws.com", "scheduler.amazonaws.com", "vpc-flow-logs.amazonaws.com",
)  # fmt: skip
ROLE_ACTIONS = (
    "iam:CreateRole", "iam:DeleteRole", "iam:GetRole", "iam:UpdateRole", "iam:UpdateAssumeRolePolicy", "iam:TagRole",
    "iam:UntagRole", "iam:ListRoleTags", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies", "iam:GetRolePolicy",
    "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:ListInstanceProfilesForRole",
)  # fmt: skip


def deploy_policy(*, partition: str, account: str, regions: Sequence[str], bucket: str, key: str) -> dict[str, Any]:
    """What the deploy role may do."""
    roles = f"arn:{partition}:iam::{account}:role/cloudbill-*"
    return _document(
        _allow("ProgramsServices", [f"{name}:*" for name in REGIONAL], "*", StringEquals={
            "aws:RequestedRegion": sorted({*regions, "us-east-1"}),
        }),
        _allow("ServicesWithoutRegion", [f"{name}:*" for name in GLOBAL], "*"),
        _allow("ProgramsRoles", list(ROLE_ACTIONS), roles),
        _allow("AwsOwnPolicies", ["iam:AttachRolePolicy", "iam:DetachRolePolicy"], roles, ArnEquals={
            "iam:PolicyARN": [f"arn:{partition}:iam::aws:policy/{path}" for path in MANAGED],
        }),
        _allow("RolesForServices", ["iam:PassRole"], roles, StringEquals={"iam:PassedToService": list(PASSED_TO)}),
        _allow("ServicesOwnRoles", ["iam:CreateServiceLinkedRole"],
               f"arn:{partition}:iam::{account}:role/aws-service-role/*"),
        _allow("WhoAmI", ["sts:GetCallerIdentity"], "*"),
        _allow("State", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], f"arn:{partition}:s3:::{bucket}/*"),
        _allow("StateList", ["s3:ListBucket"], f"arn:{partition}:s3:::{bucket}"),
        _allow("StateKey", ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"], key),
    )  # fmt: skip


def preview_policy(*, partition: str, bucket: str, key: str) -> dict[str, Any]:
    """What a pull request's preview needs beyond reading: the state, its locks and its key, and no secret's value."""
    return _document(
        _allow("State", ["s3:GetObject"], f"arn:{partition}:s3:::{bucket}/*"),
        # A preview takes Pulumi's lock as well.
        _allow("Locks", ["s3:PutObject", "s3:DeleteObject"], f"arn:{partition}:s3:::{bucket}/.pulumi/locks/*"),
        _allow("StateList", ["s3:ListBucket"], f"arn:{partition}:s3:::{bucket}"),
        _allow("StateKey", ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey"], key),
        {"Sid": "NoSecrets", "Effect": "Deny", "Action": ["secretsmanager:GetSecretValue"], "Resource": "*"},
    )


def boundary(*, partition: str, account: str, bucket: str, key_alias: str) -> dict[str, Any]:
    """The most that a role with this boundary can ever do, whatever its policies become.

    No users, no keys of users, no other identity provider, no way to change its own role, its boundary or another
    pipeline's, nothing that weakens or deletes the state. What it cannot hold: a role that the program makes for a
    service has no boundary of its own, so that reviewing changes to infra/ stays the first defence.
    """
    own = [
        f"arn:{partition}:iam::{account}:role/cloudbill-deploy-*",
        f"arn:{partition}:iam::{account}:role/cloudbill-preview-*",
        f"arn:{partition}:iam::{account}:policy/cloudbill-*",
        f"arn:{partition}:iam::{account}:oidc-provider/*",
    ]
    return _document(
        _allow("Everything", ["*"], "*"),
        _deny("NoPeople", ["iam:*User*", "iam:*AccessKey*", "iam:*LoginProfile*", "iam:*Group*", "iam:*MFADevice*",
                           "iam:*SAMLProvider*", "organizations:*", "account:*", "aws-portal:*", "sso:*"], "*"),
        _deny("NotItself", ["iam:Create*", "iam:Delete*", "iam:Put*", "iam:Attach*", "iam:Detach*", "iam:Update*",
                            "iam:Set*", "iam:Tag*", "iam:Untag*", "iam:Add*", "iam:Remove*"], own),
        _deny("NotTheState", ["s3:DeleteBucket", "s3:DeleteObjectVersion", "s3:PutBucket*", "s3:PutEncryption*",
                              "s3:DeleteBucketPolicy", "s3:PutLifecycleConfiguration"],
              [f"arn:{partition}:s3:::{bucket}", f"arn:{partition}:s3:::{bucket}/*"]),
        _deny("NotItsKey", ["kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:PutKeyPolicy", "kms:DeleteAlias",
                            "kms:UpdateAlias", "kms:DisableKeyRotation"], "*",
              **{"ForAnyValue:StringEquals": {"kms:ResourceAliases": [key_alias]}}),
    )  # fmt: skip


def trust(*, partition: str, account: str, subject: str) -> dict[str, Any]:
    """Only GitHub, only this repository, only this environment."""
    issuer = "token.actions.githubusercontent.com"
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:{partition}:iam::{account}:oidc-provider/{issuer}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": subject}},
        }
    )


def tls_only(*, partition: str, bucket: str) -> dict[str, Any]:
    """The bucket's own policy."""
    where = [f"arn:{partition}:s3:::{bucket}", f"arn:{partition}:s3:::{bucket}/*"]
    return _document(
        {"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": where,
         "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {"Sid": "Tls12", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": where,
         "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
    )  # fmt: skip


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(sid: str, actions: list[str], resource: str | list[str], **conditions: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
    return {**found, "Condition": conditions} if conditions else found


def _deny(sid: str, actions: list[str], resource: str | list[str], **conditions: Any) -> dict[str, Any]:
    return {**_allow(sid, actions, resource, **conditions), "Effect": "Deny"}
