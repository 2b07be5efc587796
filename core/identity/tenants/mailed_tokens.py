"""The token of an invitation as a mail carries it: sealed anew whenever the mail is written, and kept nowhere."""

from uuid import UUID

from core.foundation.crypto import Sealer
from core.foundation.settings import Settings

_PREFIX = "cbi_"
_TAG = b"invitation"


def make(settings: Settings, *, tenant_id: UUID, invitation_id: UUID) -> str:
    """Lets the invited person in, as the token that was shown once does, and for as long."""
    return _PREFIX + Sealer(settings).seal(_TAG + tenant_id.bytes + invitation_id.bytes).decode()


def read(settings: Settings, token: str) -> tuple[UUID, UUID] | None:
    """Tenant and invitation; None for what we did not seal for this."""
    sealed = token.removeprefix(_PREFIX).encode("utf-8", "replace")
    content = Sealer(settings).open_if_ours(sealed)
    if content is None or len(content) != len(_TAG) + 32 or not content.startswith(_TAG):
        return None
    ids = content[len(_TAG) :]
    return UUID(bytes=ids[:16]), UUID(bytes=ids[16:])
