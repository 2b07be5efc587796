"""What an installation needs beside its databases, and whether the target has it: keys, told by their fingerprints.

The rows hold what ENCRYPTION_KEY sealed (the keys that sign tokens among it), heads and evidence carry the ledger key's
signature. Neither key is ever in a set. JWT keys are rows and come along.
"""

import re
from hashlib import sha256

from core.foundation.settings import Settings
from core.operations.transfer.documents import own_public_keys, public_key_id
from core.operations.transfer.errors import KeyDiffers

_FINGERPRINT = re.compile("[0-9a-f]{16}")


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
    here["ledger"] += [public_key_id(key) for key in trusted]
    trust = ", or say with --public-key that you trust it"
    if found := lacking(needed, here, sealed="what is in the set", target="this installation", or_else=trust):
        raise KeyDiffers("; ".join(found))


def lacking(
    needed: dict[str, list[str]], there: dict[str, list[str]], *, sealed: str, target: str, or_else: str = ""
) -> list[str]:
    """What the target could not open or believe, each with the way out; fingerprints of both sides."""
    said: list[str] = []
    if missing := [key for key in needed["encryption"] if key not in there["encryption"]]:
        said.append(
            f"{sealed} is sealed under ENCRYPTION_KEY {', '.join(missing)}; {target} has "
            f"{', '.join(there['encryption']) or 'none'}: give it the source's ENCRYPTION_KEY (several, separated by "
            "commas, are all tried)"
        )
    if missing := [key for key in needed["ledger"][:1] if key not in there["ledger"]]:
        said.append(
            f"the source's ledger signs with key {missing[0]}; {target} has "
            f"{', '.join(there['ledger']) or 'none'}: give it the source's LEDGER_SIGNING_KEY (or the file "
            f"ledger-heads.key){or_else}"
        )
    return said


def to_line(keys: dict[str, list[str]]) -> str:
    """Fingerprints as one word, for a command line."""
    return ",".join(f"{kind}={key}" for kind in ("encryption", "ledger") for key in keys[kind])


def from_line(text: str) -> dict[str, list[str]]:
    """What `to_line` wrote. Raises ValueError."""
    keys: dict[str, list[str]] = {"encryption": [], "ledger": []}
    for word in filter(None, (part.strip() for part in text.split(","))):
        kind, _, key = word.partition("=")
        if kind not in keys or not _FINGERPRINT.fullmatch(key):
            raise ValueError(f"{word[:60]!r} is no fingerprint of a key")
        keys[kind].append(key)
    return keys


def _fingerprint(key: str) -> str:
    return sha256(b"cloudbill encryption key\n" + key.encode()).hexdigest()[:16]
