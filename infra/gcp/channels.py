"""Who is told: three groups of channels, one for each class of alarms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_gcp import monitoring, pubsub

from infra.config import StackConfig
from infra.contract import NOTICES_PATH, Severity
from infra.gcp.edge import Edge
from infra.gcp.keys import Keys

KEPT_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class ChannelsArgs:
    """`config.alerts.emails` and the secret `pagerKey`."""

    config: StackConfig
    keys: Keys
    edge: Edge
    notices: pulumi.Input[str] | None


class Channels(pulumi.ComponentResource):
    """Critical: pager, e-mail, console. Warning: e-mail, console. Info: a Pub/Sub topic, kept for a week.

    A class of which nobody is told by the configuration goes to the topic, so that no alarm is lost. AWS has a topic
    for each class (SNS); here a policy names its channels itself.
    """

    by_severity: Mapping[Severity, Sequence[pulumi.Output[str]]]
    topic: pulumi.Output[str]
    emails: Sequence[pulumi.Output[str]]

    def __init__(self, name: str, args: ChannelsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Channels", name, None, opts)
        self._name, self._args = name, args
        config, under = args.config, pulumi.ResourceOptions(parent=self)
        self.emails = [
            monitoring.NotificationChannel(
                f"{name}-email-{number}",
                type="email",
                display_name=f"CloudBill {config.stack}: {address}",
                labels={"email_address": address},
                opts=under,
            ).name
            for number, address in enumerate(config.alerts.emails, start=1)
        ]
        pager: list[pulumi.Output[str]] = []
        if config.pager_key is not None:
            service_key = pulumi.Output.secret(config.pager_key.get_secret_value())
            pager.append(
                monitoring.NotificationChannel(
                    f"{name}-pager",
                    type="pagerduty",
                    display_name=f"CloudBill {config.stack}: pager",
                    sensitive_labels={"service_key": service_key},
                    opts=under,
                ).name
            )
        console = [] if args.notices is None else [self._console(args.notices)]
        log = self._log()
        self.by_severity = {
            Severity.CRITICAL: [*pager, *self.emails, *console] or [log],
            Severity.WARNING: [*self.emails, *console] or [log],
            Severity.INFO: [log],
        }
        self.register_outputs({})

    def _console(self, password: pulumi.Input[str]) -> pulumi.Output[str]:
        """What the console's Alerts page shows."""
        return monitoring.NotificationChannel(
            f"{self._name}-console",
            type="webhook_basicauth",
            display_name=f"CloudBill {self._args.config.stack}: console",
            labels={"url": pulumi.Output.concat(self._args.edge.api_url, NOTICES_PATH), "username": "cloudbill"},
            sensitive_labels={"password": pulumi.Output.secret(password)},
            opts=pulumi.ResourceOptions(parent=self),
        ).name

    def _log(self) -> pulumi.Output[str]:
        name, config = self._name, self._args.config
        topic = pubsub.Topic(
            f"{name}-info",
            kms_key_name=self._args.keys.logs,
            message_retention_duration=f"{KEPT_SECONDS}s",
            message_storage_policy={"allowed_persistence_regions": [config.region]},
            opts=pulumi.ResourceOptions(parent=self),
        )
        pubsub.Subscription(
            f"{name}-info-kept",
            topic=topic.id,
            message_retention_duration=f"{KEPT_SECONDS}s",
            ack_deadline_seconds=60,
            expiration_policy={"ttl": ""},  # never
            opts=pulumi.ResourceOptions(parent=topic),
        )
        self.topic = topic.id
        channel = monitoring.NotificationChannel(
            f"{name}-log",
            type="pubsub",
            display_name=f"CloudBill {config.stack}: log",
            labels={"topic": topic.id},
            opts=pulumi.ResourceOptions(parent=self),
        )
        # Google makes this account with the first channel of its kind.
        agent = self._args.keys.number.apply(
            lambda number: f"serviceAccount:service-{number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"
        )
        pubsub.TopicIAMMember(
            f"{name}-info-teller",
            topic=topic.name,
            role="roles/pubsub.publisher",
            member=agent,
            opts=pulumi.ResourceOptions(parent=topic, depends_on=[channel]),
        )
        return channel.name
