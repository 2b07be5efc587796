"""What identity holds for the life of the API, made once at its start."""

from dataclasses import dataclass
from typing import cast

from fastapi import Request

from core.foundation.crypto import Sealer
from core.foundation.runtime import Runtime
from core.foundation.settings import Settings
from core.identity.authenticator import Authenticator
from core.identity.oauth.providers import Provider, providers
from core.identity.sign_in.slowdown import Slowdown
from core.identity.tenants.directory import Directory
from core.identity.tokens.access_tokens import AccessTokens
from core.identity.tokens.foreign import foreign_issuer
from core.identity.tokens.signing_keys import KeyRing


@dataclass(frozen=True, slots=True)
class Identity:
    """Keys, tokens, tenants by name, and the memory of verified callers."""

    settings: Settings
    directory: Directory
    keys: KeyRing
    tokens: AccessTokens
    authenticator: Authenticator
    slowdown: Slowdown
    providers: dict[str, Provider]
    """Accounts elsewhere that sign people in, by their key."""


async def open_identity(runtime: Runtime) -> Identity:
    """Reads the signing keys, and makes the first one where there is none. Raises SettingsInvalid."""
    settings = runtime.settings
    directory = Directory(runtime.database)
    keys = KeyRing(runtime.database, Sealer(settings))
    tokens = AccessTokens(settings, keys)
    authenticator = Authenticator(
        database=runtime.database, directory=directory, tokens=tokens, foreign=foreign_issuer(settings)
    )
    await keys.open()
    return Identity(settings, directory, keys, tokens, authenticator, Slowdown(runtime.cache), providers(settings))


def identity(request: Request) -> Identity:
    """That of the API that answers `request`."""
    return cast("Identity", request.app.state.identity)
