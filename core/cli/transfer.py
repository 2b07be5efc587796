"""`cloudbill export` and `cloudbill import`: a whole installation as a set of files, and back."""

from typing import Annotated, Any, Literal

import orjson
import typer

from core.cli.backup import Identity, Output, settings_with
from core.cli.formats import Format
from core.operations.transfer.chunks import CHUNK_BYTES

Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, max=64, help="How many chunks at a time.")]
PublicKey = Annotated[
    list[str] | None,
    typer.Option(
        "--public-key", metavar="KEY", help="A ledger key to believe besides our own: 64 hex digits or a file."
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Leave Redis alone: limits and failed sign-ins begin anew.")]


def export_command(
    place: Annotated[str, typer.Argument(metavar="DIR|s3://…|gs://…", help="An empty place, or one to go on with.")],
    jobs: Jobs = 2,
    seal_to: Annotated[
        list[str] | None,
        typer.Option("--seal-to", metavar="AGE_KEY", help="Seal to this age public key (age1…); may be repeated."),
    ] = None,
    chunk_mb: Annotated[float, typer.Option(help="Size of a chunk.", min=0.001, max=1024)] = CHUNK_BYTES / 2**20,
    no_cache: NoCache = False,
    output: Output = Format.TEXT,
) -> None:
    """Write PostgreSQL and Redis, as of one instant, to a folder or a bucket; the same command again goes on."""
    from core.operations.transfer.exporting import export

    recipients = _recipients(seal_to or [])
    done = export(
        settings_with(None),
        place,
        jobs=jobs,
        chunk_bytes=int(chunk_mb * 2**20),
        seal_to=recipients,
        with_cache=not no_cache,
        say=_say,
    )
    manifest = done.manifest
    if output is Format.JSON:
        _print_json({**_summary(manifest), "place": place, "chunksCopied": done.copied, "chunksKept": done.kept})
        return
    _show(manifest)
    typer.echo(f"{done.copied} chunks written, {done.kept} kept from an earlier run. Root: {manifest['root']}")
    if not manifest["sealedTo"]:
        typer.echo("Not sealed: names, e-mail addresses and password hashes stand in it in the clear (--seal-to).")
    typer.echo(
        "Not in it, and needed: ENCRYPTION_KEY and LEDGER_SIGNING_KEY (or ledger-heads.key) of this installation."
    )
    unknown: list[str] = manifest["cache"].get("unknown") or []
    for name in unknown:
        typer.echo(f"cloudbill: Redis key left behind, nobody decided about it: {name}", err=True)


def import_command(
    place: Annotated[str | None, typer.Argument(metavar="DIR|s3://…|gs://…", help="Where the set lies.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only judge the set; nothing is touched.")] = False,
    only: Annotated[
        Literal["redis"] | None,
        typer.Option(help="Bring in Redis alone, into an installation that serves: keys that are there stay."),
    ] = None,
    clean: Annotated[bool, typer.Option("--clean", help="Put a half filled target back as it was.")] = False,
    jobs: Jobs = 2,
    public_key: PublicKey = None,
    identity: Identity = None,
    no_cache: NoCache = False,
    output: Output = Format.TEXT,
) -> None:
    """Fill an empty, migrated database (and Redis) from a set; the same command again goes on."""
    from core.operations.transfer import importing

    settings, trusted = settings_with(identity), _public_keys(public_key or [])
    if clean:
        undone = importing.clean(settings, jobs=jobs)
        _print_json({"putBack": undone}) if output is Format.JSON else typer.echo(
            "The target is as it was before." if undone else "Nothing was half filled."
        )
        return
    if place is None:
        raise typer.BadParameter("say where the set lies: a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX")
    if check:
        _check(settings, place, trusted, jobs, output)
        return
    if only == "redis":
        _import_cache(settings, place, trusted, output)
        return
    done = importing.import_set(settings, place, jobs=jobs, trusted=trusted, with_cache=not no_cache, say=_say)
    if output is Format.JSON:
        figures = {"chunksCopied": done.copied, "chunksKept": done.kept, "keys": done.keys, "heads": done.heads}
        _print_json({**_summary(done.manifest), **figures, "workerHeld": True})
        return
    _show(done.manifest)
    typer.echo(
        f"{done.copied} chunks brought in, {done.kept} were there from an earlier run; {done.keys} keys of Redis."
    )
    typer.echo(
        f"All digests are those of the manifest. {done.checked.transactions} transactions of {done.checked.tenants} "
        f"tenants recomputed, {done.checked.blocks} blocks verified, {done.heads} heads signed."
    )
    typer.echo("The worker is held: `cloudbill recovery status` says why, `cloudbill recovery release` lets it go.")


def _import_cache(settings: Any, place: str, trusted: list[str], output: Format) -> None:
    from core.operations.transfer.filling_cache import import_cache

    done = import_cache(settings, place, trusted=trusted, say=_say)
    if output is Format.JSON:
        counts = {"keys": done.written, "keysKept": done.kept, "keysExpired": done.expired}
        _print_json({"id": done.manifest["id"], **counts})
        return
    typer.echo(
        f"{done.written} keys of Redis brought in and compared; {done.kept} were there and stay as they are, "
        f"{done.expired} had expired."
    )


def _check(settings: Any, place: str, trusted: list[str], jobs: int, output: Format) -> None:
    from core.operations.backups.errors import KeyMissing
    from core.operations.backups.keys import Keys
    from core.operations.transfer import sets
    from core.operations.transfer.documents import own_public_keys
    from core.operations.transfer.inspecting import inspect, strangers
    from core.operations.transfer.places import place_at

    objects = place_at(place)
    manifest = sets.read_manifest(objects, believed=[*own_public_keys(settings), *trusted])
    try:
        by = Keys(settings).openings() if manifest["sealedTo"] else []
    except KeyMissing:
        by = []
    findings = list(inspect(objects, manifest, by=by, jobs=jobs))
    others = strangers(objects, manifest)
    opened = bool(by) or not manifest["sealedTo"]
    if output is Format.JSON:
        listed = [{"code": one.code, "file": one.file, "detail": one.detail} for one in findings]
        _print_json(
            {"whole": not findings, "opened": opened, "findings": listed, "notOfTheSet": others, **_summary(manifest)}
        )
    else:
        for finding in findings:
            typer.echo(str(finding))
        depth = "opened and read" if opened else "sealed, and not opened: the private key is not here (--identity)"
        verdict = f"{len(findings)} findings" if findings else "whole"
        typer.echo(f"{verdict}: {len(manifest['files'])} files of rows, {depth}")
        if others:
            more = f" and {len(others) - 3} more" if len(others) > 3 else ""
            typer.echo(f"Not of the set, and not read: {', '.join(others[:3])}{more}.")
        _show(manifest)
    if findings:
        raise typer.Exit(1)


def _summary(manifest: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": manifest["id"],
        "takenAt": manifest["takenAt"],
        "revision": manifest["revision"],
        "postgres": manifest["postgres"],
        "rows": sum(table["rows"] for table in manifest["tables"]),
        "bytes": sum(file["size"] for file in manifest["files"]),
        "tenants": len(manifest["tenants"]),
        "root": manifest["root"],
        "ledgerSums": manifest["ledgerSums"],
        "sealedTo": manifest["sealedTo"],
        "cache": {name: value for name, value in manifest["cache"].items() if name != "files"},
    }


def _show(manifest: dict[str, Any]) -> None:
    found = _summary(manifest)
    typer.echo(
        f"Set {found['id']} as of {found['takenAt']}: {found['rows']:,} rows of {len(manifest['tables'])} tables in "
        f"{found['bytes'] / 1e6:.1f} MB, schema {found['revision']}, from PostgreSQL {found['postgres']}."
    )
    for currency, sums in found["ledgerSums"].items():
        wallets = sums["walletsMicro"] / 1_000_000
        typer.echo(f"{currency}: {sums['entries']:,} entries, sum {sums['sumMicro']}; wallets hold {wallets:,.2f}.")


def _recipients(given: list[str]) -> list[str]:
    from core.operations.backups.keys import recipient

    for key in given:
        try:
            recipient(key)
        except Exception:
            raise typer.BadParameter(
                f"{key[:16]}… is no age public key: it must look like age1…, as `cloudbill backup key` or `age-keygen` "
                "prints it",
                param_hint="--seal-to",
            ) from None
    return given


def _public_keys(given: list[str]) -> list[str]:
    from core.operations.transfer.documents import parse_public_key

    try:
        return [parse_public_key(one) for one in given]
    except (ValueError, OSError):
        raise typer.BadParameter(
            "a public key is 64 hexadecimal digits, or a file that holds them", param_hint="--public-key"
        ) from None


def _say(words: str) -> None:
    typer.echo(words, err=True)


def _print_json(document: Any) -> None:
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode())
