"""Secrets: where each lies, who encrypts it, when it has to change; and the application's own."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pulumi
import pulumi_random as random
from pulumi_gcp import pubsub, secretmanager

from infra.contract import SecretArgs, SecretsArgs
from infra.gcp.keys import Keys

DAY = 24 * 3600


class Secret(pulumi.ComponentResource):
    """A secret with its first value, in the stack's region and its backup region, each copy under its own key.

    Services are given a pinned version, so that a new value reaches them with a new revision and never in the middle
    of one: the first, or the one that `secretVersions` names after a rotation. Secret Manager rotates nothing by
    itself, unlike AWS' with its function: it tells the topic that the time has come.
    """

    name: pulumi.Output[str]
    reference: pulumi.Output[str]
    id: pulumi.Output[str]
    version: pulumi.Output[str]

    def __init__(self, name: str, args: SecretArgs[Keys], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Secret", name, None, opts)
        config, keys = args.config, args.keys
        regions = [(config.region, keys.secrets)]
        if keys.standby_secrets is not None:
            assert config.database.backup_region is not None
            regions.append((config.database.backup_region, keys.standby_secrets))
        # Told when it has to change; made only for those that change.
        topic = self._topic(name, args) if args.rotation_days is not None else None
        self.secret = secretmanager.Secret(
            f"{name}-secret",
            secret_id=f"{name}-{config.stack}",
            replication={
                "user_managed": {
                    "replicas": [
                        {"location": region, "customer_managed_encryption": {"kms_key_name": key}}
                        for region, key in regions
                    ]
                }
            },
            annotations={"description": args.description},
            rotation=None
            if args.rotation_days is None
            else {
                "rotation_period": f"{args.rotation_days * DAY}s",
                "next_rotation_time": _first_rotation(args.rotation_days),
            },
            topics=None if topic is None else [{"name": topic}],
            # A destroyed version can be brought back for a week.
            version_destroy_ttl=f"{7 * DAY}s",
            deletion_protection=config.is_production,
            opts=pulumi.ResourceOptions(
                parent=self, protect=config.is_production, ignore_changes=["rotation.nextRotationTime"]
            ),
        )
        first = secretmanager.SecretVersion(
            f"{name}-first",
            secret=self.secret.id,
            secret_data=pulumi.Output.secret(args.value),
            # A value that rotation has set is not set back, and a former version lives until nobody is pinned to it.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["secretData"], retain_on_delete=True),
        )
        self.name = self.secret.secret_id
        self.id = self.secret.id
        pinned = config.secret_versions.get(name)
        self.version = first.version if pinned is None else pulumi.Output.from_input(str(pinned))
        self.reference = pulumi.Output.concat(self.secret.name, "/versions/", self.version)
        self.register_outputs({"name": self.name, "reference": self.reference})

    def _topic(self, name: str, args: SecretArgs[Keys]) -> pulumi.Output[str]:
        topic = pubsub.Topic(
            f"{name}-rotation",
            kms_key_name=args.keys.secrets,
            message_retention_duration=f"{7 * DAY}s",
            message_storage_policy={"allowed_persistence_regions": [args.config.region]},
            opts=pulumi.ResourceOptions(parent=self),
        )
        teller = pubsub.TopicIAMMember(
            f"{name}-rotation-teller",
            topic=topic.name,
            role="roles/pubsub.publisher",
            member=args.keys.agents["secretmanager"],
            opts=pulumi.ResourceOptions(parent=topic),
        )
        return pulumi.Output.all(topic.id, teller.id).apply(lambda ids: str(ids[0]))


class Secrets(pulumi.ComponentResource):
    """The application's own: what nobody else issues is made here, once; what others issue is configured."""

    by_setting: Mapping[str, Secret]
    notices: pulumi.Output[str] | None = None
    """The password of Cloud Monitoring's webhook; None without a domain, since it trusts no self-signed certificate."""

    def __init__(self, name: str, args: SecretsArgs[Keys], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Secrets", name, None, opts)
        self._name, self._args = name, args
        config = args.config
        made = {
            # Both are 32 random bytes in URL-safe base64, as `cloudbill keys generate` prints them.
            "ENCRYPTION_KEY": self._secret("encryption-key", "Encrypts the signing keys", self._bytes("encryption")),
            "LEDGER_SIGNING_KEY": self._secret("ledger-key", "Signs the ledger's heads", self._bytes("ledger")),
            "METRICS_TOKEN": self._secret("metrics-token", "Reads /metrics", self._token("metrics"), rotation_days=90),
        }
        for setting, purpose, issuer, given in (
            ("STRIPE_SECRET_KEY", "stripe-key", "Stripe", config.stripe_secret_key),
            ("STRIPE_WEBHOOK_SECRET", "stripe-webhook", "Stripe", config.stripe_webhook_secret),
            ("GOOGLE_CLIENT_SECRET", "google-client", "Google", config.google_client_secret),
            ("GITHUB_CLIENT_SECRET", "github-client", "GitHub", config.github_client_secret),
        ):
            if given is not None:
                value = pulumi.Output.secret(given.get_secret_value())
                made[setting] = self._secret(purpose, f"{issuer}'s: {setting}", value)
        if config.domain is not None:
            self.notices = self._token("notices")
            made["ALERT_WEBHOOK_SECRET"] = self._secret(
                "notices-password", "Proves Cloud Monitoring's notices", self.notices
            )
        self.by_setting = made
        self.register_outputs({})

    def _secret(
        self, purpose: str, description: str, value: pulumi.Output[str], rotation_days: int | None = None
    ) -> Secret:
        return Secret(
            f"{self._name}-{purpose}",
            SecretArgs(
                config=self._args.config,
                keys=self._args.keys,
                description=description,
                value=value,
                rotation_days=rotation_days,
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _bytes(self, purpose: str) -> pulumi.Output[str]:
        made = random.RandomBytes(f"{self._name}-{purpose}", length=32, opts=pulumi.ResourceOptions(parent=self))
        return made.base64.apply(lambda text: text.replace("+", "-").replace("/", "_"))

    def _token(self, purpose: str) -> pulumi.Output[str]:
        return random.RandomPassword(
            f"{self._name}-{purpose}", length=48, special=False, opts=pulumi.ResourceOptions(parent=self)
        ).result


def _first_rotation(days: int) -> pulumi.Output[str]:
    """Secret Manager wants a first date, in the future; later ones follow by the period, and changes are ignored.

    Nothing in it is secret: it is marked so since it differs in each run, and a recorded graph must not.
    """
    return pulumi.Output.secret((datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ"))
