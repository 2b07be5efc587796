"""On AWS: a bucket for the state, a key, and two roles that GitHub's pipeline takes on without any stored secret."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote

from core.operations.clouds.aws import asked, client, code_of, exceptions
from core.operations.clouds.base import Place
from core.operations.clouds.groundwork import aws_rights as rights
from core.operations.clouds.groundwork.parts import Part, Repository

ALIAS = "alias/cloudbill-state"
ISSUER = "token.actions.githubusercontent.com"
BOUNDARY = "cloudbill-pipeline-boundary"
_CLOSED: dict[str, Any] = dict.fromkeys(
    ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
)


class AwsGroundwork:
    """One bucket and one key an account and region, shared by its stacks; two roles a stack.

    Pulumi locks a state by a file beside it (`.pulumi/locks`), so no lock table is needed.
    """

    def __init__(self, place: Place, stack: str, repository: Repository | None, *, regions: Sequence[str] = ()) -> None:
        self._region, self._stack, self._repository = place.region, stack, repository
        self._regions = (place.region, *regions)
        self._s3, self._kms, self._iam = (client(name, place.region) for name in ("s3", "kms", "iam"))
        with asked("whose account this is"):
            me: dict[str, str] = client("sts", place.region).get_caller_identity()
        self._account, self._partition = me["Account"], me["Arn"].split(":")[1]
        self.bucket = f"cloudbill-state-{self._account}-{self._region}"

    def parts(self) -> Sequence[Part]:
        """In the order in which they need each other."""
        bucket = self.bucket
        found = [
            _part(f"key {ALIAS}", self._find_key, self._make_key),
            _part("yearly rotation of the key", self._find_rotation, self._make_rotation),
            _part(f"bucket {bucket}", self._find_bucket, self._make_bucket),
            self._setting("versions of the bucket", "versioning", {"Status": "Enabled"}),
            self._setting("no public access to the bucket", "public_access_block", _CLOSED),
            self._setting("no access lists on the bucket", "ownership_controls", {
                "Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}],
            }),
            _part("the bucket is encrypted with the key", self._find_encryption, self._make_encryption),
            _part("the bucket refuses what is not TLS 1.2", self._find_policy, self._make_policy),
        ]  # fmt: skip
        return found + (self._identity() if self._repository else [])

    def next_commands(self) -> list[str]:
        """What the operator runs next."""
        return [
            f"pulumi login 's3://{self.bucket}?region={self._region}'",
            f"pulumi stack init {self._stack} --secrets-provider='awskms://{ALIAS}?region={self._region}'",
        ]

    def pipeline_settings(self) -> dict[str, str]:
        """Variables of the GitHub environment."""
        return {
            "PULUMI_BACKEND_URL": f"s3://{self.bucket}?region={self._region}",
            "AWS_REGION": self._region,
            "AWS_DEPLOY_ROLE": self._arn("role", f"cloudbill-deploy-{self._stack}"),
            "AWS_PREVIEW_ROLE": self._arn("role", f"cloudbill-preview-{self._stack}"),
        }

    # The state

    def _key(self) -> str | None:
        for page in self._kms.get_paginator("list_aliases").paginate():
            for alias in page["Aliases"]:
                if alias["AliasName"] == ALIAS and "TargetKeyId" in alias:
                    return str(alias["TargetKeyId"])
        return None

    def _key_arn(self) -> str:
        return f"arn:{self._partition}:kms:{self._region}:{self._account}:key/{self._key() or '(the new key)'}"

    def _find_key(self) -> str | None:
        return None if self._key() else "there is none"

    def _make_key(self) -> None:
        made = self._kms.create_key(
            Description="CloudBill: Pulumi's state and its secrets",
            Tags=[{"TagKey": "made-by", "TagValue": "cloudbill"}],
        )
        self._kms.create_alias(AliasName=ALIAS, TargetKeyId=made["KeyMetadata"]["KeyId"])

    def _find_rotation(self) -> str | None:
        key = self._key()
        is_on = key is not None and self._kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
        return None if is_on else "it is off"

    def _make_rotation(self) -> None:
        self._kms.enable_key_rotation(KeyId=self._key())

    def _find_bucket(self) -> str | None:
        # Somebody else's bucket of this name is refused with 403, never written to.
        found = self._ask(self._s3.head_bucket, {"404"}, Bucket=self.bucket, ExpectedBucketOwner=self._account)
        return None if found is not None else "there is none"

    def _make_bucket(self) -> None:
        where: dict[str, Any] = (
            {} if self._region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        )
        self._s3.create_bucket(Bucket=self.bucket, **where)

    def _setting(self, title: str, name: str, wanted: dict[str, Any]) -> Part:
        """A setting of the bucket that is read and written in one form."""
        read, write, key = {
            "versioning": ("get_bucket_versioning", "put_bucket_versioning", "VersioningConfiguration"),
            "public_access_block": (
                "get_public_access_block", "put_public_access_block", "PublicAccessBlockConfiguration",
            ),
            "ownership_controls": (
                "get_bucket_ownership_controls", "put_bucket_ownership_controls", "OwnershipControls",
            ),
        }[name]  # fmt: skip

        def find() -> str | None:
            found = self._of_bucket(read) or {}
            now = found.get(key, found)
            return None if all(now.get(name) == value for name, value in wanted.items()) else "it is not so"

        return _part(title, find, lambda: getattr(self._s3, write)(Bucket=self.bucket, **{key: wanted}))

    def _of_bucket(self, read: str) -> dict[str, Any] | None:
        missing = {
            "NoSuchBucket", "NoSuchPublicAccessBlockConfiguration", "OwnershipControlsNotFoundError",
            "ServerSideEncryptionConfigurationNotFoundError", "NoSuchBucketPolicy",
        }  # fmt: skip
        return self._ask(getattr(self._s3, read), missing, Bucket=self.bucket)

    def _find_encryption(self) -> str | None:
        found = (self._of_bucket("get_bucket_encryption") or {}).get("ServerSideEncryptionConfiguration", {})
        rules: list[dict[str, Any]] = found.get("Rules", [])
        given: dict[str, Any] = rules[0].get("ApplyServerSideEncryptionByDefault", {}) if rules else {}
        wanted = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": self._key_arn()}
        return None if given == wanted else "it is encrypted with another key, or not"

    def _make_encryption(self) -> None:
        rule = {
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": self._key_arn()},
            "BucketKeyEnabled": True,
        }
        self._s3.put_bucket_encryption(Bucket=self.bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})

    def _find_policy(self) -> str | None:
        found = self._of_bucket("get_bucket_policy")
        wanted = rights.tls_only(partition=self._partition, bucket=self.bucket)
        return (
            None if found and json.loads(found["Policy"]) == wanted else "its policy is another one, or there is none"
        )

    def _make_policy(self) -> None:
        wanted = rights.tls_only(partition=self._partition, bucket=self.bucket)
        self._s3.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(wanted))

    # The pipeline's identity

    def _identity(self) -> list[Part]:
        assert self._repository is not None
        name, environment = self._repository.name, self._repository.environment
        here = {"partition": self._partition, "account": self._account}
        deploys = Repository(name=name, environment=environment)
        previews = Repository(name=name, environment=f"{environment}-preview")
        return [
            _part(f"identity provider {ISSUER}", self._find_provider, self._make_provider),
            self._policy(BOUNDARY, lambda: rights.boundary(**here, bucket=self.bucket, key_alias=ALIAS)),
            self._policy(
                f"cloudbill-deploy-{self._stack}",
                lambda: rights.deploy_policy(**here, regions=self._regions, bucket=self.bucket, key=self._key_arn()),
            ),
            self._policy(
                f"cloudbill-preview-{self._stack}",
                lambda: rights.preview_policy(partition=self._partition, bucket=self.bucket, key=self._key_arn()),
            ),
            self._role(f"cloudbill-deploy-{self._stack}", deploys, managed=[]),
            self._role(f"cloudbill-preview-{self._stack}", previews, managed=["ReadOnlyAccess"]),
        ]

    def _find_provider(self) -> str | None:
        known = self._iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
        return None if self._arn("oidc-provider", ISSUER) in [one["Arn"] for one in known] else "there is none"

    def _make_provider(self) -> None:
        # AWS trusts GitHub's certificate by its own authorities; the thumbprint is no longer read.
        self._iam.create_open_id_connect_provider(Url=f"https://{ISSUER}", ClientIDList=["sts.amazonaws.com"])

    def _policy(self, name: str, document: Callable[[], dict[str, Any]]) -> Part:
        arn = self._arn("policy", name)

        def find() -> str | None:
            found = self._ask(self._iam.get_policy, {"NoSuchEntity"}, PolicyArn=arn)
            if found is None:
                return "there is none"
            version = self._iam.get_policy_version(PolicyArn=arn, VersionId=found["Policy"]["DefaultVersionId"])
            return None if _document(version["PolicyVersion"]["Document"]) == document() else "it says something else"

        def make() -> None:
            text = json.dumps(document(), separators=(",", ":"))
            if find() == "there is none":
                self._iam.create_policy(PolicyName=name, PolicyDocument=text)
                return
            versions = self._iam.list_policy_versions(PolicyArn=arn)["Versions"]
            old = sorted((one for one in versions if not one["IsDefaultVersion"]), key=lambda one: one["CreateDate"])
            if len(versions) >= 5:  # the most that a policy may have
                self._iam.delete_policy_version(PolicyArn=arn, VersionId=old[0]["VersionId"])
            self._iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)

        return _part(f"policy {name}", find, make)

    def _role(self, name: str, who: Repository, *, managed: list[str]) -> Part:
        trusted = rights.trust(partition=self._partition, account=self._account, subject=who.subject)
        boundary = self._arn("policy", BOUNDARY)
        wanted = {self._arn("policy", name), *(f"arn:{self._partition}:iam::aws:policy/{path}" for path in managed)}

        def attached() -> set[str]:
            pages = self._iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
            return {one["PolicyArn"] for page in pages for one in page["AttachedPolicies"]}

        def find() -> str | None:
            found = self._ask(self._iam.get_role, {"NoSuchEntity"}, RoleName=name)
            if found is None:
                return "there is none"
            role = found["Role"]
            differs = [
                what
                for what, is_so in (
                    ("whom it trusts", _document(role["AssumeRolePolicyDocument"]) == trusted),
                    ("its boundary", role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") == boundary),
                    ("its policies", attached() == wanted),
                )
                if not is_so
            ]
            return f"{', '.join(differs)}: not as it should be" if differs else None

        def make() -> None:
            if find() == "there is none":
                self._iam.create_role(
                    RoleName=name,
                    AssumeRolePolicyDocument=json.dumps(trusted),
                    PermissionsBoundary=boundary,
                    MaxSessionDuration=3600 * 4,
                )
            self._iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trusted))
            self._iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
            now = attached()
            for arn in now - wanted:
                self._iam.detach_role_policy(RoleName=name, PolicyArn=arn)
            for arn in wanted - now:
                self._iam.attach_role_policy(RoleName=name, PolicyArn=arn)

        return _part(f"role {name} for {who.subject}", find, make)

    def _arn(self, kind: str, name: str) -> str:
        return f"arn:{self._partition}:iam::{self._account}:{kind}/{name}"

    def _ask(self, ask: Callable[..., Any], missing: set[str], **kwargs: Any) -> dict[str, Any] | None:
        """The answer, or None where it is one of the `missing`."""
        try:
            return ask(**kwargs)
        except exceptions().ClientError as error:
            if code_of(error) in missing:
                return None
            raise


def _part(title: str, find: Callable[[], str | None], make: Callable[[], object]) -> Part:
    def found() -> str | None:
        with asked(f"about {title}"):
            return find()

    def made() -> None:
        with asked(f"for {title}"):
            make()

    return Part(title=title, find=found, make=made)


def _document(found: Any) -> Any:
    """boto3 decodes it; elsewhere it comes as text, percent-encoded."""
    return json.loads(unquote(found)) if isinstance(found, str) else found
