"""All that is watched, who hears of it, and the pictures."""

from collections.abc import Mapping

import pulumi_aws as aws
from pulumi import ComponentResource, Output, ResourceOptions

from infra import contract
from infra.aws import alarms_of_business, alarms_of_serving, alarms_of_stores
from infra.aws.cache import Cache
from infra.aws.channels import Channels
from infra.aws.dashboard import widgets
from infra.aws.database import Database
from infra.aws.edge import Edge
from infra.aws.keys import Keys
from infra.aws.names import named
from infra.aws.news import News
from infra.aws.service import Service
from infra.aws.watching import make
from infra.config import Role
from infra.contract import Severity

AlertsArgs = contract.AlertsArgs[Keys, Database, Cache, Edge, Service]


class Alerts(ComponentResource):
    """Alarms in three classes, the events of the account, the dashboard, the budget.

    Application metrics come by the collector beside each service, under the namespace CloudBill. The budget is the
    whole account's: one by tag would show nothing until somebody has activated the tag for billing by hand.
    """

    channels: Mapping[Severity, Output[str]]
    dashboard_url: Output[str]

    def __init__(self, name: str, args: AlertsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Alerts", name, None, opts)
        self._name, self._args = name, args
        config = args.config
        channels = Channels(
            f"{name}-channels",
            config=config,
            keys=args.keys,
            edge=args.edge,
            api=args.services[Role.API],
            opts=ResourceOptions(parent=self),
        )
        self.channels = channels.topics
        for alarm in (
            *alarms_of_stores.database(config, args.database),
            *alarms_of_stores.cache(config, args.cache),
            *alarms_of_serving.services(config, args.services, named(config)),
            *alarms_of_serving.edge(config, args.edge, args.services, named(config)),
            *alarms_of_business.business(config),
            *alarms_of_business.console(config),
            *alarms_of_business.backups(),
        ):
            make(name, alarm, config=config, topics=self.channels, parent=self)
        News(
            f"{name}-news",
            config=config,
            keys=args.keys,
            topics=self.channels,
            opts=ResourceOptions(parent=self),
        )
        dashboard = aws.cloudwatch.Dashboard(
            f"{name}-dashboard",
            dashboard_name=named(config),
            dashboard_body=Output.json_dumps(
                {
                    "widgets": widgets(
                        config, database=args.database, cache=args.cache, edge=args.edge, services=args.services
                    )
                }
            ),
            opts=ResourceOptions(parent=self),
        )
        self.dashboard_url = Output.concat(
            f"https://{config.region}.console.aws.amazon.com/cloudwatch/home?region={config.region}#dashboards/dashboard/",
            dashboard.dashboard_name,
        )
        self._budget()
        self.register_outputs({"dashboardUrl": self.dashboard_url})

    def _budget(self) -> None:
        alerts = self._args.config.alerts
        aws.budgets.Budget(
            f"{self._name}-budget",
            name=named(self._args.config),
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(alerts.budget),
            limit_unit="USD",
            notifications=[
                self._notification("ACTUAL", 80),
                self._notification("ACTUAL", 100),
                self._notification("FORECASTED", 100),
            ],
            opts=ResourceOptions(parent=self),
        )

    def _notification(self, kind: str, percent: int) -> aws.budgets.BudgetNotificationArgsDict:
        told: aws.budgets.BudgetNotificationArgsDict = {
            "comparison_operator": "GREATER_THAN",
            "notification_type": kind,
            "threshold": percent,
            "threshold_type": "PERCENTAGE",
            "subscriber_sns_topic_arns": [self.channels[Severity.WARNING]],
        }
        emails = self._args.config.alerts.emails
        if emails:
            told["subscriber_email_addresses"] = list(emails)
        return told
