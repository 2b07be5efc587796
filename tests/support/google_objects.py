"""Cloud Storage's objects, faked: resumable uploads, generations and their preconditions."""

import base64
import hashlib
from typing import Any

from tests.support.google_answers import Call, Refused


class Objects:
    """Cloud Storage's objects, with generations; an upload is seen when its last byte is there."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.generations: dict[str, int] = {}
        self._uploads: dict[str, tuple[Call, bytearray]] = {}
        self.finished: dict[str, dict[str, Any]] = {}
        self._generation = 0

    def answer(self, call: Call, *, media: bool) -> Any:
        """What was asked of objects."""
        bucket = f"{call.path['bucket']}/"
        if call.method == "storage.objects.list":
            names = sorted(name for name in self.content if name.startswith(bucket + call.query.get("prefix", "")))
            names = [name for name in names if name > bucket + call.query.get("pageToken", "")]
            size = int(call.query.get("maxResults", "2"))  # small, so that there are pages
            page = {"items": [self._object(name) for name in names[:size]]}
            more = {"nextPageToken": names[size - 1].removeprefix(bucket)} if len(names) > size else {}
            return page | more
        name = bucket + call.path["object"]
        if name not in self.content:
            raise Refused(404, f"No such object: {name}", reason="notFound")
        self._check_generation(call, name)
        if call.method == "storage.objects.delete":
            del self.content[name], self.generations[name]
            return b""
        return self.content[name] if media else self._object(name)

    def begin(self, call: Call) -> str:
        """A new upload."""
        self._check_generation(call, f"{call.path['bucket']}/{call.query['name']}")
        self._uploads[session := str(len(self._uploads) + 1)] = (call, bytearray())
        return session

    def receive(self, session: str, content_range: str, text: bytes) -> tuple[int, dict[str, str], Any]:
        """`bytes FIRST-LAST/TOTAL`, `bytes */TOTAL` to ask how far it is."""
        if session in self.finished:
            return 200, {}, self.finished[session]
        call, received = self._uploads[session]
        content_range = content_range or f"bytes 0-0/{len(text)}"
        span, _, total = content_range.removeprefix("bytes ").partition("/")
        if span != "*":
            first = int(span.partition("-")[0])
            if first > len(received):
                raise Refused(400, f"the upload stands at {len(received)}, not at {first}")
            received[first:] = text
        if total == "*" or len(received) < int(total):
            return 308, ({"range": f"bytes=0-{len(received) - 1}"} if received else {}), b""
        name = f"{call.path['bucket']}/{call.query['name']}"
        self._check_generation(call, name)
        self._generation += 1
        self.content[name], self.generations[name] = bytes(received), self._generation
        self.finished[session] = self._object(name)
        return 200, {}, self.finished[session]

    def _check_generation(self, call: Call, name: str) -> None:
        wanted = call.query.get("ifGenerationMatch")
        if wanted is not None and int(wanted) != self.generations.get(name, 0):
            raise Refused(
                412, "At least one of the pre-conditions you specified did not hold.", reason="conditionNotMet"
            )

    def _object(self, name: str) -> dict[str, Any]:
        bucket, _, short = name.partition("/")
        digest = base64.b64encode(hashlib.md5(self.content[name], usedforsecurity=False).digest()).decode()
        return {
            "name": short,
            "bucket": bucket,
            "generation": str(self.generations[name]),
            "size": str(len(self.content[name])),
            "md5Hash": digest,
        }
