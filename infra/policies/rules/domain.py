"""Names: whose they are, who may certify them, and that nobody forges them."""

from infra.policies.demand import PRESENT, TRUE, at_least, between, none_of, one_of
from infra.policies.kinds import ZONE
from infra.policies.reading import Stack, entries, rows, texts
from infra.policies.rule import Finding, Found, Severity, each, judged, rule

ROUTE53 = "aws:route53/zone:Zone"
RECORD = "aws:route53/record:Record"
GCP_RECORD = "gcp:dns/recordSet:RecordSet"
LOGGED = "gcp:dns/managedZone:ManagedZone"
SHARES = ("RSASHA1",)


def _one_issuer(stack: Stack) -> Found:
    for zone, kind, path in (
        *((zone, RECORD, "zoneId") for zone in stack.of(ROUTE53)),
        *((zone, GCP_RECORD, "managedZone") for zone in stack.of(ZONE)),
    ):
        issuers = [
            text
            for record in stack.referring(zone, kind, path)
            if record.inputs.get("type") == "CAA"
            for text in texts([record.inputs.get("records"), record.inputs.get("rrdatas")])
        ]
        if not any("issue" in text for text in issuers):
            yield Finding(zone.name, "add a CAA record that names who may certify it")


def _signed(stack: Stack) -> Found:
    for zone in stack.of(ZONE):
        signing = entries(zone.inputs.get("dnssecConfig"))
        if signing.get("state") != "on":
            yield Finding(zone.name, "set dnssecConfig.state to on")
        for key in rows(signing.get("defaultKeySpecs")):
            if str(key.get("algorithm", "")).upper() in SHARES:
                yield Finding(zone.name, "sign by ECDSA, not by RSASHA1")
            if not at_least(256).holds(key.get("keyLength"), stack):
                yield Finding(zone.name, "sign with keys of 256 bits or more: defaultKeySpecs[].keyLength")


RULES = (
    rule(
        "domain.signed",
        "The zone is signed (DNSSEC), by an algorithm that holds.",
        judged(_signed, ZONE),
        source="INF-8; CIS GCP 3.3; CIS GCP 3.4; CIS GCP 3.5",
        severity=Severity.MEDIUM,
    ),
    rule(
        "domain.one-issuer",
        "The zone names who may certify it.",
        judged(_one_issuer, ROUTE53, ZONE),
        source="INF-8; RFC 8659",
        severity=Severity.MEDIUM,
    ),
    rule(
        "domain.queries-logged",
        "Queries of the zone are written down.",
        each(LOGGED, "cloudLoggingConfig.enableLogging", TRUE),
        source="OPS-10; CIS GCP 2.12",
        severity=Severity.MEDIUM,
    ),
    rule(
        "domain.public-and-found",
        "Records can change within the hour, and lead to the front.",
        each(LOGGED, "visibility", one_of("public").or_absent()),
        each(GCP_RECORD, "ttl", between(30, 3600)),
        each(GCP_RECORD, "rrdatas[]", none_of("")),
        each(RECORD, "ttl", between(30, 3600), when=lambda _, found: not found.inputs.get("aliases")),
        each(RECORD, "name", PRESENT),
        source="INF-8; DR-5",
        severity=Severity.MEDIUM,
    ),
)
