"""Where it is reached: zone and certificates."""

import pulumi_aws as aws
import pulumi_tls as tls
from pulumi import ComponentResource, CustomTimeouts, Output, ResourceOptions

from infra.config import StackConfig
from infra.contract import DomainArgs

VALIDATION_MINUTES = 75
"""How long a new domain may take to be delegated to the zone, while the program waits for its certificate."""
SELF_SIGNED_HOST = "cloudbill.internal"
_YEAR_HOURS = 365 * 24


class Domain(ComponentResource):
    """A zone (or the one in `dnsZone`), and a certificate each for the console's host and the API's, validated by DNS.

    Two certificates, since each is then proved by exactly one record, whose order nothing has to guess. With a new
    zone the domain has to be delegated to `name_servers` while the program waits; it can also be started again then.

    Without a domain the load balancer's own host name serves both, and no authority certifies a name of Amazon's: the
    certificate is signed by itself and imported. It encrypts and proves nothing; browsers say so. Production refuses
    to be without a domain. Google's certificates are managed by the load balancer instead, and renew the same way.
    """

    certificate: Output[str]
    api_certificate: Output[str] | None
    name_servers: Output[list[str]] | None
    zone: Output[str] | None

    def __init__(self, name: str, args: DomainArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Domain", name, None, opts)
        self._name = name
        self.zone = self.name_servers = self.api_certificate = None
        config = args.config
        if config.domain is None:
            self.certificate = self._self_signed()
        else:
            self.zone = self._zone(config, config.domain)
            self.certificate = self._certified("console", config.domain, self.zone)
            self.api_certificate = self._certified("api", f"api.{config.domain}", self.zone)
        self.register_outputs({"certificate": self.certificate})

    def _zone(self, config: StackConfig, domain: str) -> Output[str]:
        if config.dns_zone:
            return Output.from_input(config.dns_zone)
        zone = aws.route53.Zone(
            f"{self._name}-zone",
            name=domain,
            comment=f"CloudBill ({config.stack})",
            opts=ResourceOptions(parent=self, protect=config.is_production),
        )
        aws.route53.Record(
            f"{self._name}-authority",
            zone_id=zone.zone_id,
            name=domain,
            type="CAA",
            ttl=3600,
            # Nobody but Amazon certifies these names.
            records=['0 issue "amazon.com"'],
            opts=ResourceOptions(parent=zone),
        )
        self.name_servers = zone.name_servers.apply(list)
        return zone.zone_id

    def _certified(self, what: str, host: str, zone: Output[str]) -> Output[str]:
        certificate = aws.acm.Certificate(
            f"{self._name}-{what}",
            domain_name=host,
            validation_method="DNS",
            options={"certificate_transparency_logging_preference": "ENABLED"},
            opts=ResourceOptions(parent=self),
        )
        proof = certificate.domain_validation_options[0]
        record = aws.route53.Record(
            f"{self._name}-{what}-proof",
            zone_id=zone,
            name=proof.resource_record_name,
            type=proof.resource_record_type,
            records=[proof.resource_record_value],
            ttl=300,
            opts=ResourceOptions(parent=certificate),
        )
        return aws.acm.CertificateValidation(
            f"{self._name}-{what}-validation",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn],
            opts=ResourceOptions(parent=certificate, custom_timeouts=CustomTimeouts(create=f"{VALIDATION_MINUTES}m")),
        ).certificate_arn

    def _self_signed(self) -> Output[str]:
        key = tls.PrivateKey(f"{self._name}-key", algorithm="RSA", rsa_bits=2048, opts=ResourceOptions(parent=self))
        certificate = tls.SelfSignedCert(
            f"{self._name}-self-signed",
            private_key_pem=key.private_key_pem,
            subject={"common_name": SELF_SIGNED_HOST, "organization": "CloudBill"},
            dns_names=[SELF_SIGNED_HOST],
            allowed_uses=["digital_signature", "key_encipherment", "server_auth"],
            validity_period_hours=_YEAR_HOURS,
            early_renewal_hours=30 * 24,
            opts=ResourceOptions(parent=self),
        )
        return aws.acm.Certificate(
            f"{self._name}-imported",
            private_key=key.private_key_pem,
            certificate_body=certificate.cert_pem,
            opts=ResourceOptions(parent=self),
        ).arn
