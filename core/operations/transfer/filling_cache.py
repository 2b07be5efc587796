"""Redis from a set: with the whole import, or later by itself.

By itself, what is there already stays as it is: it is newer than the set, and an old session would bring back tokens
that were exchanged since. So a run that was killed goes on where it was, too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from core.foundation.settings import Settings
from core.operations.backups.keys import Keys, Opening
from core.operations.clouds.objects import Objects
from core.operations.transfer import redis_state, sets
from core.operations.transfer.beside import refuse_other_keys
from core.operations.transfer.cache_files import parse_file
from core.operations.transfer.documents import own_public_keys
from core.operations.transfer.errors import CacheUnfit
from core.operations.transfer.inspecting import read_file
from core.operations.transfer.places import place_at

_AT_ONCE = 1000


@dataclass(kw_only=True)
class Refilled:
    """What came of it."""

    manifest: dict[str, Any]
    written: int = 0
    kept: int = 0
    """Keys that were there."""
    expired: int = 0
    """Keys whose time was over."""


def import_cache(
    settings: Settings, address: str, *, trusted: Sequence[str] = (), say: Callable[[str], None] = lambda words: None
) -> Refilled:
    """Brings in the keys of a set that are not there. Raises TransferError; the same again goes on."""
    objects = place_at(address)
    manifest = sets.read_manifest(objects, believed=[*own_public_keys(settings), *trusted])
    refuse_other_keys(manifest["keys"], settings, trusted=list(trusted))
    by = Keys(settings).openings() if manifest["sealedTo"] else []
    done, wrong = Refilled(manifest=manifest), list[str]()
    with redis_state.connect(settings.cache_url) as client:
        for number, file in enumerate(files := _files(manifest), 1):
            keys = parse_file(file, read_file(objects, file, by=by, sealed=bool(manifest["sealedTo"])))
            for batch in redis_state.batches(iter(keys), _AT_ONCE):
                there = redis_state.existing(client, [key.name for key in batch])
                new = [key for key in batch if key.name not in there]
                written = redis_state.write(client, new)
                wrong += redis_state.differences(new, client)
                done.written, done.kept = done.written + written, done.kept + len(there)
                done.expired += len(new) - written
            say(f"Redis: {number} of {len(files)} files, {done.written:,} keys written, {done.kept:,} were there")
    if wrong:
        raise CacheUnfit(f"{wrong[0]} (and {len(wrong) - 1} more): somebody else writes there; try again")
    return done


def fill_cache(client: Redis, objects: Objects, manifest: dict[str, Any], by: Sequence[Opening]) -> int:
    """All keys of a set, over what is there; how many. Raises CacheUnfit."""
    total, wrong = 0, list[str]()
    for file in _files(manifest):
        keys = parse_file(file, read_file(objects, file, by=by, sealed=bool(manifest["sealedTo"])))
        written, differing = _write_all(client, keys)
        total += written
        wrong += differing
    if wrong:
        raise CacheUnfit(
            f"{wrong[0]} (and {len(wrong) - 1} more); the database is imported, and nothing in it depends on Redis: "
            "`cloudbill import --only redis` brings in what is not there"
        )
    return total


def _write_all(client: Redis, keys: Sequence[redis_state.Key]) -> tuple[int, list[str]]:
    """Writes them; how many, and what differs afterwards."""
    written, wrong = 0, list[str]()
    for batch in redis_state.batches(iter(keys), _AT_ONCE):
        written += redis_state.write(client, batch)
        wrong += redis_state.differences(batch, client)
    return written, wrong


def _files(manifest: dict[str, Any]) -> list[sets.File]:
    return [file for file in sets.files_of(manifest) if not file.table]
