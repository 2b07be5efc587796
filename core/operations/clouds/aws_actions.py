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
