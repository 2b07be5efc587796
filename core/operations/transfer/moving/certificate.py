"""The certificate of a move: what both sides held when the one handed over to the other, by tenant, signed.

Anyone who has the file and the public half of the ledger's key can check it, without either server.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core.billing.ledger.signing import load_signing_keys
from core.foundation.settings import Settings
from core.operations.transfer.digests import Digests
from core.operations.transfer.documents import read_signed, sign
from core.operations.transfer.errors import SetDamaged, SetForeign
from core.operations.transfer.moving.errors import CertificateAltered, CertificateForeign

KIND = "cloudbill move certificate 1"


def compose(
    *, move_id: str, about: dict[str, Any], left: Digests, right: Digests, books: dict[str, Any]
) -> dict[str, Any]:
    """The document: per tenant the root of its digests on either side; what does not agree would stand there, too."""
    tenants = sorted({*left.tenants(), *right.tenants()})
    return {
        "kind": KIND,
        "move": move_id,
        **about,
        "salt": left.salt,
        "roots": {"from": left.root(), "to": right.root()},
        "tenants": {tenant: {"from": left.tenant_root(tenant), "to": right.tenant_root(tenant)} for tenant in tenants},
        "rows": {table: {"from": left.rows(table), "to": right.rows(table)} for table in sorted(left.leaves)},
        "books": books,
    }


def write(folder: Path, name: str, document: dict[str, Any], settings: Settings) -> Path:
    """Signed with the ledger's key, into a file of its own."""
    path = folder / name
    unfinished = path.with_suffix(".writing")
    unfinished.write_bytes(sign(document, load_signing_keys(settings)[0]))
    unfinished.replace(path)
    return path


def verify(path: Path, *, believed: Iterable[str]) -> dict[str, Any]:
    """What it says, once its signature holds and both sides agree in it.

    Raises CertificateAltered or CertificateForeign.
    """
    try:
        document = read_signed(path.read_bytes(), name=path.name, believed=believed)
    except SetDamaged as error:
        raise CertificateAltered(error.detail) from None
    except SetForeign as error:
        raise CertificateForeign(error.detail) from None
    if document.get("kind") != KIND:
        raise CertificateAltered(f"{path.name} is signed, and no certificate of a move")
    unequal = [tenant for tenant, roots in document["tenants"].items() if roots["from"] != roots["to"]]
    if unequal or document["roots"]["from"] != document["roots"]["to"]:
        raise CertificateAltered(f"{path.name} says that the sides differ: {', '.join(unequal) or 'in their root'}")
    return document
