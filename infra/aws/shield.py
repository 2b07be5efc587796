"""The web application firewall in front of the load balancer."""

import pulumi_aws as aws
from pulumi import ComponentResource, Input, ResourceOptions
from pulumi_aws.wafv2 import WebAclRuleArgsDict, WebAclRuleStatementRateBasedStatementArgsDict

from infra.aws.keys import Keys
from infra.aws.logs import log_group
from infra.aws.names import named
from infra.config import StackConfig

REQUESTS_PER_ADDRESS = 10_000
"""In five minutes, from one address. The API limits callers itself; this is for floods."""
SIGN_INS_PER_ADDRESS = 300
"""The same, of what lies under /auth: a whole office may stand behind one address."""
WINDOW_SECONDS = 300
_MANAGED = (
    ("AWSManagedRulesAmazonIpReputationList", ()),
    # Usage comes in batches of up to a megabyte, where this rule ends at 8 KB; the API has a limit of its own.
    ("AWSManagedRulesCommonRuleSet", ("SizeRestrictions_BODY",)),
    ("AWSManagedRulesKnownBadInputsRuleSet", ()),
    ("AWSManagedRulesSQLiRuleSet", ()),
)


class Shield(ComponentResource):
    """WAF with AWS's managed groups and two rate rules; what it stops is logged, without credentials.

    Google Cloud's counterpart is Cloud Armor, whose groups are preconfigured expressions and which adapts by itself.
    """

    def __init__(
        self,
        name: str,
        *,
        config: StackConfig,
        keys: Keys,
        load_balancer: Input[str],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("cloudbill:aws:Shield", name, None, opts)
        rules = [_rate("requests", 0, REQUESTS_PER_ADDRESS), _rate("sign-ins", 1, SIGN_INS_PER_ADDRESS, path="/auth/")]
        rules += [_managed(group, place, counted) for place, (group, counted) in enumerate(_MANAGED, start=len(rules))]
        acl = aws.wafv2.WebAcl(
            f"{name}-acl",
            name=named(config),
            description=f"CloudBill ({config.stack})",
            scope="REGIONAL",
            default_action={"allow": {}},
            rules=rules,
            visibility_config=_visible("all"),
            opts=ResourceOptions(parent=self),
        )
        aws.wafv2.WebAclAssociation(
            f"{name}-association",
            resource_arn=load_balancer,
            web_acl_arn=acl.arn,
            opts=ResourceOptions(parent=self),
        )
        # The prefix is the service's condition for writing to it.
        logs = log_group(f"{name}-logs", f"aws-waf-logs-{named(config)}", config=config, key=keys.logs, parent=self)
        aws.wafv2.WebAclLoggingConfiguration(
            f"{name}-logging",
            resource_arn=acl.arn,
            log_destination_configs=[logs.arn],
            redacted_fields=[
                {"single_header": {"name": header}} for header in ("authorization", "cookie", "x-api-key")
            ],
            logging_filter={
                "default_behavior": "DROP",
                "filters": [
                    {
                        "behavior": "KEEP",
                        "requirement": "MEETS_ANY",
                        "conditions": [{"action_condition": {"action": action}} for action in ("BLOCK", "COUNT")],
                    }
                ],
            },
            opts=ResourceOptions(parent=self),
        )
        self.register_outputs({})


def _rate(title: str, place: int, limit: int, *, path: str | None = None) -> WebAclRuleArgsDict:
    counted: WebAclRuleStatementRateBasedStatementArgsDict = {
        "aggregate_key_type": "IP",
        "limit": limit,
        "evaluation_window_sec": WINDOW_SECONDS,
    }
    if path is not None:
        counted["scope_down_statement"] = {
            "byte_match_statement": {
                "field_to_match": {"uri_path": {}},
                "positional_constraint": "STARTS_WITH",
                "search_string": path,
                "text_transformations": [{"priority": 0, "type": "NORMALIZE_PATH"}],
            }
        }
    return {
        "name": f"rate-{title}",
        "priority": place,
        "action": {"block": {"custom_response": {"response_code": 429}}},
        "statement": {"rate_based_statement": counted},
        "visibility_config": _visible(f"rate-{title}"),
    }


def _managed(group: str, place: int, counted: tuple[str, ...]) -> WebAclRuleArgsDict:
    return {
        "name": group,
        "priority": place,
        "override_action": {"none": {}},
        "statement": {
            "managed_rule_group_statement": {
                "vendor_name": "AWS",
                "name": group,
                "rule_action_overrides": [{"name": rule, "action_to_use": {"count": {}}} for rule in counted],
            }
        },
        "visibility_config": _visible(group),
    }


def _visible(metric: str) -> aws.wafv2.WebAclVisibilityConfigArgsDict:
    return {"cloudwatch_metrics_enabled": True, "metric_name": metric, "sampled_requests_enabled": True}
