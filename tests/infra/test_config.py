"""A wrong configuration names its key, what it may be and what the cloud would have done; nothing is created."""

import json
from typing import Any

import pytest
from cryptography import x509

from infra.aws.database import AUTHORITIES_FILE
from infra.config import Cloud, Environment, InvalidConfig, Role, StackConfig, read_config
from infra.limits import RDS_AUTHORITIES
from infra.recording.program import read_stack, stacks
from tests.support.servers import ROOT

PRODUCTION: dict[str, Any] = {
    "environment": "production",
    "domain": "billing.example.com",
    "alerts": {"emails": ["oncall@example.com"]},
}
AWS = {**PRODUCTION, "cloud": "aws"}
GCP = {**PRODUCTION, "cloud": "gcp", "project": "cloudbill-production"}


def _read(values: dict[str, Any]) -> StackConfig:
    """As Pulumi hands it out: texts, with JSON for what is no text."""
    return read_config(
        "toy", {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    )


def _problems(values: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidConfig) as raised:
        _read(values)
    return raised.value.problems


def test_every_committed_stack_is_valid_and_six_there_are() -> None:
    assert stacks() == ["dev", "dev-gcp", "prod", "prod-gcp", "staging", "staging-gcp"]
    for stack in stacks():
        values = {key.removeprefix("cloudbill:"): text for key, text in read_stack(stack).config.items()}
        config = read_config(stack, values)
        assert config.cloud is (Cloud.GCP if stack.endswith("-gcp") else Cloud.AWS)


@pytest.mark.parametrize("base", [AWS, GCP])
def test_production_is_what_was_asked_for(base: dict[str, Any]) -> None:
    config = _read(base)

    assert (config.api.min, config.api.max) == (2, 10)
    assert (config.console.min, config.console.max) == (1, 10)
    assert config.database.highly_available
    assert config.database.backups_kept == 30
    assert config.cache.highly_available
    assert config.database.version == "15"
    assert config.release.spot is False
    assert config.public_host == "api.billing.example.com"


@pytest.mark.parametrize(
    ("environment", "available", "backups", "least", "most"),
    [("staging", False, 7, 1, 5), ("development", False, 1, 1, 3)],
)
def test_the_other_environments_are_smaller(
    environment: str, available: bool, backups: int, least: int, most: int
) -> None:
    for cloud in ({"cloud": "aws"}, {"cloud": "gcp", "project": "p"}):
        config = _read({**cloud, "environment": environment})
        assert config.environment is Environment(environment)
        assert config.database.highly_available is available
        assert config.database.backups_kept == backups
        assert (config.size(Role.API).min, config.size(Role.API).max) == (least, most)


def test_a_section_that_says_one_thing_keeps_the_rest() -> None:
    config = _read({**AWS, "api": {"max": 20}})

    assert (config.api.min, config.api.max, config.api.memory) == (2, 20, 2048)


@pytest.mark.parametrize(
    ("base", "changed", "problem"),
    [
        (AWS, {"cloud": "azure"}, 'cloudbill:cloud is "azure": it may be aws or gcp'),
        (AWS, {"environment": "prod"}, 'cloudbill:environment is "prod": it may be production or staging or'),
        (AWS, {"databse": {}}, "cloudbill:databse is no key: did you mean database?"),
        (AWS, {"database": {"storag": 1}}, "cloudbill:database.storag is no key: did you mean storage?"),
        (AWS, {"api": {"memory": "much"}}, 'cloudbill:api.memory is "much": it must be a valid integer'),
        (AWS, {"alerts": "me"}, 'cloudbill:alerts is "me": it must be a mapping of budget, emails'),
        (AWS, {"api": {"cpu": 3}}, "cloudbill:api.cpu: 3: both clouds take 0.25, 0.5, 1, 2, 4, 8 vCPU"),
        (AWS, {"api": {"min": 20}}, "min (20) is above max (10): autoscaling would never start an instance"),
        (AWS, {"api": {"min": 1}}, "cloudbill:api.min: 1: production has 2 or more"),
        (AWS, {"api": {"cpu": 1, "memory": 1024}}, "with 1 vCPU Fargate takes 2048 to 8192 in steps of 1024"),
        (GCP, {"api": {"cpu": 4, "memory": 1024}}, "with 4 vCPU Cloud Run takes 2048 to 16384"),
        (GCP, {"worker": {"cpu": 0.5}}, "cloudbill:worker.cpu: 0.5: a worker pool is always on"),
        (GCP, {"console": {"cpu": 0.5}}, "console.cpu: 0.5: with less than 1 vCPU Cloud Run serves one request"),
        (AWS, {"billingAccount": "0123-4567"}, "cloudbill:billingAccount: is Google Cloud's"),
        (AWS, {"secretVersions": {"cloudbill-cache-url": 2}}, "cloudbill:secretVersions: is Google Cloud's"),
        (GCP, {"database": {"pitrDays": 30}}, "Cloud SQL Enterprise keeps the log for a point in time 1 to 7 days"),
        (AWS, {"database": {"backupsKept": 60, "pitrDays": 35}}, "RDS keeps automated backups for 1 to 35 days"),
        (AWS, {"database": {"pitrDays": 7}}, "so it would silently be 30. Set both to the same"),
        (AWS, {"database": {"backupsKept": 7, "pitrDays": 7}}, "production keeps 30 days of backups or more"),
        (AWS, {"database": {"version": "14"}}, "it must be '15', '16', '17' or '18'"),
        (AWS, {"database": {"instance": "db-custom-2-8192"}}, "is no instance class of RDS"),
        (AWS, {"database": {"edition": "enterprise-plus"}}, "RDS for PostgreSQL has no editions"),
        (AWS, {"database": {"highlyAvailable": False}}, "production would be down whenever its one zone is"),
        (AWS, {"database": {"storageMax": 100}}, "it must be at least 110 GB with a storage of 100"),
        (AWS, {"database": {"backupRegion": "us-east-1"}}, "a copy there is lost with it"),
        (AWS, {"database": {"backupRegion": "us-west1"}}, "is no region of AWS: it may be one like us-east-1"),
        (GCP, {"database": {"instance": "db.m7g.large"}}, "is no tier of Cloud SQL Enterprise"),
        (GCP, {"database": {"instance": "db-custom-3-8192"}}, "3 vCPU: Cloud SQL takes 1 or an even number up to 96"),
        (GCP, {"database": {"instance": "db-custom-2-30000"}}, "Cloud SQL takes 0.9 to 6.5 GiB a vCPU"),
        (GCP, {"database": {"instance": "db-f1-micro"}}, "shared cores have no SLA"),
        (GCP, {"database": {"edition": "enterprise-plus"}}, "Enterprise Plus takes db-perf-optimized-N-2"),
        (GCP, {"release": {"architecture": "arm64"}}, "Cloud Run runs amd64 only; the revision would never start"),
        (GCP, {"release": {"spot": True}}, "Cloud Run has no interruptible instances"),
        (AWS, {"release": {"spot": True}}, "production would lose instances at two minutes' notice"),
        (AWS, {"release": {"image": "app:latest"}}, "REPOSITORY@sha256:DIGEST, since a tag may be moved"),
        (AWS, {"release": {"image": "app@sha256:" + "a" * 64}}, "must be given with release.image"),
        (AWS, {"cache": {"engine": "redis", "version": "7.2"}}, "has 7.0, 7.1 and goes no further; valkey does"),
        (GCP, {"cache": {"node": "cache.t4g.medium"}}, "Memorystore for redis takes 1 to 300 GB, as a number"),
        (GCP, {"cache": {"engine": "valkey", "version": "8.0", "node": "4"}}, "SHARED_CORE_NANO or STANDARD_SMALL"),
        (AWS, {"network": {"cidr": "8.8.0.0/16"}}, "it must be private and /16 to /20"),
        (AWS, {"network": {"cidr": "10.0.0.0/24"}}, "it must be private and /16 to /20"),
        (AWS, {"network": {"cidr": "10.0.0.300/16"}}, "cloudbill:network.cidr"),
        (AWS, {"network": {"zones": ["us-east-1a"]}}, "1 zones: 2 or 3"),
        (AWS, {"network": {"zones": ["us-east-1a", "eu-west-1b"]}}, "'eu-west-1b' is no zone of us-east-1"),
        (GCP, {"network": {"zones": ["a", "b"]}}, "Google Cloud's subnets span the region"),
        (AWS, {"logDays": 42}, "CloudWatch Logs takes 1, 3, 5, 7, 14, 30"),
        (AWS, {"switches": {"offHours": True}}, "production would be stopped every night"),
        (AWS, {"alerts": {"emails": []}}, "nobody would hear that production is down"),
        (AWS, {"alerts": {"emails": ["oncall"]}}, "'oncall' is no e-mail address"),
        (AWS, {"domain": "not a host"}, "'not a host' is no host name"),
        (AWS, {"region": "xx-east-1"}, "xx-east-1: the image has no certificate of RDS there"),
        (GCP, {"billingAccount": "mine"}, "'mine': it has the form 01AB23-45CD67-89EF01, or no budget is made"),
        (AWS, {"project": "p"}, "is Google Cloud's: on AWS the credentials say which account is meant"),
        ({**GCP, "project": ""}, {}, "Google Cloud creates nothing outside of a project"),
        (AWS, {"region": "us-central1"}, "is no region of AWS"),
        (
            AWS,
            {"bridge": {"until": "2026-12-31", "peerAddress": "203.0.113.7", "peerCidr": "10.20.128.0/20"}},
            "overlaps network.cidr (10.20.0.0/16): neither side could reach the other",
        ),
        (
            AWS,
            {"bridge": {"until": "2026-12-31", "peerAddress": "203.0.113.7", "peerCidr": "10.40.0.0/16"}},
            "cloudbill:bridgeKey: is missing: the tunnel needs a shared key",
        ),
        (AWS, {"bridge": {"until": "soon", "peerAddress": "x", "peerCidr": "y"}}, "cloudbill:bridge.until"),
    ],
)
def test_each_wrong_value_is_named(base: dict[str, Any], changed: dict[str, Any], problem: str) -> None:
    assert any(problem in line for line in _problems({**base, **changed}))


def test_production_without_a_domain_is_refused_and_development_is_not() -> None:
    assert any("cloudbill:domain" in line for line in _problems({**AWS, "domain": ""}))
    assert _read({"cloud": "aws", "environment": "development"}).domain is None


def test_everything_that_is_wrong_is_said_at_once() -> None:
    said = _problems({**GCP, "database": {"pitrDays": 30}, "api": {"min": 1}, "logDays": 0})

    assert len(said) == 3


def test_a_secret_is_never_shown() -> None:
    config = _read({**AWS, "stripeSecretKey": "sk_live_hidden"})

    assert config.stripe_secret_key is not None
    assert config.stripe_secret_key.get_secret_value() == "sk_live_hidden"
    assert "hidden" not in repr(config)
    assert "hidden" not in " ".join(_problems({**AWS, "stripeSecretKey": "sk_live_hidden", "api": {"min": 1}}))


def test_the_image_has_the_authority_of_each_region_that_is_accepted() -> None:
    file = ROOT / AUTHORITIES_FILE.removeprefix("/app/")
    names = {
        certificate.subject.rfc4514_string().split("CN=Amazon RDS ")[1].split(" ")[0]
        for certificate in x509.load_pem_x509_certificates(file.read_bytes())
    }

    assert names == RDS_AUTHORITIES
