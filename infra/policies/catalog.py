"""All rules."""

from infra.policies.rule import Rule
from infra.policies.rules import (
    alarms,
    availability,
    backups,
    bridge,
    containers,
    database,
    deletion,
    domain,
    edge,
    encryption,
    firewall,
    identity,
    keys,
    logging,
    network,
    program,
    secrets,
    tls,
    waf,
)

RULES: tuple[Rule, ...] = tuple(
    rule
    for subject in (
        network,
        firewall,
        edge,
        waf,
        tls,
        domain,
        encryption,
        keys,
        secrets,
        identity,
        containers,
        database,
        backups,
        availability,
        logging,
        alarms,
        deletion,
        program,
        bridge,
    )
    for rule in subject.RULES
)
