"""Values that stand in for what no provider at hand makes: other providers' outputs, and the secrets of a stack."""

import functools
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.graph import Resource

DIGEST = "sha256:" + "ab" * 32
SECRET = "StandsInForASecret0123456789"
SECRETS = {
    ("aws:sns/topicSubscription:TopicSubscription", "endpoint"): "https://events.example.com/integration/0123/enqueue",
}
"""Secrets that must have a form of their own, by type and path."""


def secret_for(resource: Resource, place: str) -> str:
    """A value that the provider may accept."""
    return SECRETS.get((resource.type, place), SECRET)


def outputs_of(resource: Resource) -> dict[str, Any]:
    """What the resource would offer, in Pulumi's names."""
    match resource.type:
        case "random:index/randomPassword:RandomPassword":
            return {"result": "x" * resource.inputs["length"]}
        case "random:index/randomBytes:RandomBytes":
            return {"base64": "AAAA", "hex": "00"}
        case "docker-build:index:Image":
            return {"digest": DIGEST, "ref": f"registry.example.com/image@{DIGEST}"}
        case "tls:index/privateKey:PrivateKey":
            return {"privateKeyPem": _self_signed()[0]}
        case "tls:index/selfSignedCert:SelfSignedCert":
            return {"certPem": _self_signed()[1]}
        case _:
            return {
                "id": resource.name,
                "name": resource.name,
                "arn": f"arn:aws:none:us-east-1:123456789012:{resource.name}",
            }


@functools.cache
def _self_signed() -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return (
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode(),
        certificate.public_bytes(pem).decode(),
    )
