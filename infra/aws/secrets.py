"""Secrets: one with its first value, and those of the application."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import pulumi_aws as aws
import pulumi_random as random
from pulumi import ComponentResource, Output, ResourceOptions

from infra import contract
from infra.aws.keys import Keys
from infra.aws.roles import after

SecretArgs = contract.SecretArgs[Keys]
SecretsArgs = contract.SecretsArgs[Keys]

QUARTER_DAYS = 90


class Readable(Protocol):
    """What a task can be given: one secret, or a field of one."""

    @property
    def name(self) -> Output[str]:
        """What people look it up by."""
        ...

    @property
    def arn(self) -> Output[str]:
        """What a role is allowed to read."""
        ...

    @property
    def reference(self) -> Output[str]:
        """What the container's definition names."""
        ...


@dataclass(frozen=True)
class Field:
    """One field of a secret that is a JSON object, such as the one RDS makes for its master user."""

    name: Output[str]
    arn: Output[str]
    field: str

    @property
    def reference(self) -> Output[str]:
        """ECS's own way to name a field of the current version."""
        return Output.concat(self.arn, f":{self.field}::")


class Secret(ComponentResource):
    """A secret in Secrets Manager, under our own key, that can be restored for 30 days (7 outside of production).

    The value is the first one only: rotation puts new versions, and `pulumi up` leaves them. `rotation_days` is a tag
    that the maintenance reads. AWS rotates by a Lambda function with network access to everything it rotates; we
    rotate by a command from inside instead, the same on both clouds. Google Cloud sends a message when it is due.
    """

    name: Output[str]
    arn: Output[str]
    reference: Output[str]

    def __init__(self, name: str, args: SecretArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Secret", name, None, opts)
        secret = aws.secretsmanager.Secret(
            f"{name}-secret",
            description=f"{args.description} ({args.config.stack})",
            kms_key_id=args.keys.secrets,
            recovery_window_in_days=30 if args.config.is_production else 7,
            tags={"rotation-days": str(args.rotation_days)} if args.rotation_days else None,
            opts=ResourceOptions(parent=self),
        )
        first = aws.secretsmanager.SecretVersion(
            f"{name}-first",
            secret_id=secret.id,
            secret_string=Output.secret(args.value),
            opts=ResourceOptions(parent=self, ignore_changes=["secretString"]),
        )
        self.name = secret.name
        # A task that starts before there is a value does not start.
        self.arn = self.reference = after(secret.arn, first.version_id)
        self.register_outputs({"name": self.name, "reference": self.reference})


class Secrets(ComponentResource):
    """The application's own, by setting. What others issue is there only where the stack's configuration has it."""

    by_setting: Mapping[str, Secret]

    def __init__(self, name: str, args: SecretsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Secrets", name, None, opts)
        self._name, self._args = name, args
        config = args.config
        found = {
            "ENCRYPTION_KEY": self._made("ENCRYPTION_KEY", "Encrypts the signing keys", self._seed("encryption-key")),
            "LEDGER_SIGNING_KEY": self._made(
                "LEDGER_SIGNING_KEY", "Signs the ledger's heads", self._seed("ledger-signing-key")
            ),
            "METRICS_TOKEN": self._made("METRICS_TOKEN", "Reads the metrics", self._token("metrics-token")),
        }
        given = {
            "STRIPE_SECRET_KEY": ("Stripe's secret key", config.stripe_secret_key),
            "STRIPE_WEBHOOK_SECRET": ("Verifies Stripe's webhooks", config.stripe_webhook_secret),
            "GOOGLE_CLIENT_SECRET": ("Proves us where people sign in with Google", config.google_client_secret),
            "GITHUB_CLIENT_SECRET": ("Proves us where people sign in with GitHub", config.github_client_secret),
        }
        for setting, (description, value) in given.items():
            if value is not None:
                found[setting] = self._made(setting, description, Output.secret(value.get_secret_value()), None)
        self.by_setting = found
        self.register_outputs({})

    def _made(self, setting: str, description: str, value: Output[str], days: int | None = QUARTER_DAYS) -> Secret:
        return Secret(
            f"{self._name}-{_dashed(setting)}",
            SecretArgs(
                config=self._args.config,
                keys=self._args.keys,
                description=description,
                value=value,
                rotation_days=days,
            ),
            ResourceOptions(parent=self),
        )

    def _seed(self, what: str) -> Output[str]:
        """32 random bytes in URL-safe base64, as `cloudbill keys generate` prints them."""
        made = random.RandomBytes(f"{self._name}-{what}-bytes", length=32, opts=ResourceOptions(parent=self))
        return made.base64.apply(lambda text: text.replace("+", "-").replace("/", "_"))

    def _token(self, what: str) -> Output[str]:
        return password(f"{self._name}-{what}-value", self)


def password(name: str, parent: ComponentResource) -> Output[str]:
    """40 letters and digits (238 bits), which need no escaping in a URL."""
    return random.RandomPassword(name, length=40, special=False, opts=ResourceOptions(parent=parent)).result


def _dashed(setting: str) -> str:
    return setting.lower().replace("_", "-")
