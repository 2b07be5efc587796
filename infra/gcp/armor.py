"""What the edge refuses: attacks by pattern, floods by rate, and /metrics from outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_gcp import compute

SENSITIVITY = 1
"""Of 1 to 4: the rules that honest requests hardly ever match. Above it, JSON bodies begin to look like attacks."""
RULE_SETS = ("sqli", "xss", "lfi", "rce", "scannerdetection", "protocolattack")
REQUESTS_A_MINUTE = 600
"""From one address; the API's own limits (100 a caller) are finer and know who asks."""
SIGN_INS_A_MINUTE = 60
"""From one address, under /auth/: as many as AWS' 300 in five minutes. The API slows down each account besides."""
ANYONE = "*"


@dataclass(frozen=True, kw_only=True)
class ArmorArgs:
    """`own_addresses` are the network's way out: the console asks the API from there, for all its users at once."""

    own_addresses: Sequence[pulumi.Input[str]]


class Armor(pulumi.ComponentResource):
    """A Cloud Armor policy: Google's preconfigured rules (OWASP CRS 3.3) at sensitivity 1, a rate limit, adaptive
    protection that reports floods it learns of. AWS WAF has groups that Amazon keeps; here each rule set is a line.
    """

    policy: compute.SecurityPolicy

    def __init__(self, name: str, args: ArmorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Armor", name, None, opts)
        rules: list[Any] = [
            {
                "priority": 100,
                "action": "deny(403)",
                "description": "metrics are read inside",
                # Decoded and folded first, or /%6Detrics and /metrics/ would pass.
                "match": {"expr": {"expression": "request.path.lower().urlDecode().matches('^/+metrics(/|$)')"}},
            }
        ]
        rules += [
            {
                "priority": 1000 + number * 10,
                "action": "deny(403)",
                "description": rule_set,
                "match": {
                    "expr": {
                        "expression": f"evaluatePreconfiguredWaf('{rule_set}-v33-stable', "
                        f"{{'sensitivity': {SENSITIVITY}}})"
                    }
                },
            }
            for number, rule_set in enumerate(RULE_SETS)
        ]
        rules += [
            {
                "priority": 2000,
                "action": "allow",
                "description": "our own way out is not counted",
                "match": _from(list(args.own_addresses)),
            },
            {
                "priority": 2500,
                "action": "throttle",
                "description": f"{SIGN_INS_A_MINUTE} sign-ins a minute from one address",
                # Folded and decoded like the metrics' rule.
                "match": {"expr": {"expression": "request.path.lower().urlDecode().matches('^/+auth(/|$)')"}},
                "rate_limit_options": _at_most(SIGN_INS_A_MINUTE),
            },
            {
                "priority": 3000,
                "action": "throttle",
                "description": f"{REQUESTS_A_MINUTE} requests a minute from one address",
                "match": _from([ANYONE]),
                "rate_limit_options": _at_most(REQUESTS_A_MINUTE),
            },
            {
                "priority": 2147483647,
                "action": "allow",
                "description": "the last rule, which each policy must have",
                "match": _from([ANYONE]),
            },
        ]
        self.policy = compute.SecurityPolicy(
            f"{name}-policy",
            type="CLOUD_ARMOR",
            description="CloudBill's edge",
            adaptive_protection_config={"layer7_ddos_defense_config": {"enable": True, "rule_visibility": "STANDARD"}},
            # Bodies are read as JSON, field by field; as one text they would match too much.
            advanced_options_config={"json_parsing": "STANDARD", "log_level": "NORMAL"},
            rules=rules,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"policy": self.policy.id})


def _at_most(requests: int) -> dict[str, Any]:
    return {
        "conform_action": "allow",
        "exceed_action": "deny(429)",
        "enforce_on_key": "IP",
        "rate_limit_threshold": {"count": requests, "interval_sec": 60},
    }


def _from(addresses: Sequence[pulumi.Input[str]]) -> dict[str, Any]:
    return {"versioned_expr": "SRC_IPS_V1", "config": {"src_ip_ranges": list(addresses)}}
