"""Buckets for what services write about us: access logs, the trail, the recorder."""

from collections.abc import Callable, Sequence

import pulumi_aws as aws
from pulumi import ComponentResource, Input, Output, ResourceOptions

from infra.aws.statements import Statement, only_tls, policy


class LogBucket(ComponentResource):
    """Encrypted, versioned, closed to the public, over TLS only, and emptied after `days`.

    Without `key` Amazon S3's own key encrypts: load balancers can write with no other.
    """

    name: Output[str]
    arn: Output[str]

    def __init__(
        self,
        name: str,
        *,
        days: int,
        writers: Callable[[Output[str]], Sequence[Statement]],
        key: Input[str] | None = None,
        kept: bool,
        opts: ResourceOptions | None = None,
    ) -> None:
        """`writers` gives the statements of who may write, from the bucket's ARN; `kept` when it must not be emptied
        by deleting the stack.
        """
        super().__init__("cloudbill:aws:LogBucket", name, None, opts)
        here = ResourceOptions(parent=self)
        bucket = aws.s3.Bucket(f"{name}-bucket", force_destroy=not kept, opts=here)
        closed = aws.s3.BucketPublicAccessBlock(
            f"{name}-closed",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=here,
        )
        aws.s3.BucketOwnershipControls(
            f"{name}-owner", bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"}, opts=here
        )
        aws.s3.BucketVersioning(
            f"{name}-versions", bucket=bucket.id, versioning_configuration={"status": "Enabled"}, opts=here
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.id,
            rules=[
                {
                    "apply_server_side_encryption_by_default": (
                        {"sse_algorithm": "aws:kms", "kms_master_key_id": key} if key else {"sse_algorithm": "AES256"}
                    ),
                    "bucket_key_enabled": key is not None,
                }
            ],
            opts=here,
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket.id,
            rules=[
                {
                    "id": "expire",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "expiration": {"days": days},
                    "noncurrent_version_expiration": {"noncurrent_days": 30},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
                }
            ],
            opts=here,
        )
        objects = Output.concat(bucket.arn, "/*")
        rights = aws.s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket.id,
            policy=policy(*writers(bucket.arn), only_tls(bucket.arn, objects, actions=["s3:*"])),
            opts=ResourceOptions(parent=self, depends_on=[closed]),
        )
        self.arn = bucket.arn
        # Services try to write when they are told of the bucket, and refuse it when they may not.
        self.name = Output.all(bucket.bucket, rights.id).apply(lambda of: of[0])
        self.register_outputs({"name": self.name})
