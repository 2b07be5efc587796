"""The README's five calls work as they are printed there."""

import asyncio
import re
from pathlib import Path

from core.foundation.settings import Settings

README = Path(__file__).parents[3] / "README.md"


async def test_the_five_calls_of_the_readme_work_as_printed(installation: Settings) -> None:
    found = re.search(r"## The API in five calls\n\n```\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert found
    script = found[1]
    for printed, port in (("127.0.0.1:8080", installation.port), ("127.0.0.1:12111", installation.stripe_port)):
        assert script.count(printed) == 1
        script = script.replace(printed, f"127.0.0.1:{port}")
    shell = await asyncio.create_subprocess_exec("sh", "-euc", script, stdout=asyncio.subprocess.PIPE)
    said, _ = await asyncio.wait_for(shell.communicate(), timeout=120)
    assert shell.returncode == 0
    assert '"charged":"0.0075","balance":"4.9925","available":"4.9925","currency":"USD"' in said.decode()
    assert '"nextCursor":null' in said.decode()
