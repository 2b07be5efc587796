"""What a killed drill leaves running is ended by whoever finds its run; what is another's is left alone."""

import subprocess
from pathlib import Path

from core.foundation.embedded.process import ServerProcess
from core.foundation.embedded.valkey import EmbeddedValkey
from core.operations.recovery.application import _note, end_left_over
from tests.operations.backups.conftest import eventually


def test_what_was_started_for_a_copy_is_ended_and_nothing_else(tmp_path: Path) -> None:
    cache = EmbeddedValkey(tmp_path / "valkey", secrets=tmp_path / "secrets", log=tmp_path / "valkey.log")
    api = ServerProcess(["sh", "-c", "sleep 300; : core.cli.main api"], log=tmp_path / "api.log")
    other = subprocess.Popen(["sleep", "300"], start_new_session=True)
    cache.start()
    api.start(cwd=tmp_path)
    try:
        _note(tmp_path, f"{cache.host}:{cache.port}", cache.pid)
        _note(tmp_path, "core.cli.main api", api.pid)
        _note(tmp_path, "core.cli.main api", other.pid)
        (tmp_path / "torn.started").write_text("")
        end_left_over(tmp_path)
        eventually(lambda: not api.running and not cache.running)
        assert (api.exit_code, cache.exit_code, other.poll()) == (-9, -9, None)
        assert list(tmp_path.glob("*.started")) == []
        end_left_over(tmp_path / "nowhere")
    finally:
        other.kill()
        other.wait()
        api.stop()
        cache.stop()
