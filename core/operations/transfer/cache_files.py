"""Keys of Redis as files of a set: a key is a line of JSON."""

import base64
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from core.foundation.settings import Settings
from core.operations.clouds.objects import Objects
from core.operations.transfer.errors import SetDamaged
from core.operations.transfer.packing import pack
from core.operations.transfer.redis_state import Key, Looked, batches, connect, read_all
from core.operations.transfer.sets import File

_A_FILE = 20_000


def export_cache(
    settings: Settings, objects: Objects, *, seal_to: Sequence[str], say: Callable[[str], None]
) -> dict[str, Any]:
    """Writes the keys into a set; what the manifest says of them."""
    looked, files = Looked(), list[dict[str, Any]]()
    started = time.monotonic()
    with connect(settings.cache_url) as client:
        for number, batch in enumerate(batches(read_all(client, looked, secrets=bool(seal_to)), _A_FILE)):
            packed = pack((to_line(key) for key in batch), to=seal_to)
            name = f"cache/{number:06}.jsonl.gz{'.age' if seal_to else ''}"
            objects.put(name, packed.content)
            files.append(
                File(
                    name=name,
                    size=len(packed.content),
                    sha256=packed.sha256,
                    plain_size=packed.plain_size,
                    plain_sha256=packed.plain_sha256,
                    rows=len(batch),
                ).to_json()
            )
    seconds = max(time.monotonic() - started, 0.001)
    say(f"Redis: {looked.copied:,} keys in {seconds:.1f} s, {looked.copied / seconds:,.0f} keys/s")
    if looked.unknown:
        say(f"Redis: {len(looked.unknown)} keys that nobody decided about were left behind: {looked.unknown[0]}, …")
    return {"files": files, **looked.to_json()}


def parse_file(file: File, plain: bytes) -> list[Key]:
    """The keys of a file of a set. Raises SetDamaged."""
    return [from_line(line, file.name) for line in plain.splitlines()]


def to_line(key: Key) -> bytes:
    """A key as a line of JSON; bytes as base64."""
    document = {"n": _text(key.name), "t": key.type, "v": _encode(key.value), "x": key.expires_at_ms}
    return orjson.dumps(document) + b"\n"


def from_line(line: bytes, name: str) -> Key:
    """What `to_line` wrote. Raises SetDamaged."""
    try:
        document = orjson.loads(line)
        return Key(_bytes(document["n"]), document["t"], _decode(document["v"]), document["x"])
    except (ValueError, KeyError, TypeError):
        raise SetDamaged(f"{name} holds a line that is no key") from None


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _encode(value: Any) -> Any:
    return _text(value) if isinstance(value, bytes) else [_encode(one) for one in value]


def _decode(value: Any) -> Any:
    return _bytes(value) if isinstance(value, str) else [_decode(one) for one in value]
