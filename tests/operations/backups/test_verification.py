"""Every kind of damage is found by the name of what is wrong, in real files of real backups."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import orjson
import pytest

from core.foundation.settings import Settings
from core.operations.backups.errors import CatalogueUnusable, Damaged, UnknownBackup
from core.operations.backups.restoring import Restores
from core.operations.backups.sealed import seal, unseal
from core.operations.backups.taking import catalogue_of
from core.operations.backups.verification import Looked, verify
from tests.operations.backups.conftest import History


def found(settings: Settings) -> set[tuple[str, str]]:
    return {(finding.check, finding.name) for finding in verify(settings)}


def segments(settings: Settings) -> list[Path]:
    return sorted((settings.backups_folder / "log").rglob("*.age"))


def flip(path: Path, at: float = 0.5) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def test_whole_backups_have_no_findings(history: History) -> None:
    looked = Looked()
    assert list(verify(history.original.settings(), looked=looked)) == []
    assert (looked.backups, looked.opened) == (2, True)
    assert looked.segments >= 3


def test_without_the_private_key_the_files_are_checked_as_they_lie(history: History, tmp_path: Path) -> None:
    looked = Looked()
    with history.copy() as settings:
        keyless = settings.model_copy(update={"backup_identity_path": tmp_path / "nowhere"})
        assert list(verify(keyless, looked=looked)) == []
        assert not looked.opened
        flip(settings.backups_folder / history.backup.file)
        assert found(keyless) == {("file_altered", history.backup.id)}


@pytest.mark.parametrize(
    ("damage", "check"), [(flip, "file_altered"), (cut, "file_truncated"), (Path.unlink, "file_missing")]
)
def test_a_damaged_file_is_named(history: History, damage: Callable[[Path], object], check: str) -> None:
    with history.copy() as settings:
        damage(settings.backups_folder / history.backup.file)
        segment = segments(settings)[1]
        damage(segment)
        assert found(settings) == {(check, history.backup.id), (check, segment.name[:24])}


def test_a_segment_that_was_never_archived_is_named_and_ends_what_can_be_reached(history: History) -> None:
    with history.copy() as settings:
        catalogue = catalogue_of(settings)
        name = catalogue.read().segments(history.backup.system)[-1].name
        with catalogue.writing() as pen:
            pen.keep(lambda entry: getattr(entry, "name", "") != name)
        next(path for path in segments(settings) if path.name.startswith(name)).unlink()
        assert ("log_missing", name) in found(settings)
        assert catalogue.read().faults == []


def test_another_key_is_told_by_name(history: History, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("AGE-SECRET-KEY-1DGWL3XD48ELE95TDR2J0LJK0PFEQE2NPUUKAR560N378GKFUV2USA44LY2\n")
    findings = list(verify(history.original.settings(backup_identity_path=other)))
    assert {finding.check for finding in findings} == {"wrong_key"}
    assert history.backup.keys[0] in findings[0].detail


def test_what_is_inside_is_held_against_postgresqls_own_manifest(history: History) -> None:
    # A bit that flipped before it was sealed and signed: only the manifest can tell.
    with history.copy() as settings:
        catalogue = catalogue_of(settings)
        path, plain = settings.backups_folder / history.backup.file, bytearray()
        unseal(path, plain.extend, by=catalogue.keys.openings())
        plain[plain.index(b"PostgreSQL configuration file")] ^= 1
        sealed = seal(iter([bytes(plain)]), path, to=catalogue.keys.recipients())
        with catalogue.writing() as pen:
            pen.keep(lambda entry: entry != history.backup)
            pen.append(replace(history.backup, **asdict(sealed)))
        findings = list(verify(settings))
        assert [(f.check, f.name) for f in findings] == [("manifest", history.backup.id)]
        assert findings[0].detail == "postgresql.conf is altered: its SHA-256 is not the manifest's"
        with pytest.raises(Damaged, match=r"postgresql\.conf is altered"):
            Restores(settings).restore("latest", into="altered")
        assert Restores(settings).names() == []


def test_an_altered_catalogue_is_not_believed(history: History) -> None:
    with history.copy() as settings:
        path = settings.backups_folder / "catalogue.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        document = orjson.loads(lines[1])
        document["body"]["entry"]["size"] += 1
        path.write_bytes(lines[0] + orjson.dumps(document) + b"\n" + b"".join(lines[2:]))
        assert ("catalogue_tampered", "catalogue") in found(settings)
        with pytest.raises(CatalogueUnusable, match="its signature does not hold"):
            Restores(settings).restore("latest", into="tampered")
        path.write_bytes(b"".join(lines[:1] + lines[2:]))
        assert ("catalogue_tampered", "catalogue") in found(settings)
        head = settings.backups_folder / "head.json"
        path.write_bytes(b"".join(lines))
        head.write_bytes(head.read_bytes().replace(b'"until":"20', b'"until":"21'))
        assert ("head_tampered", "catalogue") in found(settings)


def test_an_old_catalogue_is_seen_to_be_old(history: History) -> None:
    settings = history.original.settings()
    path = settings.backups_folder / "catalogue.jsonl"
    now = path.with_name("now")
    shutil.copyfile(path, now)
    try:
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
        checks = {finding.check for finding in verify(settings)}
        assert {"catalogue_old", "unlisted"} <= checks
        path.unlink()
        assert "catalogue_missing" in {finding.check for finding in verify(settings)}
    finally:
        now.replace(path)


@pytest.mark.parametrize("content", [None, "many"])
def test_without_the_count_of_signed_lines_it_is_said_that_an_old_copy_would_not_be_seen(
    history: History, content: str | None
) -> None:
    settings, count = history.original.settings(), history.original.catalogue.signed_path
    known = count.read_text()
    try:
        count.unlink() if content is None else count.write_text(content)
        findings = [finding for finding in verify(settings) if finding.check == "catalogue_count"]
        assert [finding.name for finding in findings] == ["catalogue"]
        assert "nobody can tell whether catalogue.jsonl" in findings[0].detail
        assert str(count) in findings[0].detail
    finally:
        count.write_text(known)
    assert [finding for finding in verify(settings) if finding.check == "catalogue_count"] == []


def test_a_catalogue_signed_by_somebody_else_or_of_another_format_is_refused(history: History) -> None:
    with history.copy() as settings:
        path = settings.backups_folder / "catalogue.jsonl"
        path.write_bytes(path.read_bytes().replace(b'"format":1', b'"format":9'))
        assert [(f.check, "format 9" in f.detail) for f in verify(settings)][0] == ("catalogue_format", True)
    elsewhere = history.original.folder / "elsewhere-home"
    (elsewhere / "backup-keys").mkdir(parents=True)
    (elsewhere / "backup-keys" / "signing.key").write_text("11" * 32)
    foreign = history.original.settings(
        cloudbill_home=elsewhere, backups_path=history.original.settings().backups_folder
    )
    assert "catalogue_foreign" in {finding.check for finding in verify(foreign)}


def test_a_backup_that_is_not_there_is_said_to_be_unknown(history: History) -> None:
    with pytest.raises(UnknownBackup, match="no backup 20010101T000000000Z"):
        list(verify(history.original.settings(), wanted="20010101T000000000Z"))
