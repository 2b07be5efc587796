"""What one cloud does not have, or has less of: which feature is missing, what stands in its place, and the page."""

from dataclasses import dataclass

_AWS, _GOOGLE = "https://docs.aws.amazon.com", "https://cloud.google.com"


@dataclass(frozen=True)
class Explanation:
    """Why a stack on this cloud lacks a capability, and the provider's page that says so."""

    text: str
    page: str


EXPLANATIONS: dict[tuple[str, str, str], Explanation] = {
    ("aws", "edge", "signed DNS (DNSSEC)"): Explanation(
        "Route 53 signs only with a key in us-east-1 and after a record was put at the parent zone by hand: the "
        "program makes neither",
        f"{_AWS}/Route53/latest/DeveloperGuide/dns-configuring-dnssec.html",
    ),
    ("aws", "edge", "attacks recognized by learning"): Explanation(
        "comes with Shield Advanced only (3,000 USD a month); rate rules and managed groups stand in its place",
        f"{_AWS}/waf/latest/developerguide/ddos-automatic-app-layer-response.html",
    ),
    ("aws", "secrets", "told when one is due"): Explanation(
        "Secrets Manager tells nobody: it rotates by a Lambda function of one's own, or not; the tag rotation-days "
        "says how often",
        f"{_AWS}/secretsmanager/latest/userguide/rotate-secrets_lambda.html",
    ),
    ("gcp", "edge", "invalid headers dropped, ambiguous requests refused"): Explanation(
        "no switch: Google's front ends parse and write anew every request themselves",
        f"{_GOOGLE}/load-balancing/docs/https",
    ),
    ("gcp", "edge", "load balancer protected from deletion"): Explanation(
        "forwarding rules have no such field; Pulumi keeps the address, which names and certificate hang on",
        f"{_GOOGLE}/compute/docs/reference/rest/v1/globalForwardingRules",
    ),
    ("gcp", "compute", "autoscaling on memory"): Explanation(
        "Cloud Run scales on requests and CPU, not on memory; an alarm watches memory",
        f"{_GOOGLE}/run/docs/about-instance-autoscaling",
    ),
    ("gcp", "compute", "worker scales by itself"): Explanation(
        "a worker pool runs as many instances as it is told (worker.min); an alarm watches its CPU",
        f"{_GOOGLE}/run/docs/configuring/workerpools/manual-scaling",
    ),
    ("gcp", "compute", "interruptible instances"): Explanation(
        "Cloud Run has none; outside of production an API without requests may go down to none instead",
        f"{_GOOGLE}/run/pricing",
    ),
    ("gcp", "compute", "read-only root"): Explanation(
        "the root of a Cloud Run instance is writable, in memory and gone with it",
        f"{_GOOGLE}/run/docs/container-contract#filesystem",
    ),
    ("gcp", "compute", "nobody special, by the platform's word"): Explanation(
        "a Cloud Run container has no field for it: the image's own USER (10001) says it",
        f"{_GOOGLE}/run/docs/reference/rest/v2/Container",
    ),
    ("gcp", "compute", "what starts a service apart from what it may do"): Explanation(
        "one service account pulls no image and writes no log, but reads the secrets and is the application's",
        f"{_GOOGLE}/run/docs/securing/service-identity",
    ),
    ("gcp", "compute", "an alarm takes a deployment back"): Explanation(
        "traffic stays where it was until the new revision is ready; to take it back later is a command",
        f"{_GOOGLE}/run/docs/rollouts-rollbacks-traffic-migration",
    ),
    ("gcp", "compute", "a minute to stop gracefully"): Explanation(
        "Cloud Run ends an instance 10 seconds after it asked; a request that runs is waited for before",
        f"{_GOOGLE}/run/docs/container-contract#instance-shutdown",
    ),
    ("gcp", "database", "owner's password made and rotated by the cloud"): Explanation(
        "Cloud SQL rotates no password: a message says when it is due, and a runbook does it",
        f"{_GOOGLE}/secret-manager/docs/secret-rotation",
    ),
    ("gcp", "database", "no paid support for old versions"): Explanation(
        "an instance is put into extended support by itself: what it will cost is said by cloudbill cost",
        f"{_GOOGLE}/sql/docs/postgres/extended-support",
    ),
    ("gcp", "cache", "a user with rights of its own"): Explanation(
        "Memorystore for Redis has one password and no users",
        f"{_GOOGLE}/memorystore/docs/redis/about-redis-auth",
    ),
    ("gcp", "cache", "snapshots kept for days"): Explanation(
        "Memorystore for Redis keeps the newest snapshot only, to come back with; Valkey (config cache.engine) keeps "
        "several. Nothing that counts lies in the cache",
        f"{_GOOGLE}/memorystore/docs/redis/about-rdb-snapshots",
    ),
    ("gcp", "cache", "slow log"): Explanation(
        "an instance has no field for it: SLOWLOG GET answers while it runs",
        f"{_GOOGLE}/memorystore/docs/redis/reference/rest/v1/projects.locations.instances",
    ),
    ("gcp", "oversight", "threats recognized"): Explanation(
        "Security Command Center is activated by an organization's administrator, not by a project's program",
        f"{_GOOGLE}/security-command-center/docs/activate-scc-overview",
    ),
    ("gcp", "oversight", "record of every configuration"): Explanation(
        "Cloud Asset Inventory keeps 35 days of every project by itself: there is nothing to make",
        f"{_GOOGLE}/asset-inventory/docs/overview",
    ),
    ("gcp", "recovery", "days back to any second"): Explanation(
        "Cloud SQL Enterprise keeps the log for 7 days at most, Enterprise Plus (config database.edition) for 35",
        f"{_GOOGLE}/sql/docs/postgres/backup-recovery/pitr",
    ),
    ("gcp", "recovery", "any second in another region"): Explanation(
        "the log stays in its region: a dump a day lies in the other one",
        f"{_GOOGLE}/sql/docs/postgres/backup-recovery/pitr",
    ),
}
"""By cloud, area and name."""
