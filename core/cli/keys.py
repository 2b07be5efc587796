"""`cloudbill keys`: the keys that sign access tokens, and the key that encrypts."""

import typer

from core.foundation.settings import load_settings

app = typer.Typer(help="Rotate signing keys; generate keys.", no_args_is_help=True)


@app.command("rotate")
def rotate() -> None:
    """Sign access tokens with a new key from now on. Nobody is signed out: the old key verifies until its tokens end.

    Needs DATABASE_URL, the owner's address, and ENCRYPTION_KEY.
    """
    from core.foundation.clock import wall_now
    from core.foundation.crypto import Sealer
    from core.identity.tokens.signing_keys import rotate as rotate_keys

    settings = load_settings()
    key_id = rotate_keys(
        settings.owner_url, Sealer(settings), now=wall_now(), access_token_life=settings.jwt_expiration
    )
    typer.echo(f"Key {key_id} signs from now on.")


@app.command("generate")
def generate() -> None:
    """Print a new key for ENCRYPTION_KEY. To replace one, put the new key before the old one, with a comma."""
    from core.foundation.crypto import new_encryption_key

    typer.echo(new_encryption_key())
