"""Taking a base backup: pg_basebackup's tar, checked against its manifest and sealed while it streams."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime

import psycopg

from core.foundation.clock import wall_now
from core.foundation.serving import now_at
from core.foundation.settings import Settings, SettingsInvalid
from core.operations.backups.catalogue import Backup, Catalogue
from core.operations.backups.contents import Reader
from core.operations.backups.errors import BackupFailed
from core.operations.backups.keys import Keys, name_of
from core.operations.backups.programs import client_programs, connection, last_words
from core.operations.backups.room import check_room
from core.operations.backups.sealed import CHUNK, seal


def backup_url(settings: Settings) -> str:
    """The address that backups are taken from: of who serves since a failover here. Raises SettingsInvalid."""
    if settings.database_backup_url is None:
        raise SettingsInvalid(
            "DATABASE_BACKUP_URL is not set: give an address of the database whose user may LOGIN and REPLICATION "
            "(`make up` makes one for its own; a cloud's database is backed up by the cloud)"
        )
    return now_at(settings.backup_address, settings.cloudbill_home)


def catalogue_of(settings: Settings) -> Catalogue:
    """The installation's own."""
    return Catalogue(settings.backups_folder, Keys(settings))


def take(settings: Settings, *, reason: str) -> Backup:
    """A base backup, in the catalogue when this returns. Raises BackupError, psycopg.OperationalError."""
    url, catalogue = backup_url(settings), catalogue_of(settings)
    recipients = catalogue.keys.recipients()
    if catalogue.exists:
        catalogue.believed()
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as asked:
        system, size, segment_bytes, version = _about(asked)
    check_room(catalogue.folder, needed_bytes=size // 3, keep_free_bytes=settings.backup_keep_free_bytes)
    started_at = wall_now()
    name = f"{started_at:%Y%m%dT%H%M%S}{started_at.microsecond // 1000:03d}Z"
    file = f"database/{name}.tar.gz.age"
    unlisted = catalogue.folder / f"{file}.new"
    reader = Reader()
    try:
        sealed = seal(_stream(url, name), unlisted, to=recipients, also=reader.write)
        seen = reader.finish()
        if faults := seen.faults():
            raise BackupFailed(f"what PostgreSQL sent is not what its manifest says: {faults[0]}")
    except BaseException:
        reader.abandon()
        unlisted.unlink(missing_ok=True)
        raise
    timeline, start, end = seen.position()
    backup = Backup(
        id=name,
        kind="database",
        file=file,
        size=sealed.size,
        sha256=sealed.sha256,
        plain_size=sealed.plain_size,
        plain_sha256=sealed.plain_sha256,
        keys=[name_of(key) for key in recipients],
        started_at=started_at,
        finished_at=_after(started_at),
        reason=reason,
        system=system,
        version=version,
        timeline=timeline,
        start_lsn=start,
        end_lsn=end,
        segment_bytes=segment_bytes,
        files=len(seen.files),
        manifest_sha256=seen.files["backup_manifest"][1],
    )
    with catalogue.writing() as pen:
        unlisted.replace(catalogue.folder / file)
        pen.append(backup)
    return backup


def _after(started_at: datetime) -> datetime:
    return max(wall_now(), started_at)


def _about(connection: psycopg.Connection) -> tuple[str, int, int, str]:
    row = connection.execute(
        "SELECT (SELECT system_identifier::text FROM pg_control_system()),"
        " (SELECT sum(pg_database_size(oid))::bigint FROM pg_database WHERE has_database_privilege(oid, 'CONNECT')),"
        " pg_size_bytes(current_setting('wal_segment_size')), current_setting('server_version')"
    ).fetchone()
    assert row
    return row[0], int(row[1] or 0), int(row[2]), str(row[3]).split()[0]


def _stream(url: str, label: str) -> Iterator[bytes]:
    """What pg_basebackup sends, and after it nothing but a good end."""
    argv = [
        str(client_programs() / "pg_basebackup"),
        "--pgdata=-",
        "--format=tar",
        "--wal-method=fetch",  # whole by itself, whatever becomes of the archived log
        "--checkpoint=fast",
        "--manifest-checksums=SHA256",
        "--no-password",
        f"--label=cloudbill {label}",
    ]
    process = subprocess.Popen(
        argv,
        env=connection(url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout
    assert process.stderr
    said: list[bytes] = []
    listening = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
    listening.start()
    try:
        while chunk := process.stdout.read(CHUNK):
            yield chunk
        code = process.wait(timeout=60)
        listening.join(5)
        if code != 0:
            words = last_words(line.decode("utf-8", "replace") for line in said)
            raise BackupFailed(f"pg_basebackup ended with code {code}: {words}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
        with contextlib.suppress(OSError):
            process.stderr.close()
