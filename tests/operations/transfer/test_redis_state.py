"""What is counted in Redis comes along with the instant it expires; locks and what is derived stay behind."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from core.operations.transfer import cache_files
from core.operations.transfer.carrying import carry, same_place
from core.operations.transfer.errors import CacheUnfit
from core.operations.transfer.redis_state import Looked, decide, differences, read_all
from tests.operations.transfer.conftest import Caches

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture
def redis7(caches: Caches) -> Iterator[Redis]:
    with Redis.from_url(caches.redis.format(number=5)) as client:
        client.flushdb()
        yield client


@pytest.fixture
def valkey9(caches: Caches) -> Iterator[Redis]:
    with Redis.from_url(caches.valkey.format(number=5)) as client:
        client.flushdb()
        yield client


def fill(client: Redis, count: int) -> int:
    """Keys of every kind that is copied; how many will be."""
    chance = random.Random(1)
    pipe: Any = client.pipeline(transaction=False)
    for number in range(count):
        pipe.set(f"limit:user:{number}", chance.randrange(100), px=chance.randrange(60_000, 900_000))
    pipe.set("sign-in:pair:abc:n", b"\x00\xff\n raw", ex=3600)
    pipe.set("sign-in:empty", b"")
    pipe.hset("limit:a-hash", mapping={"b": "2", "a": "\u00e9", "": ""})
    pipe.pexpire("limit:a-hash", 123_456)
    pipe.rpush("limit:a-list", "3", "1", "2", "1")
    pipe.sadd("limit:a-set", "z", "y", b"\xfe")
    pipe.zadd("limit:a-zset", {"one": 1, "less": -1.5, "tiny": 1e-300, "inf": float("inf"), "big": 2**53})
    pipe.set("console:session:s1", "who", ex=600)
    pipe.set("console:session:s1:lock", "held", ex=20)
    pipe.set("worker:heartbeat", "now", ex=15)
    pipe.set("ledger:verification", "{}", ex=600)
    pipe.set("sign-in:soon-over", "1", px=1)
    pipe.set("of:somebody:else", "1")
    pipe.execute()
    return count + 7


@pytest.mark.parametrize("back", [False, True], ids=["redis 7 to valkey 9", "valkey 9 to redis 7"])
def test_all_that_is_counted_arrives_with_its_expiry(
    redis7: Redis, valkey9: Redis, back: bool, record_property: Any
) -> None:
    source, target = (valkey9, redis7) if back else (redis7, valkey9)
    expected = fill(source, 20_000)
    time.sleep(0.005)
    started = time.monotonic()
    done = carry(source, target)
    looked, seconds = done.looked, time.monotonic() - started
    assert done.differing == []
    assert looked.copied == expected
    assert (looked.locks, looked.rebuilt, looked.secret) == (1, 2, 1)
    assert looked.unknown == ["of:somebody:else"], "a finding, and not copied"
    assert target.dbsize() == expected
    assert {name.decode() for name in target.scan_iter("console:*")} == {"console:session:s1"}
    for name in ("limit:user:7", "limit:a-hash", "sign-in:pair:abc:n"):
        assert abs(int(source.pexpiretime(name)) - int(target.pexpiretime(name))) <= 1000
    assert target.pexpiretime("limit:a-list") == -1
    assert target.zscore("limit:a-zset", "tiny") == 1e-300
    assert target.lrange("limit:a-list", 0, -1) == [b"3", b"1", b"2", b"1"]
    record_property("result", f"{expected / seconds:,.0f} keys a second copied and compared, 0 missing")


def test_what_differs_afterwards_is_named(redis7: Redis, valkey9: Redis) -> None:
    fill(redis7, 10)
    carry(redis7, valkey9)
    expected = list(read_all(redis7, Looked(), secrets=True))
    assert differences(expected, valkey9) == []
    valkey9.delete("limit:user:1")
    valkey9.incr("limit:user:2")
    valkey9.pexpire("limit:user:3", 5_000)
    valkey9.persist("limit:user:4")
    assert sorted(line.split()[0] for line in differences(expected, valkey9)) == [
        f"limit:user:{number}" for number in (1, 2, 3, 4)
    ]


def test_what_the_source_no_longer_has_is_gone_and_what_is_not_carried_is_left_alone(
    redis7: Redis, valkey9: Redis
) -> None:
    redis7.set("limit:user:1", "5", ex=60)
    for name in ("limit:user:1", "limit:user:2", "console:session:left", "worker:heartbeat", "of:somebody:else"):
        valkey9.set(name, "there")
    done = carry(redis7, valkey9)
    assert (done.looked.copied, done.removed, done.differing) == (1, 2, [])
    assert sorted(valkey9.scan_iter()) == [b"limit:user:1", b"of:somebody:else", b"worker:heartbeat"]
    assert valkey9.get("limit:user:1") == b"5"


def test_one_database_of_one_server_is_known_as_the_same(redis7: Redis, valkey9: Redis, caches: Caches) -> None:
    assert same_place(redis7, redis7)
    assert not same_place(redis7, valkey9)
    with Redis.from_url(caches.redis.format(number=6)) as other:
        assert not same_place(redis7, other)


def test_sessions_are_copied_only_where_they_are_sealed(redis7: Redis) -> None:
    redis7.set("console:session:s1", "tokens")
    assert [key.name for key in read_all(redis7, Looked(), secrets=False)] == []
    assert [key.name for key in read_all(redis7, Looked(), secrets=True)] == [b"console:session:s1"]


def test_a_kind_that_is_not_copied_is_named(redis7: Redis) -> None:
    redis7.xadd("limit:a-stream", {"a": "b"})
    with pytest.raises(CacheUnfit, match="limit:a-stream is a stream"):
        list(read_all(redis7, Looked(), secrets=True))


def test_every_key_is_a_line_of_json_and_the_same_again(redis7: Redis) -> None:
    fill(redis7, 5)
    keys = list(read_all(redis7, Looked(), secrets=True))
    assert [cache_files.from_line(cache_files.to_line(key).rstrip(), "a file") for key in keys] == keys


@pytest.mark.parametrize(
    ("name", "decision"),
    [
        (b"limit:key:018f", "copied"),
        (b"sign-in:account:ab:until", "copied"),
        (b"console:session:abc", "secret"),
        (b"console:session:abc:lock", "lock"),
        (b"ledger:verification", "rebuilt"),
        (b"worker:heartbeat", "rebuilt"),
        (b"alerts:looked", "rebuilt"),
        (b"\xff\xfe", None),
    ],
)
def test_it_is_decided_what_becomes_of_each_key_of_the_product(name: bytes, decision: str | None) -> None:
    assert decide(name) == decision
