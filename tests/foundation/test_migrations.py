"""The migrations make exactly what the models say, once, whoever else migrates at the same moment."""

import subprocess
from collections.abc import Callable

import psycopg

from core.foundation.migrations.upgrade import compare_models, upgrade_schema
from core.foundation.settings import Settings
from tests.support import environment
from tests.support.processes import cloudbill
from tests.support.servers import ROOT, Servers


def test_the_models_and_the_migrations_agree(settings: Settings) -> None:
    compare_models(settings.owner_url)


def test_migrating_what_is_migrated_changes_nothing(settings: Settings) -> None:
    before, after = upgrade_schema(settings.owner_url)
    assert before == after
    with psycopg.connect(settings.owner_url) as connection:
        assert connection.execute("SELECT count(*) FROM tenants").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM credit_packages WHERE code = 'starter'").fetchone() == (2,)


def test_migrations_at_once_wait_for_each_other(
    servers: Servers, database_name: str, make_settings: Callable[..., Settings]
) -> None:
    name = f"{database_name}_empty"
    servers.create_database(name, template="template0")
    empty = {
        f"database_{role}url": servers.url(role.removesuffix("_") or "owner", name)
        for role in ("", "app_", "operator_")
    }
    environ = environment.of_process(make_settings(**empty))
    try:
        started = [
            subprocess.Popen(cloudbill("migrate"), cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        said = [process.communicate(timeout=120)[0] for process in started]
        assert [process.returncode for process in started] == [0, 0], said
        with psycopg.connect(empty["database_url"]) as connection:
            assert connection.execute("SELECT count(*) FROM tenants").fetchone() == (1,)
            owner = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'accounts'").fetchone()
            assert owner == ("cloudbill_owner",)
    finally:
        servers.drop_database(name)
