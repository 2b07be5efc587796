"""Objects in a bucket of Google's: seen whole or not at all, resumed, and not over a writer's head."""

from pathlib import Path

import pytest

from core.operations.clouds import objects_gs
from core.operations.clouds.errors import CloudError, CloudRefused, CloudUnreachable, ObjectNotFound
from core.operations.clouds.objects import Objects, objects_at
from tests.support.google import Broken, Google, Refused

CHUNK = "storage.objects.insert#chunk"
KIB = 256 * 1024


@pytest.fixture
def objects(google: Google, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> Objects:
    monkeypatch.setattr(objects_gs, "CHUNK_BYTES", KIB)
    return objects_at("gs://exports/2026/set")


def test_what_is_put_is_there_whole(google: Google, objects: Objects, tmp_path: Path) -> None:
    large = bytes(range(256)) * (4 * 700)  # three chunks
    (tmp_path / "file").write_bytes(large)
    objects.put("tables/a b+c/0.gz", tmp_path / "file")
    objects.put("manifest.json", b"{}")
    objects.put("manifest.json", b"{1}")
    objects.put("empty", b"")
    assert google.objects.content["exports/2026/set/tables/a b+c/0.gz"] == large
    assert objects.get("tables/a b+c/0.gz") == large
    assert (objects.get("manifest.json"), objects.get("empty")) == (b"{1}", b"")
    for name, content in (("tables/a b+c/0.gz", large), ("empty", b"")):
        objects.fetch(name, tmp_path / "fetched")
        assert (tmp_path / "fetched").read_bytes() == content
    assert objects.list() == ["empty", "manifest.json", "tables/a b+c/0.gz"]
    assert objects.list("tables/") == ["tables/a b+c/0.gz"]
    assert (objects.exists("manifest.json"), objects.exists("nothing")) == (True, False)
    objects.delete("manifest.json")
    objects.delete("manifest.json")
    assert objects.list() == ["empty", "tables/a b+c/0.gz"]


def test_an_upload_that_breaks_off_goes_on_where_google_stands(google: Google, objects: Objects) -> None:
    large = b"x" * (3 * KIB + 5)
    google.fail(CHUNK, Broken("cut"), is_done=True)
    google.fail(CHUNK, Refused(503, "Try later", headers={"Retry-After": "1"}), times=2)
    objects.put("one", large)
    assert objects.get("one") == large
    assert google.calls.count("storage.objects.insert") == 1, "one upload, gone on with"


def test_a_write_whose_answer_is_lost_is_not_repeated(google: Google, objects: Objects) -> None:
    google.fail(CHUNK, Broken("cut"), is_done=True)
    objects.put("one", b"small")
    assert google.changes == ["storage.objects.insert"]
    assert google.objects.generations["exports/2026/set/one"] == 1
    objects.put("one", b"small")
    assert google.changes == ["storage.objects.insert"], "what is there already is not written again"


def test_of_two_writers_one_gives_way_and_none_is_half_seen(google: Google, objects: Objects) -> None:
    key = "exports/2026/set/one"
    usual = google.upload

    def meanwhile(verb: str, *words: object) -> object:
        if verb == "PUT" and key not in google.objects.content:
            google.objects.content[key], google.objects.generations[key] = b"the other's", 99
        return usual(verb, *words)

    google.upload = meanwhile
    objects.put("one", b"mine")
    assert (objects.get("one"), google.calls.count("storage.objects.insert")) == (b"mine", 2)


def test_an_unfinished_upload_is_not_seen(google: Google, objects: Objects) -> None:
    google.fail(CHUNK, Refused(500, "broken"), times=99)
    with pytest.raises(CloudUnreachable, match="asked 6 times"):
        objects.put("one", b"mine")
    google.faults.clear()
    assert (objects.exists("one"), objects.list()) == (False, [])


def test_a_file_that_is_read_is_there_whole_or_not_at_all(google: Google, objects: Objects, tmp_path: Path) -> None:
    objects.put("one", b"y" * (2 * KIB))
    google.fail("storage.objects.get", Broken("cut"))
    objects.fetch("one", tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == b"y" * (2 * KIB)
    google.fail("storage.objects.get", Broken("cut"), times=99)
    with pytest.raises(CloudUnreachable):
        objects.fetch("one", tmp_path / "two")
    google.faults.clear()
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_what_is_missing_or_not_allowed_is_named(google: Google, objects: Objects, tmp_path: Path) -> None:
    for read in (lambda: objects.get("nothing"), lambda: objects.fetch("nothing", tmp_path / "x")):
        with pytest.raises(ObjectNotFound, match="there is no nothing in gs://exports/2026/set"):
            read()
    who = "mover@p.iam.gserviceaccount.com"
    said = f"{who} does not have storage.objects.create access to the Google Cloud Storage object."
    google.fail("storage.objects.insert", Refused(403, said))
    with pytest.raises(CloudRefused, match=f"{who} may not storage.objects.create"):
        objects.put("one", b"mine")
    google.fail("storage.objects.list", Refused(404, "The specified bucket does not exist."))
    with pytest.raises(CloudUnreachable, match="there is no bucket exports"):
        objects.list()
    with pytest.raises(CloudError, match="cannot be an object's name"):
        objects.put("../one", b"")
