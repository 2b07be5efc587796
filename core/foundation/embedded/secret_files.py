"""Generated passwords, one file each, readable by their owner alone."""

import os
import secrets
from pathlib import Path


class SecretFiles:
    """A folder (0700) of files (0600); a secret is made when first asked for and stays the same afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, name: str) -> str | None:
        """The secret of that name, or None when none was made yet."""
        try:
            return (self.folder / name).read_text(encoding="ascii").strip() or None
        except FileNotFoundError:
            return None

    def get_or_create(self, name: str) -> str:
        """The secret of that name; letters, digits, `-` and `_` only, so that it stands in a URL as it is."""
        return self.find(name) or self.put(name, secrets.token_urlsafe(24))

    def put(self, name: str, value: str) -> str:
        """Keep `value` under that name, whole or not at all."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self.folder / f".{name}.{os.getpid()}"
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.folder / name)
        return value
