"""Google's REST APIs, faked, and held to their own discovery documents.

A call that no method of the document answers, a parameter or field that it does not know, a value of another type or
outside of an enum, a field that only Google writes: each is refused with 400, and named. What the fake itself answers
is held to the same schema. It keeps what it is given and knows nothing of rights.

`fail` breaks the next calls of a method: a refusal as Google words it, a stall, a cut connection, half an answer;
before or after the call has done its work.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import googleapiclient

from tests.support.google_answers import Broken, Call, Fault, Refused
from tests.support.google_objects import Objects

__all__ = ["Broken", "Call", "Google", "Refused", "fake"]
DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
APIS = {
    "sqladmin": ("v1", "SQL"),
    "storage": ("v1", "STORAGE"),
    "cloudkms": ("v1", "CLOUDKMS"),
    "iam": ("v1", "IAM"),
    "serviceusage": ("v1", "SERVICEUSAGE"),
    "cloudresourcemanager": ("v3", "CLOUDRESOURCEMANAGER"),
    "run": ("v2", "RUN"),
    "secretmanager": ("v1", "SECRETMANAGER"),
    "monitoring": ("v3", "MONITORING"),
    "dns": ("v1", "DNS"),
    "compute": ("v1", "COMPUTE"),
}
"""Their versions, and gcloud's names for their addresses."""
_KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str, "boolean": bool, "integer": int, "number": (int, float), "array": list, "object": dict,
}  # fmt: skip


@dataclass
class Google:
    """What it has, by name; `calls` are the methods that were called, those that change something also in `changes`."""

    url: str = ""
    things: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    """Methods that were answered at least once as they should be."""
    answers: dict[str, Callable[[Call], Any]] = field(default_factory=dict)
    """Of a test's own, by the method's id."""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    objects: Objects = field(default_factory=Objects)
    stall: threading.Event = field(default_factory=threading.Event)
    """Set at the end: what stalls until then goes on."""

    def fail(self, method: str, error: Refused | Broken, *, times: int = 1, is_done: bool = False) -> None:
        """The next calls of that method meet this, after what was said before."""
        self.faults.setdefault(method, []).append(Fault(error, times, is_done))

    def _fault(self, method: str) -> Fault | None:
        waiting = self.faults.get(method, [])
        while waiting and waiting[0].times == 0:
            waiting.pop(0)
        if not waiting:
            return None
        waiting[0].times -= 1
        return waiting[0]

    def environment(self) -> dict[str, str]:
        """What leads clients here."""
        found = {
            f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{word}": f"{self.url}/{api}/{_document(api)['servicePath']}"
            for api, (_, word) in APIS.items()
        }
        return {**found, "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true", "NO_PROXY": "127.0.0.1"}

    def answer(self, api: str, verb: str, target: str, text: bytes) -> Any:
        """The whole of a call; bytes where a file is asked for."""
        document = _document(api)
        parts = urlsplit(target)
        method, path = _method(document, verb, parts.path.lstrip("/"))
        given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        query = {name: value for name, value in given.items() if name != "alt"}
        for name in query:
            if method["parameters"].get(name, {}).get("location") != "query":
                raise Refused(400, f"{method['id']} has no parameter {name}")
        for name, parameter in method["parameters"].items():
            if parameter.get("required") and parameter["location"] == "query" and name not in query:
                raise Refused(400, f"{method['id']} needs {name}")
        body: dict[str, Any] = json.loads(text) if text else {}
        if body and "request" not in method:
            raise Refused(400, f"{method['id']} takes no body")
        if body:
            _check(document, document["schemas"][method["request"]["$ref"]], body, method["id"], writes=True)
        call = Call(method["id"], path, query, body)
        self.calls.append(call.method)
        fault = self._fault(call.method)
        if fault and not fault.is_done:
            raise fault.error
        if verb != "GET" and not call.method.endswith("getIamPolicy"):
            self.changes.append(call.method)
        if call.method.startswith("storage.objects."):
            answer = self.objects.answer(call, media=given.get("alt") == "media")
        else:
            answer = self.answers.get(call.method, self._usual)(call)
        if "response" in method and not isinstance(answer, bytes):
            _check(document, document["schemas"][method["response"]["$ref"]], answer, f"the answer to {call.method}")
        if fault:
            raise fault.error
        self.answered.add(call.method)
        return answer

    def upload(
        self, verb: str, target: str, headers: Mapping[str, str], text: bytes
    ) -> tuple[int, dict[str, str], Any]:
        """A step of a resumable upload: status, headers, answer."""
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if verb == "POST":
            method, path = _method(_document("storage"), "POST", parts.path.removeprefix("/upload/"))
            unknown = set(query) - {"alt", "uploadType"} - set(method["parameters"])
            if unknown or query.get("uploadType") != "resumable":
                raise Refused(400, f"{method['id']} knows no {sorted(unknown) or 'upload but the resumable'}")
            self.calls.append(method["id"])
            if fault := self._fault(method["id"]):
                raise fault.error
            body: dict[str, Any] = json.loads(text) if text else {}
            _check(_document("storage"), _document("storage")["schemas"]["Object"], body, method["id"], writes=True)
            session = self.objects.begin(Call(method["id"], path, query, body))
            return 200, {"location": f"{self.url}/upload/session/{session}"}, {}
        fault = self._fault("storage.objects.insert#chunk")
        if fault and not fault.is_done:
            raise fault.error
        is_new = parts.path.rpartition("/")[2] not in self.objects.finished
        status, more, answer = self.objects.receive(
            parts.path.rpartition("/")[2], headers.get("content-range", ""), text
        )
        if status == 200:
            self.changes += ["storage.objects.insert"] if is_new else []
            _check(_document("storage"), _document("storage")["schemas"]["Object"], answer, "the answer to insert")
            self.answered.add("storage.objects.insert")
        if fault:
            raise fault.error
        return status, more, answer

    def _usual(self, call: Call) -> dict[str, Any]:
        """Create, get, patch and the policies, in the one form that these APIs share."""
        name = call.path.get("name") or call.path.get("resource") or call.path.get("parent") or ""
        match call.method.rpartition(".")[2]:
            case "getIamPolicy":
                return self._policy(call, name)
            case "setIamPolicy":
                given = call.body.get("policy", call.body)
                if given.get("etag") != self._policy(call, name)["etag"]:
                    raise Refused(409, "the policy was changed in between")
                self.policies[_key(call, name)] = {**given, "etag": f"e{len(self.changes)}"}
                return self.policies[_key(call, name)]
            case "get":
                return self._get(_key(call, name))
            case "patch":
                thing = self._get(_key(call, name))
                thing.update(call.body)
                return thing if call.method.startswith("storage.") else {"name": "operations/1", "done": True}
            case "create" | "insert":
                return self._create(call, name)
        raise Refused(501, f"the fake does not know {call.method}")

    def _get(self, key: str) -> dict[str, Any]:
        if key not in self.things:
            raise Refused(404, f"{key} not found")
        return self.things[key]

    def _policy(self, call: Call, name: str) -> dict[str, Any]:
        return self.policies.get(_key(call, name), {"etag": "e0"})

    def _create(self, call: Call, parent: str) -> dict[str, Any]:
        kind = call.method.split(".")[-2]
        if kind == "buckets":
            key, thing = f"b/{call.body['name']}", call.body
        elif kind == "serviceAccounts":
            project = parent.rpartition("/")[2]
            email = f"{call.body['accountId']}@{project}.iam.gserviceaccount.com"
            key, thing = f"{parent}/serviceAccounts/{email}", {**call.body["serviceAccount"], "email": email}
        else:
            [given] = [value for name, value in call.query.items() if name.endswith("Id")]
            key, thing = f"{parent}/{kind}/{given}", {**call.body, "name": f"{parent}/{kind}/{given}"}
        if key in self.things:
            raise Refused(409, f"{key} is there")
        self.things[key] = thing
        is_slow = kind in ("workloadIdentityPools", "providers")
        return {"name": f"{key}/operations/1", "done": True} if is_slow else thing


def _key(call: Call, name: str) -> str:
    return f"b/{call.path['bucket']}" if "bucket" in call.path else name


@cache
def _document(api: str) -> dict[str, Any]:
    return json.loads((DOCUMENTS / f"{api}.{APIS[api][0]}.json").read_text())


@cache
def _methods(api: str) -> list[tuple[str, re.Pattern[str], dict[str, Any]]]:
    found: list[tuple[str, re.Pattern[str], dict[str, Any]]] = []

    def walk(place: dict[str, Any]) -> None:
        for method in place.get("methods", {}).values():
            form = re.escape(_document(api)["servicePath"] + method.get("flatPath", method["path"]))
            form = re.sub(r"\\\{\\?\+?(\w+)\\\}", r"(?P<\1>[^/:]+)", form)
            found.append((method["httpMethod"], re.compile(form), method))
        for below in place.get("resources", {}).values():
            walk(below)

    walk(_document(api))
    return found


def _method(document: dict[str, Any], verb: str, path: str) -> tuple[dict[str, Any], dict[str, str]]:
    for wanted, form, method in _methods(document["name"]):
        if wanted == verb and (match := form.fullmatch(path)):
            parts = {name: unquote(value) for name, value in match.groupdict().items()}
            whole = unquote(path.removeprefix(document["servicePath"]))
            for name in method["parameterOrder"]:
                if (
                    name not in parts and f"{{+{name}}}" in method["path"]
                ):  # `v1/{+name}`: the form says where it stands
                    shape = re.escape(method["path"]).replace(re.escape(f"{{+{name}}}"), "(?P<value>.+)")
                    found = re.fullmatch(shape, whole)
                    parts[name] = found["value"] if found else ""
            return {"parameters": {}, **method}, parts
    raise Refused(404, f"{document['name']} has no method for {verb} {path}")


def _check(document: dict[str, Any], schema: dict[str, Any], value: Any, at: str, *, writes: bool = False) -> None:
    if "$ref" in schema:
        schema = document["schemas"][schema["$ref"]]
    kind = schema.get("type", "any")
    if kind == "any":
        return
    if not isinstance(value, _KINDS[kind]) or (kind == "integer" and isinstance(value, bool)):
        raise Refused(400, f"{at} is no {kind}")
    if "enum" in schema and value not in schema["enum"]:
        raise Refused(400, f"{at} is {value!r}: it may be {', '.join(schema['enum'])}")
    if kind == "array":
        for number, entry in enumerate(value):
            _check(document, schema["items"], entry, f"{at}[{number}]", writes=writes)
    if kind == "object":
        for name, entry in value.items():
            below = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
            if below is None:
                raise Refused(400, f"unknown name {name!r} at {at}")
            if writes and (below.get("readOnly") or str(below.get("description", "")).startswith("Output only")):
                raise Refused(400, f"{at}.{name} is only Google's to write")
            _check(document, below, entry, f"{at}.{name}", writes=writes)


@contextmanager
def fake() -> Iterator[Google]:
    """Listens meanwhile."""
    google = Google()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            api, _, target = self.path.lstrip("/").partition("/")
            text = self.rfile.read(int(self.headers.get("content-length") or 0))
            try:
                headers: dict[str, str] = {}
                if api == "upload":
                    lowered = {name.lower(): value for name, value in self.headers.items()}
                    status, headers, answer = google.upload(self.command, self.path, lowered, text)
                else:
                    status, answer = 200, google.answer(api, self.command, target, text)
            except Refused as reason:
                status, answer, headers = reason.status, reason.document, reason.headers
            except (AssertionError, LookupError, TypeError, ValueError) as error:
                # The fake's own fault, or a test's answer's: not to be asked again.
                status, answer, headers = 418, {"error": {"code": 418, "message": f"the fake failed: {error!r}"}}, {}
            except Broken as broken:
                self.close_connection = True
                if broken.how == "stalled":
                    google.stall.wait(60)
                if broken.how != "garbled":
                    return
                status, answer, headers = 200, b'{"name": "half an ans', {}
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            status = 204 if status == 200 and not body and self.command == "DELETE" else status
            if status == 200 and (wanted := self.headers.get("range", "").removeprefix("bytes=")):
                first, last = (int(part) for part in wanted.split("-"))
                headers = {"content-range": f"bytes {first}-{min(last, len(body) - 1)}/{len(body)}"}
                status, body = 206, body[first : last + 1]
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    google.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield google
    finally:
        google.stall.set()
        server.shutdown()
        thread.join()
        server.server_close()
