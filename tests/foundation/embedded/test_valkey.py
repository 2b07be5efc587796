import os
import shutil
import signal
import stat
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry

from core.foundation.embedded.errors import AlreadyRunning
from core.foundation.embedded.valkey import EmbeddedValkey

NEVER = Retry(NoBackoff(), 0)
REDIS = shutil.which("redis-server")


def client(server: EmbeddedValkey) -> Redis:
    return Redis.from_url(server.url(), decode_responses=True)


def test_it_takes_commands_with_its_password_only(valkey: EmbeddedValkey) -> None:
    with valkey.start(), client(valkey) as known, Redis(port=valkey.port, retry=NEVER) as stranger:
        assert known.ping() is True
        assert known.config_get("bind") == {"bind": "127.0.0.1"}
        with pytest.raises(AuthenticationError):
            stranger.ping()
        assert stat.S_IMODE((valkey.data_dir / "server.conf").stat().st_mode) == 0o600


def test_what_was_written_survives_a_stop_and_a_kill(valkey: EmbeddedValkey) -> None:
    with valkey.start():
        with client(valkey) as connection:
            connection.set("stopped", 1)
        valkey.stop()
        valkey.start()
        with client(valkey) as connection:
            assert connection.get("stopped") == "1"
            connection.set("killed", 2)
        assert valkey.pid
        os.kill(valkey.pid, signal.SIGKILL)
        while valkey.running:
            pass
        valkey.start()
        with client(valkey) as connection:
            assert connection.get("killed") == "2"


def test_a_second_server_on_the_same_data_is_refused(valkey: EmbeddedValkey) -> None:
    with valkey.start():
        with pytest.raises(AlreadyRunning, match="Valkey already runs on"):
            EmbeddedValkey(valkey.data_dir).start()
        assert valkey.answers()


def test_a_damaged_file_is_set_aside_since_nothing_in_it_is_the_truth(valkey: EmbeddedValkey) -> None:
    with valkey.start(), client(valkey) as connection:
        connection.set("gone", 1)
    for file in (valkey.data_dir / "appendonlydir").glob("*.incr.aof"):
        file.write_bytes(b"*3\r\n$nonsense")
        with file.open("ab") as end:
            end.write(b"x" * 4096)
    with valkey.start(), client(valkey) as connection:
        assert connection.get("gone") is None
        assert valkey.set_aside is not None
        assert (valkey.set_aside / "appendonlydir").is_dir()


@pytest.mark.skipif(REDIS is None, reason="redis-server is not installed")
def test_the_same_class_runs_a_redis_server(folder: Path) -> None:
    assert REDIS
    server = EmbeddedValkey(folder / "redis", Path(REDIS))
    with server.start(), client(server) as connection:
        assert connection.info("server")["redis_version"].startswith("7.")
    assert not server.running
