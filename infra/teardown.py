"""While a stack is destroyed, and only then: protections come off, and what outlives it is let go instead of deleted.

`cloudbill destroy` runs the program with CLOUDBILL_TEARDOWN=STACK, once, before `pulumi destroy`. It is no key of the
stack's file, so that it can neither be committed nor forgotten there.
"""

from collections.abc import Mapping
from typing import Any, cast

import pulumi
from pulumi.runtime import register_stack_transformation

VARIABLE = "CLOUDBILL_TEARDOWN"
_OFF = ("deletion_protection", "enable_deletion_protection", "deletion_protection_enabled")
_ON = ("force_delete",)
"""Of a registry: images can be built again."""
KEPT = (
    "aws:backup/vault:",
    "aws:efs/fileSystem:",
    "aws:s3/",
    "gcp:backupdisasterrecovery/backupVault:",
    "gcp:kms/",
    "gcp:logging/projectBucketConfig:",
    "gcp:storage/",
)
"""Backups, the ledger's signed heads, audit logs, and on Google Cloud the keys, which cannot be deleted there."""
_KEYS_KEPT = ("-data", "-logs")
"""On AWS, what the final snapshot, the backups and the audit logs are encrypted with."""


def is_kept(kind: str, name: str) -> bool:
    """Whether it outlives the stack: Pulumi forgets it, the cloud keeps it."""
    if kind.startswith(("aws:kms/key:", "aws:kms/alias:")):
        return any(word in name for word in _KEYS_KEPT)
    return kind.startswith(KEPT)


def take_protection_off(environment: Mapping[str, str]) -> None:
    """For the stack that the variable names; otherwise nothing is changed."""
    if environment.get(VARIABLE) == pulumi.get_stack():
        register_stack_transformation(_transform)


def _transform(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
    options = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(protect=False))
    if is_kept(args.type_, args.name):
        options = pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(retain_on_delete=True))
    return pulumi.ResourceTransformationResult(props=_without_protection(args.props), opts=options)


def _without_protection(value: Any) -> Any:
    """The same inputs, with each switch of protection off, however deep it lies."""
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value)
        return {key: _switched(key, entry) for key, entry in entries.items()}
    if isinstance(value, list):
        return [_without_protection(entry) for entry in cast("list[Any]", value)]
    kind: str = type(cast("object", value)).__name__
    if kind.endswith(("Args", "Dict")) and hasattr(cast("object", value), "__dict__"):  # a provider's own class
        held = cast("dict[str, Any]", vars(value))
        for key in list(held):
            held[key] = _switched(key, held[key])
    return value


def _switched(key: str, entry: Any) -> Any:
    if key in _OFF and entry is not None:
        return False
    if key in _ON and entry is not None:
        return True
    return _without_protection(entry)
