"""An installation as a set of files: whole or refused, and the same installation again where it is brought in."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from pydantic import SecretStr

from core.billing.ledger.signing import load_signing_keys
from core.foundation.ids import INSTALLATION_ID
from core.foundation.settings import Settings
from core.operations.backups.keys import AGE, Keys
from core.operations.clouds.objects import objects_at
from core.operations.records import erasing
from core.operations.transfer import importing, schema, sets
from core.operations.transfer.differing import compare
from core.operations.transfer.documents import own_public_keys, sign
from core.operations.transfer.errors import TransferError
from core.operations.transfer.exporting import Exported, export
from core.operations.transfer.inspecting import inspect, strangers
from core.operations.transfer.tables import inventory, settle
from tests.operations.transfer.conftest import OTHER_LEDGER_KEY
from tests.support.twins import Place

CHUNK = 40_000


@pytest.fixture(scope="module")
def made(source: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Exported]:
    """An export of the source."""
    folder = tmp_path_factory.mktemp("made") / "set"
    return folder, export(source, str(folder), chunk_bytes=CHUNK)


@pytest.fixture
def copy(made: tuple[Path, Exported], tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(made[0], tmp_path / "copy"))


def connected(url: str) -> psycopg.Connection[Any]:
    return settle(psycopg.connect(url, autocommit=True))


def state_of(settings: Settings) -> tuple[dict[str, str], str]:
    """The target's schema and rows, in a few words."""
    from core.operations.transfer.digests import digest

    with connected(settings.owner_url) as owner, connected(settings.mover_url) as mover:
        assert schema.standing(owner) is None, "something is still taken off"
        return schema.describe(owner), digest(mover, inventory(mover)).root()


def test_what_was_exported_from_15_is_the_same_installation_on_18_and_back_on_15(
    source: Settings,
    made: tuple[Path, Exported],
    empty: Settings,
    pair: tuple[Place, Place],
    settings_of: Callable[..., Settings],
    tmp_path: Path,
) -> None:
    folder, exported = made
    manifest = exported.manifest
    assert exported.kept == 0
    assert exported.copied > 60, "many chunks"
    done = importing.import_set(empty, str(folder))
    assert (done.checked.findings, done.checked.tenants, done.checked.sums) == ([], 4, {"USD": 0})
    assert done.checked.blocks >= 3
    assert done.checked.unsealed == 0
    with connected(source.mover_url) as here, connected(empty.mover_url) as there:
        differing = compare(here, there, inventory(here))
        assert [(one.table, one.kind) for one in differing] == [("worker_holds", "extra")]
        assert schema.differences(schema.describe(here), schema.describe(there)) == []
        held = there.execute("SELECT reason, state_of, released_at FROM worker_holds").fetchall()
        assert held[0][0] == f"imported from {folder} (set {manifest['id']})"
        assert held[0][1].strftime("%Y-%m-%dT%H:%M:%S.%fZ") == manifest["takenAt"]
        assert held[0][2] is None
        assert (
            there.execute("SELECT last_value FROM procrastinate_jobs_id_seq").fetchall()
            == here.execute("SELECT last_value FROM procrastinate_jobs_id_seq").fetchall()
        )
    assert done.heads == 4
    assert len(list(empty.heads_path.glob("*.head"))) == 4
    assert manifest["ledgerSums"]["USD"]["sumMicro"] == 0
    assert manifest["ledgerSums"]["USD"]["entries"] == 2400

    back = settings_of(pair[0], number=3)
    user = uuid4()
    with connected(empty.owner_url) as owner:
        owner.execute("SELECT create_user(%s, 'gone@example.com', 'Gone', 'x')", [user])
    export(empty, str(tmp_path / "back"), chunk_bytes=CHUNK, jobs=1)
    with connected(empty.mover_url) as mover:
        tenant, customer = mover.execute(
            "SELECT tenant_id, id FROM customers WHERE NOT is_self ORDER BY tenant_id, id LIMIT 1"
        ).fetchone() or (None, None)
    # Erased after the export was made, and noted outside of the database.
    erasing.note(back, tenant_id=str(tenant), subject_kind="customer", subject_id=str(customer))
    erasing.note(back, tenant_id=str(INSTALLATION_ID), subject_kind="user", subject_id=str(user))
    again = importing.import_set(back, str(tmp_path / "back"), jobs=3)
    assert (again.erased, again.checked.findings) == (2, [])
    with connected(source.mover_url) as here, connected(back.mover_url) as there:
        changed = {one.table for one in compare(here, there, inventory(here))}
        assert changed - {"subject_keys", "idempotency_keys"} == {"worker_holds", "erasures", "customers", "users"}
        rows = there.execute("SELECT name, external_id FROM customers WHERE id = %s", [customer]).fetchall()
        assert rows == [(None, f"erased-{customer}")]
        rows = there.execute("SELECT email FROM users WHERE id = %s", [user]).fetchall()
        assert rows == [(f"erased-{user}@erased.invalid",)]


def test_a_whole_set_is_judged_whole_and_an_unfinished_one_is_not(
    source: Settings, made: tuple[Path, Exported], tmp_path: Path
) -> None:
    objects = objects_at(str(made[0]))
    manifest = sets.read_manifest(objects, believed=own_public_keys(source))
    assert list(inspect(objects, manifest)) == []
    assert strangers(objects, manifest) == []  # what served the run that made it is gone
    with pytest.raises(TransferError, match="REDIS_URL"):
        export(source.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:9/0")}), str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    with pytest.raises(TransferError) as refused:
        sets.read_manifest(objects_at(str(tmp_path / "nothing")), believed=[])
    assert refused.value.code == "set_incomplete"
    with pytest.raises(TransferError, match="finished export"):
        export(source, str(made[0]))
    (made[0] / "letter.txt").write_text("dear")
    assert strangers(objects, manifest) == ["letter.txt"]
    (made[0] / "letter.txt").unlink()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    with pytest.raises(TransferError, match="not empty"):
        export(source, str(tmp_path / "other"))
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["letter.txt"]


def a_file(folder: Path) -> Path:
    return sorted((folder / "data" / "ledger_entries").iterdir())[1]


def flip(folder: Path) -> None:
    path = a_file(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def cut(folder: Path) -> None:
    path = a_file(folder)
    path.write_bytes(path.read_bytes()[:-7])


def lose(folder: Path) -> None:
    a_file(folder).unlink()


def swap(folder: Path) -> None:
    one, other = sorted((folder / "data" / "ledger_entries").iterdir())[:2]
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def unfinish(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def rewrite(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"entries":2400', b'"entries":2401'))


def cut_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes()[:-200])


def resign(folder: Path, change: Callable[[dict[str, Any]], object], settings: Settings) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_bytes())
    del document["signature"]
    change(document)
    path.write_bytes(sign(document, load_signing_keys(settings)[0]))


@pytest.mark.parametrize(
    ("spoil", "code", "named"),
    [
        (flip, "set_damaged", "data/ledger_entries/000001.copy.gz .* rows of ledger_entries, after .* was altered"),
        (cut, "set_damaged", "data/ledger_entries/000001.copy.gz .* cut off"),
        (lose, "set_incomplete", "data/ledger_entries/000001.copy.gz .* is missing"),
        (swap, "set_damaged", "data/ledger_entries/000000.copy.gz"),
        (unfinish, "set_incomplete", "manifest.json is missing in "),
        (rewrite, "set_damaged", "manifest.json was altered"),
        (cut_manifest, "set_damaged", "not a signed document"),
    ],
)
def test_a_spoilt_set_is_refused_and_the_target_is_as_it_was(
    empty: Settings, copy: Path, spoil: Callable[[Path], None], code: str, named: str
) -> None:
    before = state_of(empty)
    spoil(copy)
    with pytest.raises(TransferError, match=named) as refused:
        importing.import_set(empty, str(copy))
    assert refused.value.code == code
    assert state_of(empty) == before


def test_newer_sets_foreign_ones_and_other_keys_are_refused(
    source: Settings, empty: Settings, copy: Path, settings_of: Callable[..., Settings], pair: tuple[Place, Place]
) -> None:
    before = state_of(empty)
    stranger = settings_of(pair[1], ledger_signing_key=OTHER_LEDGER_KEY)
    other_words = settings_of(pair[1], encryption_key="A" * 43 + "=")
    cases: list[tuple[Settings, Callable[[dict[str, Any]], object], str, str]] = [
        (empty, lambda m: m.update(revision="9999"), "set_too_new", "schema is 9999"),
        (empty, lambda m: m.update(format=99), "set_too_new", "format 99"),
        (empty, lambda m: m.update(revision="0001"), "schema_differs", "at .* already"),
        (empty, lambda m: m["ledgerSums"]["USD"].update(sumMicro=1), "ledger_sum", "not to zero"),
        (empty, lambda m: m["files"].pop(), "set_damaged", "rows in the manifest"),
        (empty, lambda m: m["files"][0].update(name="../../etc/passwd"), "set_damaged", "no proper file"),
        (stranger, lambda m: None, "set_foreign", "not believed here"),
        (other_words, lambda m: None, "key_differs", "ENCRYPTION_KEY"),
    ]
    for target, change, code, named in cases:
        folder = copy.with_name(code + named[:3].replace("/", ""))
        shutil.copytree(copy, folder)
        resign(folder, change, source)
        with pytest.raises(TransferError, match=named) as refused:
            importing.import_set(target, str(folder))
        assert refused.value.code in (code, "transfer_error")
        assert state_of(empty) == before
    # Whoever trusts the other ledger's key by name may have it.
    imported = importing.import_set(stranger, str(copy), trusted=own_public_keys(source))
    assert imported.checked.findings == []


def test_a_target_in_use_is_refused(source: Settings, made: tuple[Path, Exported], empty: Settings) -> None:
    with psycopg.connect(empty.database_app_url.get_secret_value()):
        with pytest.raises(TransferError) as refused:
            importing.import_set(empty, str(made[0]))
        assert refused.value.code == "target_busy"
    with connected(empty.owner_url) as owner:
        owner.execute("INSERT INTO users (id, email, password_hash) VALUES (gen_random_uuid(), 'a@b.test', 'x')")
    before = state_of(empty)
    with pytest.raises(TransferError, match=r"rows in users \(1\)") as refused:
        importing.import_set(empty, str(made[0]))
    assert refused.value.code == "target_not_empty"
    url = urlsplit(empty.owner_url)
    wrong = empty.model_copy(update={"database_url": SecretStr(f"postgresql://x:wrong@{url.hostname}:{url.port}/x")})
    with pytest.raises(TransferError, match="does not sign in") as refused:
        importing.import_set(wrong, str(made[0]))
    assert refused.value.code == "server_unfit"
    assert state_of(empty) == before


def test_rows_that_the_target_cannot_take_leave_it_as_it_was(
    source: Settings, made: tuple[Path, Exported], empty: Settings
) -> None:
    with connected(empty.owner_url) as owner:
        owner.execute("ALTER TABLE ledger_entries ADD CONSTRAINT none_at_all CHECK (version < 0) NOT VALID")
    before = state_of(empty)
    with pytest.raises(TransferError) as refused:
        importing.import_set(empty, str(made[0]))
    assert refused.value.code == "schema_differs"
    assert "none_at_all" in refused.value.detail
    assert state_of(empty) == before


def test_a_sealed_set_shows_no_personal_data_and_opens_with_the_private_key_only(
    source: Settings, empty: Settings, tmp_path: Path
) -> None:
    identity = AGE.x25519.Identity.generate()
    folder = tmp_path / "sealed"
    export(source, str(folder), chunk_bytes=10**7, seal_to=[str(identity.to_public())])
    files = sorted((folder / "data").rglob("*.age"))
    assert files
    assert all(path.read_bytes().startswith(b"age-encryption.org/v1") for path in files)
    assert not list(folder.rglob("*.copy.gz"))
    objects = objects_at(str(folder))
    manifest = sets.read_manifest(objects, believed=own_public_keys(source))
    assert list(inspect(objects, manifest)) == [], "size and hash are judged without the key"
    before = state_of(empty)
    keys = Keys(empty)
    keys.recipients()  # a pair of its own
    with pytest.raises(TransferError) as refused:
        importing.import_set(empty, str(folder))
    assert refused.value.code == "set_sealed"
    assert state_of(empty) == before
    (tmp_path / "identity.txt").write_text(f"{identity}\n")
    opening = empty.model_copy(update={"backup_identity_path": tmp_path / "identity.txt"})
    assert importing.import_set(opening, str(folder)).rows == sum(table["rows"] for table in manifest["tables"])


def test_a_full_disk_ends_an_export_by_name(source: Settings, tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "none", str(place)], check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        with pytest.raises(Exception, match="is full"):
            export(source, str(place / "set"), chunk_bytes=CHUNK)
        subprocess.run(["mount", "-o", "remount,size=20m", str(place)], check=True)
        assert export(source, str(place / "set")).kept > 0, "with more room it goes on"
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_connections_that_are_cut_are_opened_again(
    source: Settings, made: tuple[Path, Exported], empty: Settings, pair: tuple[Place, Place], tmp_path: Path
) -> None:
    cut = 0

    def cut_all(words: str) -> None:
        nonlocal cut
        if cut < 2:
            with pair[1].connect("admin") as admin:
                row = admin.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'twin_mover' "
                    "AND datname = current_database()"
                ).fetchone()
                cut += 1 if row and row[0] else 0

    monkey = pytest.MonkeyPatch()
    monkey.setattr("core.operations.transfer.progress._EVERY_SECONDS", 0.0)
    try:
        done = importing.import_set(empty, str(made[0]), say=cut_all)
    finally:
        monkey.undo()
    assert cut == 2
    assert done.checked.findings == []
    with connected(source.mover_url) as here, connected(empty.mover_url) as there:
        assert {one.table for one in compare(here, there, inventory(here))} == {"worker_holds"}


def test_an_export_whose_snapshot_is_lost_says_so_and_goes_on(source: Settings, tmp_path: Path) -> None:
    def cut_all(words: str) -> None:
        if words.startswith("exports"):
            with connected(source.owner_url) as owner:
                owner.execute("SELECT 1")
            name = urlsplit(source.owner_url).path.removeprefix("/")
            with psycopg.connect(source.mover_url, autocommit=True) as mover:  # a login may end its own sessions
                mover.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> "
                    "pg_backend_pid() AND usename = current_user",
                    [name],
                )

    with pytest.raises(TransferError, match="goes on"):
        export(source, str(tmp_path / "set"), chunk_bytes=CHUNK, say=cut_all)
    assert (tmp_path / "set" / "plan.json").exists()
    assert not (tmp_path / "set" / "manifest.json").exists()
    assert export(source, str(tmp_path / "set"), chunk_bytes=CHUNK).manifest["ledgerSums"]["USD"]["entries"] == 2400
