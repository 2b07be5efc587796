"""What provider 6, which pulumi-aws 7 bridges, has otherwise than provider 5.100, which is at hand: by type, reviewed.

The table is held against what the two say themselves: the types of the Python package and the schema of 5.100. The
program sets nothing that is in this table, so that what 5.100 judges is all that the program says. Sources: the
provider's change log and its guide for the upgrade to version 6.
"""

import importlib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pulumi import _types

from infra.graph import Graph
from infra.recording import schema as packages
from tests.provider.schema import Block, Schema
from tests.provider.tables import FIELDS
from tests.provider.translation import terraform_type

EVERYWHERE = "region"
"""New in 6 for every regional type: the program gives each region a provider instead, as in 5."""


@dataclass(frozen=True)
class Difference:
    """Of one type: Pulumi's paths that only 6 has, names that only 5.100 has, and what that means here."""

    reason: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


DIFFERENCES: Mapping[str, Difference] = {
    "aws:acm/certificate:Certificate": Difference(
        "export of the key and write-only keys: certificates here are issued by DNS or imported with their key",
        added=("options.export", "privateKeyWo", "privateKeyWoVersion"),
    ),
    "aws:appautoscaling/policy:Policy": Difference(
        "predictive scaling: targets are tracked", added=("predictiveScalingPolicyConfiguration",)
    ),
    "aws:backup/plan:Plan": Difference(
        "malware scans and air-gapped vaults: the vaults here are locked",
        added=("rules.scanActions", "rules.targetLogicallyAirGappedBackupVaultArn", "scanSettings"),
    ),
    "aws:budgets/budget:Budget": Difference(
        "billing views and filter expressions: the budget is of the whole account",
        added=(
            "autoAdjustData.historicalOptions.lookbackAvailablePeriods",
            "autoAdjustData.lastAutoAdjustTime",
            "billingViewArn",
            "filterExpression",
            "metrics",
        ),
    ),
    "aws:cloudwatch/logGroup:LogGroup": Difference(
        "a group's own protection: those that must stay are protected in the program",
        added=("deletionProtectionEnabled",),
    ),
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": Difference(
        "policies of one log group: the account's is used", added=("resourceArn",)
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Difference(
        "alarms on queries: those here are on metrics",
        added=("evaluationCriteria", "evaluationInterval", "evaluationWindow", "warmUpConfiguration"),
    ),
    "aws:ec2/eip:Eip": Difference("`domain` took its place, and is what the program sets", removed=("vpc",)),
    "aws:ec2/flowLog:FlowLog": Difference(
        "`logDestination` took its place, and is what the program sets; NAT gateways of a region have no logs here",
        added=("regionalNatGatewayId", "tagFieldSpecifications"),
        removed=("log_group_name",),
    ),
    "aws:ec2/natGateway:NatGateway": Difference(
        "NAT of a whole region: one is made for each zone, or one in all",
        added=("availabilityMode", "availabilityZoneAddresses", "vpcId"),
    ),
    "aws:ec2/route:Route": Difference("routes to Oracle's networks", added=("odbNetworkArn",)),
    "aws:ec2/subnet:Subnet": Difference(
        "addresses from IPAM: the subnets are cut from the network's own block",
        added=("ipv4IpamPoolId", "ipv4NetmaskLength", "ipv6IpamPoolId", "ipv6NetmaskLength"),
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Difference(
        "private names of service networks",
        added=("dnsOptions.privateDnsPreference", "dnsOptions.privateDnsSpecifiedDomains"),
    ),
    "aws:ec2/vpnConnection:VpnConnection": Difference(
        "logs of BGP and wider tunnels: the bridge has static routes",
        added=(
            "tunnel1LogOptions.cloudwatchLogOptions.bgpLogEnabled",
            "tunnel1LogOptions.cloudwatchLogOptions.bgpLogGroupArn",
            "tunnel1LogOptions.cloudwatchLogOptions.bgpLogOutputFormat",
            "tunnel2LogOptions.cloudwatchLogOptions.bgpLogEnabled",
            "tunnel2LogOptions.cloudwatchLogOptions.bgpLogGroupArn",
            "tunnel2LogOptions.cloudwatchLogOptions.bgpLogOutputFormat",
            "tunnelBandwidth",
            "vpnConcentratorId",
        ),
    ),
    "aws:ecr/repository:Repository": Difference(
        "tags that may be moved all the same: none may", added=("imageTagMutabilityExclusionFilters",)
    ),
    "aws:ecs/service:Service": Difference(
        "blue/green by ECS itself: releases roll, and the canary is a service of its own",
        added=(
            "deploymentConfiguration",
            "loadBalancers.advancedConfiguration",
            "serviceConnectConfiguration.accessLogConfiguration",
            "serviceConnectConfiguration.services.clientAlias.testTrafficRules",
            "sigintRollback",
        ),
    ),
    "aws:ecs/taskDefinition:TaskDefinition": Difference(
        "Elastic Inference is gone; volumes on S3 are not used",
        added=("volumes.s3filesVolumeConfiguration",),
        removed=("inference_accelerator",),
    ),
    "aws:efs/mountTarget:MountTarget": Difference("IPv6: the network has none", added=("ipAddressType", "ipv6Address")),
    "aws:elasticache/replicationGroup:ReplicationGroup": Difference(
        "write-only tokens, durability, placement by shard: users authenticate, and there is one shard",
        added=("authTokenWo", "authTokenWoVersion", "durability", "nodeGroupConfigurations"),
    ),
    "aws:elasticache/user:User": Difference(
        "write-only passwords: the one here is a secret of the stack",
        added=("authenticationMode.passwordCount", "passwordsWo", "passwordsWoVersion"),
    ),
    "aws:lb/listener:Listener": Difference(
        "tokens checked by the load balancer: the API checks them", added=("defaultActions.jwtValidation",)
    ),
    "aws:lb/listenerRule:ListenerRule": Difference(
        "conditions by pattern, rewritten requests: hosts are matched whole",
        added=(
            "actions.jwtValidation",
            "conditions.hostHeader.regexValues",
            "conditions.httpHeader.regexValues",
            "conditions.pathPattern.regexValues",
            "conditions.sourceIp.ipAddressType",
            "transforms",
        ),
    ),
    "aws:lb/loadBalancer:LoadBalancer": Difference(
        "logs of health checks; the rest is of network load balancers",
        added=(
            "enablePrefixForIpv6SourceNat",
            "healthCheckLogs",
            "secondaryIpsAutoAssignedPerSubnet",
            "subnetMappings.outpostId",
        ),
    ),
    "aws:lb/targetGroup:TargetGroup": Difference("targets that say what they can take", added=("targetControlPort",)),
    "aws:rds/instance:Instance": Difference("only read", added=("warningEventCategories",)),
    "aws:route53/zone:Zone": Difference(
        "changes of a zone while us-east-1 is down", added=("enableAcceleratedRecovery",)
    ),
    "aws:s3/bucket:Bucket": Difference(
        "names within an account; ciphers that a bucket refuses",
        added=("bucketNamespace", "serverSideEncryptionConfiguration.rule.blockedEncryptionTypes"),
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Difference("left when destroyed", added=("skipDestroy",)),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Difference(
        "ciphers that a bucket refuses", added=("rules.blockedEncryptionTypes",)
    ),
    "aws:scheduler/schedule:Schedule": Difference(
        "schedules that end: off-hours go on", added=("actionAfterCompletion",)
    ),
    "aws:secretsmanager/secret:Secret": Difference(
        "secrets of other vendors; the state of copies is only read",
        added=("replicas.lastAccessedDate", "replicas.status", "replicas.statusMessage", "type"),
    ),
    "aws:sns/topic:Topic": Difference("larger messages", added=("maximumMessageSize",)),
    "aws:wafv2/webAcl:WebAcl": Difference(
        "rules that ask for money; inside of statements the two are compared by what the program sets",
        added=("monetizationConfig",),
    ),
}


def found(kind: str, schema: Schema) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What only 6 has and what only 5.100 has, of a type."""
    importlib.import_module(f"pulumi_aws.{kind.split(':')[1].split('/')[0]}")
    cls = packages.resource_class(kind)
    block = schema.resource(terraform_type(kind))
    assert cls is not None, kind
    assert block is not None, kind
    added: list[str] = []
    removed: list[str] = []
    _compare(packages._arguments(cls), block, "", added, removed)
    irregular = {(path, name) for (type_, path), name in FIELDS.items() if type_ == kind}
    for path, name in irregular:
        added.remove(path)
        removed.remove(name)
    return tuple(sorted(set(added) - {EVERYWHERE})), tuple(sorted(removed))


def set_anyway(graph: Graph) -> Iterator[str]:
    """What the graph sets although 5.100 cannot judge it."""
    for resource in graph.resources:
        difference = DIFFERENCES.get(resource.type, Difference(""))
        for path in (*difference.added, EVERYWHERE) if resource.type.startswith("aws:") else ():
            if _holds(resource.inputs, path.split(".")):
                yield f"{resource.name} ({resource.type}): {path}"


def _holds(value: Any, path: list[str]) -> bool:
    if isinstance(value, list):
        return any(_holds(item, path) for item in value)
    if not path:
        return value is not None
    return isinstance(value, dict) and path[0] in value and _holds(value[path[0]], path[1:])


def _compare(arguments: Any, block: Block, path: str, added: list[str], removed: list[str]) -> None:
    if arguments is None or "tatement." in path:  # a statement of a firewall holds statements
        return
    known, _ = packages._keys(arguments)
    seen = {"id", "tags_all", "timeouts"}
    for key, kind in known.items():
        name = block.names.get(key)
        if name is None or (name in block.attributes and not block.attributes[name].settable):
            added.append(path + key)
            continue
        seen.add(name)
        inner = packages._plain(kind)
        inner = packages._plain(packages.element(inner) or inner)
        if name in block.blocks and inspect.isclass(inner) and _types.is_input_type(inner):
            _compare(inner, block.blocks[name], f"{path}{key}.", added, removed)
    settable = [name for name, attribute in block.attributes.items() if attribute.settable]
    removed += [path + name for name in (*settable, *block.blocks) if name not in seen]
