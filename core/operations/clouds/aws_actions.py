"""The IAM action that an AWS call needs, by the names that AWS's Service Authorization Reference gives them."""

_PREFIXES = {
    "email": "ses",
    "monitoring": "cloudwatch",
    "elasticfilesystem": "elasticfilesystem",
}
"""Where the prefix is not the name that the service signs with."""
_S3 = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListBuckets": "ListAllMyBuckets",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
}
"""S3 alone calls its actions otherwise than its operations."""


def action_of(signing_name: str, operation: str) -> str:
    """`rds:DescribeDBInstances`; of S3 `s3:GetObject` for the operation HeadObject."""
    name = _S3.get(operation, operation) if signing_name == "s3" else operation
    return f"{_PREFIXES.get(signing_name, signing_name)}:{name}"


_WITH_TAGS = frozenset(
    f"rds:{operation}"
    for operation in (
        "CopyDBSnapshot",
        "CreateDBSnapshot",
        "RestoreDBInstanceFromDBSnapshot",
        "RestoreDBInstanceToPointInTime",
    )
)
_SEALED = _WITH_TAGS - {"rds:CreateDBSnapshot"}


def actions_of(signing_name: str, operation: str) -> tuple[str, ...]:
    """All that IAM asks of the caller: beside the action itself what the reference lists as dependent on it.

    With tags RDS asks for the right to set them; and whoever makes something sealed with a key of ours must be able to
    describe it and to grant RDS its use (RDS's user guide, "Encrypting Amazon RDS resources").
    """
    action = action_of(signing_name, operation)
    tags = ("rds:AddTagsToResource",) if action in _WITH_TAGS else ()
    keys = ("kms:CreateGrant", "kms:DescribeKey") if action in _SEALED else ()
    return (action, *tags, *keys)
