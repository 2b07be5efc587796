"""What an installation needs beside its databases, and whether the target has it: keys, told by their fingerprints.

The rows hold what ENCRYPTION_KEY sealed (the keys that sign tokens among it), heads and evidence carry the ledger key's
signature. Neither key is ever in a set. JWT keys are rows and come along.
"""

from hashlib import sha256

from core.foundation.settings import Settings
from core.operations.transfer.documents import own_public_keys, public_key_id
from core.operations.transfer.errors import KeyDiffers


def fingerprints(settings: Settings) -> dict[str, list[str]]:
    """`encryption` and `ledger`: 16 hexadecimal digits a key, the first one is in use."""
    given = settings.encryption_key.get_secret_value() if settings.encryption_key else ""
    return {
        "encryption": [_fingerprint(key.strip()) for key in given.split(",") if key.strip()],
        "ledger": [public_key_id(key) for key in own_public_keys(settings)],
    }


def refuse_other_keys(needed: dict[str, list[str]], settings: Settings, *, trusted: list[str]) -> None:
    """Raises KeyDiffers, naming each key that the target lacks; `trusted` ledger keys need not be here."""
    here = fingerprints(settings)
    if lacking := [key for key in needed["encryption"] if key not in here["encryption"]]:
        raise KeyDiffers(
            f"what is in the set is sealed under ENCRYPTION_KEY {', '.join(lacking)}; this installation has "
            f"{', '.join(here['encryption']) or 'none'}: give it the source's ENCRYPTION_KEY (several, separated by "
            "commas, are all tried)"
        )
    known = {*here["ledger"], *(public_key_id(key) for key in trusted)}
    if lacking := [key for key in needed["ledger"][:1] if key not in known]:
        raise KeyDiffers(
            f"the source's ledger signs with key {lacking[0]}; this installation has "
            f"{', '.join(here['ledger']) or 'none'}: give it the source's LEDGER_SIGNING_KEY (or the file "
            "ledger-heads.key), or say with --public-key that you trust it"
        )


def _fingerprint(key: str) -> str:
    return sha256(b"cloudbill encryption key\n" + key.encode()).hexdigest()[:16]
