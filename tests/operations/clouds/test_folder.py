"""A folder as a place for an export's files: whole or not at all, on the disk, and nowhere else."""

import errno
import os
from pathlib import Path

import pytest

from core.operations.clouds.errors import CloudRefused, CloudUnreachable, ObjectNotFound
from core.operations.clouds.objects import FolderObjects, objects_at


def test_what_was_put_is_got_listed_fetched_and_deleted(tmp_path: Path) -> None:
    there = objects_at(str(tmp_path / "export"))
    assert there.list() == []
    (tmp_path / "large").write_bytes(b"x" * 3_000_000)
    there.put("chunks/b", b"two")
    there.put("chunks/a", tmp_path / "large")
    there.put("manifest.json", b"{}")
    there.put("manifest.json", b"{1}")
    assert there.list() == ["chunks/a", "chunks/b", "manifest.json"]
    assert there.list("chunks/") == ["chunks/a", "chunks/b"]
    assert (there.get("manifest.json"), len(there.get("chunks/a"))) == (b"{1}", 3_000_000)
    there.fetch("chunks/b", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == b"two"
    assert (there.exists("chunks/b"), there.exists("chunks"), there.exists("chunks/c")) == (True, False, False)
    there.delete("chunks/b")
    there.delete("chunks/b")
    assert there.list("chunks/") == ["chunks/a"]
    for read in (lambda: there.get("chunks/b"), lambda: there.fetch("chunks/b", tmp_path / "other")):
        with pytest.raises(ObjectNotFound, match="there is no chunks/b in"):
            read()
    assert not (tmp_path / "other").exists()


def test_what_could_not_be_written_whole_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = FolderObjects(tmp_path)
    there.put("manifest.json", b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CloudRefused, match=r"the disk of .* is full: manifest.json was not written"):
        there.put("manifest.json", b"new")
    assert there.get("manifest.json") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_the_bytes_and_the_folders_entry_are_on_the_disk_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, list[str]]] = []
    real = os.fsync

    def noting(handle: int) -> None:
        synced.append((os.readlink(f"/proc/self/fd/{handle}"), sorted(path.name for path in tmp_path.iterdir())))
        real(handle)

    monkeypatch.setattr(os, "fsync", noting)
    FolderObjects(tmp_path).put("a", b"1")
    (file, before), (folder, after) = synced
    assert (Path(file).name.startswith(".putting-"), "a" in before) == (True, False)
    assert (folder, after) == (str(tmp_path), ["a"])


def test_an_unfinished_write_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / ".putting-1").write_bytes(b"half")
    assert FolderObjects(tmp_path).list() == []


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a\0b"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(CloudRefused, match="cannot be an object's name"):
        FolderObjects(tmp_path / "in").put(name, b"1")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("address", ["ftp://x/y", "s3://", "http://bucket/x", "s3://b/x?versionId=1"])
def test_what_is_no_place_is_named_with_what_may_be(address: str) -> None:
    with pytest.raises(CloudRefused, match=r"give a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"):
        objects_at(address)


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CloudUnreachable, match="cannot be written "):
        FolderObjects(tmp_path / "file").put("a", b"1")
    with pytest.raises(CloudUnreachable, match="file cannot be read .*name a folder that exists or can be made"):
        FolderObjects(tmp_path / "file").list()
    with pytest.raises(CloudUnreachable, match="a in /proc/nothing cannot be written"):
        FolderObjects(Path("/proc/nothing")).put("a", b"1")
