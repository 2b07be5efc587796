"""Where news goes: a topic for each class."""

from collections.abc import Mapping

import pulumi_aws as aws
from pulumi import ComponentResource, Output, ResourceOptions

from infra.aws.account import Account
from infra.aws.edge import Edge
from infra.aws.keys import Keys
from infra.aws.names import named
from infra.aws.service import Service
from infra.aws.statements import Statement, only_tls, policy
from infra.config import StackConfig
from infra.contract import NOTICES_PATH, Severity

SENDERS = ("cloudwatch.amazonaws.com", "budgets.amazonaws.com")
TOLD = (Severity.CRITICAL, Severity.WARNING)


def topic_name(config: StackConfig, severity: Severity) -> str:
    """Known before the topic is made: the API is told whose notices it takes, and runs before it can confirm them."""
    return named(config, severity)


class Channels(ComponentResource):
    """Encrypted topics: the pager is on critical, e-mail and console on critical and warning; info goes to a log.

    An address has to confirm its subscription once. The pager is PagerDuty's endpoint for CloudWatch; `pagerKey` is the
    integration's key. The console shows what the API is told, which needs a domain: SNS trusts no self-signed
    certificate. Google Cloud has notification channels instead, one for each receiver and class.
    """

    topics: Mapping[Severity, Output[str]]

    def __init__(
        self,
        name: str,
        *,
        config: StackConfig,
        keys: Keys,
        edge: Edge,
        api: Service,
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("cloudbill:aws:Channels", name, None, opts)
        self._name, self._config = name, config
        self._account = Account.of(self, config.region)
        self.topics = {severity: self._topic(severity, keys) for severity in Severity}
        for severity in TOLD:
            if config.domain is not None:
                aws.sns.TopicSubscription(
                    f"{name}-{severity}-console",
                    topic=self.topics[severity],
                    protocol="https",
                    endpoint=Output.concat(edge.api_url, NOTICES_PATH),
                    endpoint_auto_confirms=True,
                    confirmation_timeout_in_minutes=5,
                    opts=ResourceOptions(parent=self, depends_on=[api.service]),
                )
            for place, address in enumerate(config.alerts.emails, start=1):
                aws.sns.TopicSubscription(
                    f"{name}-{severity}-mail-{place}",
                    topic=self.topics[severity],
                    protocol="email",
                    endpoint=address,
                    opts=ResourceOptions(parent=self),
                )
        if config.pager_key is not None:
            key = Output.secret(config.pager_key.get_secret_value())
            aws.sns.TopicSubscription(
                f"{name}-pager",
                topic=self.topics[Severity.CRITICAL],
                protocol="https",
                endpoint=Output.concat("https://events.pagerduty.com/integration/", key, "/enqueue"),
                endpoint_auto_confirms=True,
                opts=ResourceOptions(parent=self),
            )
        self.register_outputs({})

    def _topic(self, severity: Severity, keys: Keys) -> Output[str]:
        topic = aws.sns.Topic(
            f"{self._name}-{severity}",
            name=topic_name(self._config, severity),
            kms_master_key_id=keys.logs,
            opts=ResourceOptions(parent=self),
        )
        aws.sns.TopicPolicy(
            f"{self._name}-{severity}-policy",
            arn=topic.arn,
            policy=policy(
                Statement(
                    services=list(SENDERS),
                    actions=["sns:Publish"],
                    resources=[topic.arn],
                    conditions={"StringEquals": {"aws:SourceAccount": self._account.id}},
                ),
                # EventBridge does not say for which account it asks.
                Statement(services=["events.amazonaws.com"], actions=["sns:Publish"], resources=[topic.arn]),
                only_tls(topic.arn, actions=["sns:Publish"]),
            ),
            opts=ResourceOptions(parent=topic),
        )
        return topic.arn
