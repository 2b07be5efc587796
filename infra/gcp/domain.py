"""Under which names and address the installation is reached, and the certificate for it."""

from collections.abc import Sequence

import pulumi
import pulumi_tls as tls
from pulumi_gcp import certificatemanager, compute, dns

from infra.contract import DomainArgs

API_PORT_WITHOUT_DOMAIN = 8443
"""One address has one certificate and no host names to tell API and console apart: the API gets a port of its own."""
TTL_SECONDS = 300
SELF_SIGNED_HOURS = 365 * 24


class Domain(pulumi.ComponentResource):
    """With a domain: zone, records, and a certificate that Google renews. Without: a self-signed one for the address.

    The address belongs here and not to the edge, since records, certificate and the services' own settings need it
    before there is an edge. AWS' load balancer has a name and no fixed address. Google issues the certificate only
    once the domain is delegated to `name_servers`; until then the edge answers with a TLS error, and `pulumi up` does
    not wait for it.
    """

    certificate: pulumi.Output[str]
    name_servers: pulumi.Output[list[str]] | None = None
    certificate_map: pulumi.Output[str] | None = None
    trusted: pulumi.Output[str] | None = None
    """The self-signed certificate (PEM), which a client has to trust by hand."""
    api_url: pulumi.Output[str]
    console_url: pulumi.Output[str]

    def __init__(self, name: str, args: DomainArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Domain", name, None, opts)
        self._name, self._config = name, args.config
        self._under = pulumi.ResourceOptions(parent=self)
        self.address = compute.GlobalAddress(
            f"{name}-address",
            address_type="EXTERNAL",
            ip_version="IPV4",
            # Records and other people's firewalls name it.
            opts=pulumi.ResourceOptions(parent=self, protect=args.config.is_production),
        )
        domain, api_host = args.config.domain, args.config.public_host
        if domain is not None and api_host is not None:
            self.api_url = pulumi.Output.from_input(f"https://{api_host}")
            self.console_url = pulumi.Output.from_input(f"https://{domain}")
            self.certificate = self._managed((domain, api_host))
        else:
            self.api_url = pulumi.Output.concat("https://", self.address.address, f":{API_PORT_WITHOUT_DOMAIN}")
            self.console_url = pulumi.Output.concat("https://", self.address.address)
            self.certificate = self._self_signed()
        self.register_outputs({"certificate": self.certificate, "apiUrl": self.api_url})

    def _managed(self, hosts: Sequence[str]) -> pulumi.Output[str]:
        zone = self._zone(hosts[0])
        authorizations: list[pulumi.Output[str]] = []
        labels = ("console", "api")
        for label, host in zip(labels, hosts, strict=True):
            authorization = certificatemanager.DnsAuthorization(
                f"{self._name}-{label}-authorization", domain=host, opts=self._under
            )
            authorizations.append(authorization.id)
            proof = authorization.dns_resource_records.apply(lambda records: records[0])
            self._record(
                f"{label}-proof",
                zone,
                kind=proof.apply(lambda record: record.type or ""),
                host=proof.apply(lambda record: record.name or ""),
                value=proof.apply(lambda record: record.data or ""),
            )
            self._record(label, zone, kind="A", host=f"{host}.", value=self.address.address)
        certificate = certificatemanager.Certificate(
            f"{self._name}-certificate",
            scope="DEFAULT",
            managed={"domains": list(hosts), "dns_authorizations": authorizations},
            opts=self._under,
        )
        certificates = certificatemanager.CertificateMap(f"{self._name}-certificates", opts=self._under)
        entries = [
            certificatemanager.CertificateMapEntry(
                f"{self._name}-{label}-entry",
                map=certificates.name,
                hostname=host,
                certificates=[certificate.id],
                opts=self._under,
            )
            for label, host in zip(labels, hosts, strict=True)
        ]
        self.certificate_map = pulumi.Output.all(certificates.id, *(entry.id for entry in entries)).apply(
            lambda ids: f"//certificatemanager.googleapis.com/{ids[0]}"
        )
        return certificate.id

    def _zone(self, domain: str) -> pulumi.Input[str]:
        if self._config.dns_zone is not None:
            return self._config.dns_zone
        zone = dns.ManagedZone(
            f"{self._name}-zone",
            dns_name=f"{domain}.",
            description="CloudBill",
            visibility="public",
            dnssec_config={
                "state": "on",
                "non_existence": "nsec3",
                "default_key_specs": [
                    {"algorithm": "ecdsap256sha256", "key_type": "keySigning", "key_length": 256},
                    {"algorithm": "ecdsap256sha256", "key_type": "zoneSigning", "key_length": 256},
                ],
            },
            cloud_logging_config={"enable_logging": True},
            force_destroy=False,
            # Made anew it would have other name servers, and the delegation would lead nowhere.
            opts=pulumi.ResourceOptions(parent=self, protect=self._config.environment != "development"),
        )
        self.name_servers = zone.name_servers.apply(list)
        # Nobody else may issue certificates for it.
        self._record("issuer", zone.name, kind="CAA", host=f"{domain}.", value='0 issue "pki.goog"')
        return zone.name

    def _record(
        self,
        purpose: str,
        zone: pulumi.Input[str],
        *,
        kind: pulumi.Input[str],
        host: pulumi.Input[str],
        value: pulumi.Input[str],
    ) -> None:
        dns.RecordSet(
            f"{self._name}-{purpose}-record",
            managed_zone=zone,
            name=host,
            type=kind,
            ttl=TTL_SECONDS,
            rrdatas=[value],
            opts=self._under,
        )

    def _self_signed(self) -> pulumi.Output[str]:
        key = tls.PrivateKey(f"{self._name}-key", algorithm="ECDSA", ecdsa_curve="P256", opts=self._under)
        signed = tls.SelfSignedCert(
            f"{self._name}-self-signed",
            private_key_pem=key.private_key_pem,
            ip_addresses=[self.address.address],
            subject={"common_name": "CloudBill", "organization": "CloudBill"},
            validity_period_hours=SELF_SIGNED_HOURS,
            early_renewal_hours=30 * 24,
            allowed_uses=["digital_signature", "server_auth"],
            opts=self._under,
        )
        self.trusted = signed.cert_pem
        return compute.SSLCertificate(
            f"{self._name}-certificate",
            certificate=signed.cert_pem,
            private_key=key.private_key_pem,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=False),
        ).self_link
