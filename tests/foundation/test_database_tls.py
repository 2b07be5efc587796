"""A database server must prove who it is: tried against a real PostgreSQL 15 that takes TLS only."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from core.foundation.database import Database
from core.foundation.embedded.account import find_account
from core.foundation.embedded.postgres import DATABASE, OWNER, EmbeddedPostgres
from core.foundation.migrations.upgrade import ensure_logins, upgrade_schema
from core.foundation.settings import Settings, SettingsInvalid, load_settings
from tests.support.certificates import Authority
from tests.support.servers import DEBIAN_POSTGRES


@dataclass(frozen=True)
class Certified:
    """The server, who certified it, and somebody else."""

    postgres: EmbeddedPostgres
    authority: Authority
    stranger: Authority

    def url(self, user: str, word: str, host: str = "127.0.0.1") -> str:
        return f"postgresql://{user}:{word}@{host}:{self.postgres.port}/{DATABASE}"


@pytest.fixture(scope="module")
def certified() -> Iterator[Certified]:
    if not (DEBIAN_POSTGRES / "postgres").exists():
        pytest.skip("Debian's PostgreSQL 15 is not installed, and the embedded one has no TLS")
    with tempfile.TemporaryDirectory(prefix="cloudbill-tls-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        authority = Authority(folder, "authority")
        certificate, key = authority.certify("127.0.0.1")
        account = find_account()
        if account is not None:
            os.chown(key, account.uid, account.gid)
        options = {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key), "fsync": "off"}
        server = EmbeddedPostgres(folder / "data", DEBIAN_POSTGRES, options)
        try:
            server.start()
            yield Certified(server, authority, Authority(folder, "stranger"))
        finally:
            server.stop()
            if server.data_dir.is_symlink():
                shutil.rmtree(server.data_dir.resolve(), ignore_errors=True)


@pytest.fixture
def settings_with(certified: Certified) -> Callable[..., Settings]:
    def make(ca: Path | None, *, host: str = "127.0.0.1", options: str = "") -> Settings:
        return load_settings(
            database_url=certified.postgres.url(OWNER, DATABASE),
            database_app_url=certified.url("app_login", "word", host) + options,
            database_operator_url=certified.url("operator_login", "word", host) + options,
            database_mover_url=certified.url("mover_login", "word", host) + options,
            db_tls_ca=ca,
        )

    return make


async def _is_encrypted(settings: Settings) -> bool:
    database = Database(settings)
    try:
        async with database.nobody() as session:
            return bool(await session.scalar(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")))
    finally:
        await database.dispose()


async def test_the_servers_own_authority_is_accepted_and_every_login_is_made(
    certified: Certified, settings_with: Callable[..., Settings]
) -> None:
    settings = settings_with(certified.authority.file)
    upgrade_schema(settings.owner_url)

    assert ensure_logins(settings) == ["app_login", "operator_login", "mover_login"]
    assert ensure_logins(settings) == []
    assert await _is_encrypted(settings)
    with psycopg.connect(settings.mover_url) as connection:
        row = connection.execute("SELECT pg_has_role('cloudbill_mover', 'MEMBER'), current_user").fetchone()
        assert row == (True, "mover_login")


async def test_another_authority_and_another_name_are_refused(
    certified: Certified, settings_with: Callable[..., Settings]
) -> None:
    with pytest.raises(OperationalError, match="certificate verify failed"):
        await _is_encrypted(settings_with(certified.stranger.file))
    with pytest.raises(OperationalError, match="does not match host name"):
        await _is_encrypted(settings_with(certified.authority.file, host="localhost"))
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        upgrade_schema(settings_with(certified.stranger.file).owner_url)


async def test_an_address_that_names_its_own_authority_keeps_it(
    certified: Certified, settings_with: Callable[..., Settings]
) -> None:
    """As on Google Cloud: a certificate of this one instance, whose name is not checked."""
    own = f"?sslmode=verify-ca&sslrootcert={certified.authority.file}"
    settings = settings_with(certified.stranger.file, host="localhost", options=own)

    assert settings.app_url.endswith(own)
    with psycopg.connect(settings.app_url) as connection:
        assert connection.pgconn.ssl_in_use


def test_a_weaker_mode_in_the_address_is_made_stronger(certified: Certified) -> None:
    settings = load_settings(
        database_app_url="postgresql://a:p%40ss@db.example.com/cloudbill?sslmode=require&application_name=x",
        db_tls_ca=certified.authority.file,
    )

    assert settings.app_url == (
        "postgresql://a:p%40ss@db.example.com/cloudbill"
        f"?sslmode=verify-full&application_name=x&sslrootcert={certified.authority.file}"
    )


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_that_holds_no_certificate_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)

    with pytest.raises(SettingsInvalid, match=r"DB_TLS_CA: must be a file of certificates \(PEM\)"):
        load_settings(db_tls_ca=file)
