"""Keys a second when Redis is carried to another server, against the servers' own MIGRATE in the same run.

From Redis 7 (Debian's, else the embedded Valkey) to the embedded Valkey: each key is read by type, written with the
instant it expires, read again and compared. MIGRATE is the limit: one server's DUMP payloads given to the other, which
works between versions that understand each other's, and compares nothing.

    python -m bench.cache [--keys 200000] [--json]
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError

from core.foundation.embedded.valkey import EmbeddedValkey
from core.operations.transfer.carrying import carry

AT_ONCE = 1000


def main() -> None:
    """Measures and prints; ends with 1 when a key is missing or expires at another time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=200_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = shutil.which("redis-server")
    with tempfile.TemporaryDirectory(prefix="cloudbill-cache-") as folder:
        Path(folder).chmod(0o711)
        servers = [
            EmbeddedValkey(Path(folder) / "old", Path(found) if found else None).start(),
            EmbeddedValkey(Path(folder) / "new").start(),
        ]
        try:
            with Redis.from_url(servers[0].url()) as source, Redis.from_url(servers[1].url()) as target:
                result = _measure(source, target, servers[1].url(), options.keys)
        finally:
            for server in servers:
                server.delete()
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        for name, value in result.items():
            print(f"{name}: {value:,.0f}" if not isinstance(value, float) else f"{name}: {value:.2f}")
    sys.exit(1 if result["missing"] or result["most milliseconds between expiries"] > 1000 else 0)


def _measure(source: Redis, target: Redis, address: str, count: int) -> dict[str, Any]:
    _fill(source, count)
    done = carry(source, target)
    missing, apart = _judge(source, target)
    target.flushall()
    limit = _migrate(source, address)
    result: dict[str, Any] = {
        "keys": done.looked.copied,
        "keys a second, copied and compared": int(done.looked.copied / done.seconds),
        "missing": missing,
        "differing": len(done.differing),
        "most milliseconds between expiries": apart,
    }
    if limit:
        result |= {"keys a second by MIGRATE": int(limit), "ratio": done.looked.copied / done.seconds / limit}
    return result


def _fill(client: Redis, count: int) -> None:
    """As life has them: counters of limits, failed sign-ins, sessions."""
    chance = random.Random(1)
    pipe: Any = client.pipeline(transaction=False)
    for number in range(count):
        expires = chance.randrange(3_600_000, 36_000_000)
        match number % 20:
            case 0:
                pipe.set(f"console:session:{number:032x}", chance.randbytes(600), px=expires)
            case 1:
                pipe.set(f"sign-in:account:{number:016x}:n", chance.randrange(10), px=expires)
            case 2:
                pipe.hset(f"limit:window:{number}", mapping={"used": number, "until": number})
                pipe.pexpire(f"limit:window:{number}", expires)
            case _:
                pipe.set(f"limit:user:{number:032x}", chance.randrange(100), px=expires)
        if number % AT_ONCE == 0:
            pipe.execute()
    pipe.execute()


def _judge(source: Redis, target: Redis) -> tuple[int, int]:
    missing = apart = 0
    names = list(source.scan_iter(count=AT_ONCE))
    for first in range(0, len(names), AT_ONCE):
        some = names[first : first + AT_ONCE]
        sides: list[list[int]] = []
        for client in (source, target):
            pipe: Any = client.pipeline(transaction=False)
            for name in some:
                pipe.pexpiretime(name)
            sides.append(pipe.execute())
        missing += sum(there == -2 for there in sides[1])
        apart = max(apart, *(abs(here - there) for here, there in zip(*sides, strict=True) if there != -2))
    return missing, apart


def _migrate(source: Redis, address: str) -> float | None:
    """None where the two do not understand each other."""
    to = urlsplit(address)
    names = list(source.scan_iter(count=AT_ONCE))
    began = time.monotonic()
    try:
        for first in range(0, len(names), AT_ONCE):
            some = names[first : first + AT_ONCE]
            source.migrate(to.hostname, to.port, some, 0, 60_000, copy=True, replace=True, auth=to.password)
    except RedisError as error:
        print(f"MIGRATE: {error}", file=sys.stderr)
        return None
    return len(names) / (time.monotonic() - began)


if __name__ == "__main__":
    main()
