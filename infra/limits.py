"""What the clouds refuse, or do otherwise than asked: found in the configuration, before anything is created.

Each line says what the key may be and what the cloud would have done. Sources: the providers' own documentation of the
service that is named.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal

from infra.config import Cloud, Role, StackConfig

Problem = tuple[str, str]
"""A key (without prefix) and what is wrong with it."""

# Amazon ECS, task size: vCPU -> (least, most, step) MiB on Fargate.
_FARGATE = {
    0.25: (512, 2048, 512),
    0.5: (1024, 4096, 1024),
    1: (2048, 8192, 1024),
    2: (4096, 16384, 1024),
    4: (8192, 30720, 1024),
    8: (16384, 61440, 4096),
}
# Cloud Run, memory limits: vCPU -> (least, most) MiB.
_CLOUD_RUN = {1: (512, 4096), 2: (512, 8192), 4: (2048, 16384), 8: (4096, 32768)}
# CloudWatch Logs, PutRetentionPolicy.
_LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
RDS_AUTHORITIES = frozenset(
    {
        "af-south-1",
        "ap-east-1",
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
        "ap-south-1",
        "ap-south-2",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-southeast-3",
        "ap-southeast-4",
        "ca-central-1",
        "eu-central-1",
        "eu-central-2",
        "eu-north-1",
        "eu-south-1",
        "eu-south-2",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "me-central-1",
        "me-south-1",
        "sa-east-1",
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
    }
)
"""Regions whose root certificate is in core/foundation/trust/rds.pem."""
_ELASTICACHE = {"redis": ("7.0", "7.1"), "valkey": ("7.2", "8.0", "8.1")}
_MEMORYSTORE = {"redis": ("7.0", "7.2"), "valkey": ("7.2", "8.0")}
_VALKEY_NODES = ("SHARED_CORE_NANO", "STANDARD_SMALL", "HIGHMEM_MEDIUM", "HIGHMEM_XLARGE")
_BILLING_ACCOUNT = re.compile(r"[0-9A-F]{6}(-[0-9A-F]{6}){2}")
_LEAST_PRODUCTION_BACKUPS = 30
_LEAST_PRODUCTION_INSTANCES = 2
_LONGEST_ENTERPRISE_PITR = 7


def problems(config: StackConfig) -> list[Problem]:
    """All that is wrong with a configuration whose values have the right form."""
    return [problem for rule in _RULES for problem in rule(config)]


def _region(config: StackConfig) -> Iterator[Problem]:
    form, example = {
        Cloud.AWS: (r"[a-z]{2}(-[a-z]+)+-\d", "us-east-1"),
        Cloud.GCP: (r"[a-z]+-[a-z]+\d+", "us-central1"),
    }[config.cloud]
    for key, region in (("region", config.region), ("database.backupRegion", config.database.backup_region)):
        if region is not None and not re.fullmatch(form, region):
            yield key, f"{region!r} is no region of {config.cloud.upper()}: it may be one like {example}"
        elif config.cloud is Cloud.AWS and region is not None and region not in RDS_AUTHORITIES:
            yield (
                key,
                f"{region}: the image has no certificate of RDS there, so that no service would reach the database. "
                "core/foundation/trust says how to add it",
            )
    if config.database.backup_region == config.region:
        yield "database.backupRegion", f"is {config.region}, where the database is: a copy there is lost with it"


def _project(config: StackConfig) -> Iterator[Problem]:
    if config.cloud is Cloud.GCP and not config.project:
        yield "project", "is missing: Google Cloud creates nothing outside of a project. Set it to the project's id"
    if config.cloud is Cloud.AWS and config.project:
        yield "project", "is Google Cloud's: on AWS the credentials say which account is meant. Remove it"
    if config.cloud is Cloud.AWS and config.billing_account:
        yield "billingAccount", "is Google Cloud's: on AWS the account itself has the budget. Remove it"
    elif config.billing_account and not _BILLING_ACCOUNT.fullmatch(config.billing_account):
        yield (
            "billingAccount",
            f"{config.billing_account!r}: it has the form 01AB23-45CD67-89EF01, or no budget is made",
        )
    if config.cloud is Cloud.AWS and config.secret_versions:
        yield "secretVersions", "is Google Cloud's: on AWS a task reads the current version. Remove it"


def _domain(config: StackConfig) -> Iterator[Problem]:
    host = r"(?=.{4,200}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}"
    if config.domain is not None and not re.fullmatch(host, config.domain):
        yield "domain", f"{config.domain!r} is no host name: it may be one like billing.example.com"
    if config.is_production and config.domain is None:
        yield (
            "domain",
            "is missing: without one the certificate is self-signed and every client of production would have to "
            "trust it by hand. Set a domain whose zone you can delegate",
        )
    if config.dns_zone and not config.domain:
        yield "dnsZone", "is the zone of a domain that is not set: set domain too, or remove it"


def _sign_in(config: StackConfig) -> Iterator[Problem]:
    for name, client, secret in (
        ("google", config.sign_in.google, config.google_client_secret),
        ("github", config.sign_in.github, config.github_client_secret),
    ):
        if client is not None and secret is None:
            yield (
                f"signIn.{name}",
                "is a client without its secret, so that nobody could sign in: "
                f"pulumi config set --secret {name}ClientSecret",
            )
        if secret is not None and client is None:
            yield f"{name}ClientSecret", f"is the secret of a client that is not set: set signIn.{name} to its id"
        if client is not None and config.domain is None:
            yield (
                f"signIn.{name}",
                "needs a domain: people are led back to https://api.DOMAIN, as registered there",
            )


def _sizes(config: StackConfig) -> Iterator[Problem]:
    for role in Role:
        size = config.size(role)
        if size.cpu not in _FARGATE:
            yield f"{role}.cpu", f"{size.cpu:g}: both clouds take {', '.join(f'{cpu:g}' for cpu in _FARGATE)} vCPU"
            continue
        if config.cloud is Cloud.AWS:
            least, most, step = _FARGATE[size.cpu]
            fits = least <= size.memory <= most and (
                size.memory % step == 0 or (size.cpu == 0.25 and size.memory == 512)
            )
            if not fits:
                yield (
                    f"{role}.memory",
                    f"{size.memory} MiB: with {size.cpu:g} vCPU Fargate takes {least} to {most} in steps of {step}; "
                    "it would refuse the task definition",
                )
        else:
            if size.cpu < 1:
                if role is not Role.WORKER:
                    yield (
                        f"{role}.cpu",
                        f"{size.cpu:g}: with less than 1 vCPU Cloud Run serves one request at a time and mounts no "
                        "folder. Set 1 or more",
                    )
                continue
            least, most = _CLOUD_RUN[int(size.cpu)]
            if not least <= size.memory <= most:
                yield (
                    f"{role}.memory",
                    f"{size.memory} MiB: with {size.cpu:g} vCPU Cloud Run takes {least} to {most}; it would refuse "
                    "the revision",
                )
    if config.cloud is Cloud.GCP and config.worker.cpu < 1:
        yield "worker.cpu", f"{config.worker.cpu:g}: a worker pool is always on, for which Cloud Run wants 1 or more"
    if config.is_production and config.api.min < _LEAST_PRODUCTION_INSTANCES:
        yield "api.min", f"{config.api.min}: production has 2 or more, or one failing instance is an outage"


def _release(config: StackConfig) -> Iterator[Problem]:
    if config.cloud is Cloud.GCP and config.release.architecture == "arm64":
        yield "release.architecture", "arm64: Cloud Run runs amd64 only; the revision would never start"
    if config.cloud is Cloud.GCP and config.release.spot:
        yield "release.spot", "true: Cloud Run has no interruptible instances. Remove it"
    if bool(config.release.image) != bool(config.release.collector):
        yield "release.collector", "must be given with release.image: either both are published or both are built here"
    if config.is_production and config.release.spot:
        yield "release.spot", "true: production would lose instances at two minutes' notice. Remove it"


def _database(config: StackConfig) -> Iterator[Problem]:
    database = config.database
    if database.storage_max * 10 < database.storage * 11:
        yield (
            "database.storageMax",
            f"{database.storage_max} GB: storage grows in steps of a tenth or more, so it must be at least "
            f"{database.storage * 11 // 10} GB with a storage of {database.storage}",
        )
    if config.is_production:
        if not database.highly_available:
            yield "database.highlyAvailable", "false: production would be down whenever its one zone is"
        if database.backups_kept < _LEAST_PRODUCTION_BACKUPS:
            yield "database.backupsKept", f"{database.backups_kept}: production keeps 30 days of backups or more"
    yield from _rds(config) if config.cloud is Cloud.AWS else _cloud_sql(config)


def _rds(config: StackConfig) -> Iterator[Problem]:
    database = config.database
    if not re.fullmatch(r"db\.[a-z0-9]+\.[a-z0-9]+", database.instance):
        yield "database.instance", f"{database.instance!r} is no instance class of RDS: it may be one like db.m7g.large"
    if database.edition != "enterprise":
        yield "database.edition", "is Google Cloud's: RDS for PostgreSQL has no editions. Remove it"
    if database.backups_kept > 35:
        yield (
            "database.backupsKept",
            f"{database.backups_kept}: RDS keeps automated backups for 1 to 35 days and would refuse more; longer "
            "ones are kept by the backup plan",
        )
    elif database.pitr_days != database.backups_kept:
        yield (
            "database.pitrDays",
            f"{database.pitr_days}: on RDS the window is the retention of its backups, so it would silently be "
            f"{database.backups_kept}. Set both to the same",
        )


def _cloud_sql(config: StackConfig) -> Iterator[Problem]:
    database = config.database
    custom = re.fullmatch(r"db-custom-(\d+)-(\d+)", database.instance)
    if database.edition == "enterprise-plus":
        if not re.fullmatch(r"db-perf-optimized-N-\d+", database.instance):
            yield (
                "database.instance",
                f"{database.instance!r}: Enterprise Plus takes db-perf-optimized-N-2 and its larger ones only",
            )
    elif database.pitr_days > _LONGEST_ENTERPRISE_PITR:
        yield (
            "database.pitrDays",
            f"{database.pitr_days}: Cloud SQL Enterprise keeps the log for a point in time 1 to 7 days and would "
            "refuse more. Set 7 or less, or edition enterprise-plus (up to 35)",
        )
    if database.edition == "enterprise":
        if custom:
            yield from _custom_tier(int(custom[1]), int(custom[2]))
        elif database.instance not in ("db-f1-micro", "db-g1-small"):
            yield (
                "database.instance",
                f"{database.instance!r} is no tier of Cloud SQL Enterprise: it may be one like db-custom-2-8192",
            )
        elif config.is_production:
            yield "database.instance", f"{database.instance}: shared cores have no SLA; production takes db-custom-…"
    if database.highly_available and database.instance in ("db-f1-micro", "db-g1-small"):
        yield "database.highlyAvailable", f"true: {database.instance} is outside of the availability SLA"


def _custom_tier(cpus: int, memory: int) -> Iterator[Problem]:
    if not (cpus == 1 or (cpus % 2 == 0 and cpus <= 96)):
        yield "database.instance", f"{cpus} vCPU: Cloud SQL takes 1 or an even number up to 96"
    if memory % 256 or memory < 3840 or not Decimal("0.9") <= Decimal(memory) / 1024 / cpus <= Decimal("6.5"):
        yield (
            "database.instance",
            f"{memory} MiB for {cpus} vCPU: Cloud SQL takes 0.9 to 6.5 GiB a vCPU, 3840 or more, in steps of 256",
        )


def _cache(config: StackConfig) -> Iterator[Problem]:
    cache = config.cache
    offered = (_ELASTICACHE if config.cloud is Cloud.AWS else _MEMORYSTORE)[cache.engine]
    service = "ElastiCache" if config.cloud is Cloud.AWS else "Memorystore"
    if cache.version not in offered:
        yield (
            "cache.version",
            f"{cache.version!r}: {service} for {cache.engine} has {', '.join(offered)}"
            + (" and goes no further; valkey does" if cache.engine == "redis" else ""),
        )
    if config.cloud is Cloud.AWS:
        valid = re.fullmatch(r"cache\.[a-z0-9]+\.[a-z0-9]+", cache.node)
        form = "a node type like cache.t4g.medium"
    elif cache.engine == "redis":
        valid, form = re.fullmatch(r"[1-9]\d{0,2}", cache.node) and int(cache.node) <= 300, "1 to 300 GB, as a number"
    else:
        valid, form = cache.node in _VALKEY_NODES, " or ".join(_VALKEY_NODES)
    if not valid:
        yield "cache.node", f"{cache.node!r}: {service} for {cache.engine} takes {form}"
    if config.is_production and not cache.highly_available:
        yield "cache.highlyAvailable", "false: production would lose rate limits and sessions with its one node"


def _network(config: StackConfig) -> Iterator[Problem]:
    network = config.network
    try:
        block = ipaddress.ip_network(network.cidr)
    except ValueError as error:
        yield "network.cidr", f"{error}: it may be one like 10.20.0.0/16"
        return
    if not block.is_private or not 16 <= block.prefixlen <= 20:
        yield "network.cidr", f"{network.cidr}: it must be private and /16 to /20, or the subnets find no room"
    if config.cloud is Cloud.GCP:
        if network.zones:
            yield "network.zones", "is AWS's: Google Cloud's subnets span the region. Remove it"
        return
    for zone in network.zones:
        if not re.fullmatch(re.escape(config.region) + "[a-z]", zone):
            yield "network.zones", f"{zone!r} is no zone of {config.region}: it may be one like {config.region}a"
    if len(set(network.zones)) not in (0, 2, 3):
        yield "network.zones", f"{len(set(network.zones))} zones: 2 or 3, since load balancer and database span them"


def _logs(config: StackConfig) -> Iterator[Problem]:
    if config.cloud is Cloud.AWS and config.log_days not in _LOG_DAYS:
        yield "logDays", f"{config.log_days}: CloudWatch Logs takes {', '.join(map(str, _LOG_DAYS))}"
    if config.cloud is Cloud.GCP and not 1 <= config.log_days <= 3650:
        yield "logDays", f"{config.log_days}: Cloud Logging takes 1 to 3650"


def _switches(config: StackConfig) -> Iterator[Problem]:
    if config.is_production and config.switches.off_hours:
        yield "switches.offHours", "true: production would be stopped every night. It is for staging and development"


def _bridge(config: StackConfig) -> Iterator[Problem]:
    if config.bridge is None:
        return
    if config.bridge_key is None:
        yield "bridgeKey", "is missing: the tunnel needs a shared key. Set it with pulumi config set --secret bridgeKey"
    try:
        date.fromisoformat(config.bridge.until)
    except ValueError:
        yield "bridge.until", f"{config.bridge.until!r} is no day: it may be one like 2026-12-31"
    try:
        ipaddress.IPv4Address(config.bridge.peer_address)
    except ValueError:
        yield "bridge.peerAddress", f"{config.bridge.peer_address!r} is no IPv4 address"
    try:
        peer = ipaddress.IPv4Network(config.bridge.peer_cidr)
    except ValueError:
        yield "bridge.peerCidr", f"{config.bridge.peer_cidr!r} is no network: it may be one like 10.40.0.0/16"
        return
    try:
        own = ipaddress.IPv4Network(config.network.cidr)
    except ValueError:
        return  # said above, with network.cidr
    if own.overlaps(peer):
        yield "bridge.peerCidr", f"{peer} overlaps network.cidr ({own}): neither side could reach the other"


def _alerts(config: StackConfig) -> Iterator[Problem]:
    for email in config.alerts.emails:
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
            yield "alerts.emails", f"{email!r} is no e-mail address"
    if config.is_production and not config.alerts.emails:
        yield "alerts.emails", "is empty: nobody would hear that production is down"


_RULES: tuple[Callable[[StackConfig], Iterator[Problem]], ...] = (
    _region,
    _project,
    _domain,
    _sign_in,
    _sizes,
    _release,
    _database,
    _cache,
    _network,
    _logs,
    _switches,
    _bridge,
    _alerts,
)
