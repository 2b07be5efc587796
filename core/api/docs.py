"""GET /docs: the OpenAPI document as one page that asks nothing of anybody: no scripts, no fonts, no other host."""

import base64
import hashlib
from html import escape
from typing import Any

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8882}
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid var(--line);text-transform:capitalize}
details{border:1px solid var(--line);border-radius:.4rem;margin:.4rem 0;padding:.45rem .8rem}
summary{cursor:pointer}code,pre{font:13px/1.45 ui-monospace,monospace}
summary b{display:inline-block;width:4.2rem;font:600 12px ui-monospace,monospace}
pre{background:var(--soft);padding:.6rem;border-radius:.3rem;overflow:auto}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
td{border-top:1px solid var(--line);padding:.25rem .6rem .25rem 0;vertical-align:top}
td:first-child{white-space:nowrap}small{opacity:.75}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; frame-ancestors 'none'; style-src 'sha256-{_STYLE_HASH}'"


def page(document: dict[str, Any]) -> str:
    """The whole document as HTML, grouped by tag."""
    groups: dict[str, list[str]] = {}
    schemas: dict[str, Any] = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            group = str((operation.get("tags") or ["other"])[0])
            groups.setdefault(group, []).append(_operation(method, path, operation, schemas))
    body = "".join(f"<h2>{escape(group)}</h2>{''.join(found)}" for group, found in groups.items())
    title = f"{escape(document['info']['title'])} {escape(document['info']['version'])}"
    about = "".join(f"<p>{escape(line)}</p>" for line in document["info"]["description"].strip().splitlines())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>{about}"
        f'<p><a href="/openapi.json">openapi.json</a></p>{body}</body></html>'
    )


def _operation(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    parts: list[str] = []
    description = operation.get("description") or ""
    if description:
        parts.append(f"<p>{escape(description)}</p>")
    access = operation.get("x-access")
    if access is None:
        parts.append("<p><small>For anyone.</small></p>")
    else:
        who = ", ".join([*access["roles"], *(f"installation {role}" for role in access["installationRoles"])])
        scope = f"; keys with {access['scope']}" if access["scope"] else ""
        parts.append(f"<p><small>For {escape(who + scope)}.</small></p>")
    rows = [
        (f"{found['name']} ({found['in']})", str(found.get("description", "")))
        for found in operation.get("parameters", ())
    ]
    parts.append(_table(rows))
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        parts.append(f"<pre>{escape(_outline(body, schemas))}</pre>")
    parts.append(_table([(status, str(found["description"])) for status, found in operation["responses"].items()]))
    answer = next((_schema_of(found) for status, found in operation["responses"].items() if status < "300"), None)
    if answer:
        parts.append(f"<pre>{escape(_outline(answer, schemas))}</pre>")
    summary = f"<summary><b>{method.upper()}</b> <code>{escape(path)}</code> {escape(operation.get('summary', ''))}"
    return f"<details>{summary}</summary>{''.join(parts)}</details>"


def _schema_of(response: dict[str, Any]) -> dict[str, Any] | None:
    return response.get("content", {}).get("application/json", {}).get("schema")


def _table(rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    cells = "".join(f"<tr><td><code>{escape(name)}</code></td><td>{escape(text)}</td></tr>" for name, text in rows)
    return f"<table>{cells}</table>"


def _outline(schema: dict[str, Any], schemas: dict[str, Any], depth: int = 0) -> str:
    """The shape of a body: names, types, and which may be left out (?)."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _outline(schemas[name], schemas, depth) if depth < 5 else name
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " | ".join(_outline(choice, schemas, depth) for choice in choices)
    if "enum" in schema:
        return " | ".join(f'"{value}"' for value in schema["enum"])
    if "const" in schema:
        return f'"{schema["const"]}"'
    if schema.get("type") == "array":
        return f"[{_outline(schema.get('items', {}), schemas, depth)}]"
    properties = schema.get("properties")
    if not properties:
        return str(schema.get("format") or schema.get("type", "any"))
    needed = set(schema.get("required", ()))
    pad = "  " * (depth + 1)
    lines = [
        f"{pad}{name}{'' if name in needed else '?'}: {_outline(inner, schemas, depth + 1)}"
        for name, inner in properties.items()
    ]
    return "{\n" + "\n".join(lines) + "\n" + "  " * depth + "}"
