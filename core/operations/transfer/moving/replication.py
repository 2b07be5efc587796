"""PostgreSQL's replication protocol over libpq: a slot with its snapshot, then the stream of changes.

psycopg has no replication API; its wrapper of libpq speaks the protocol. One thread uses a stream.
"""

import select
import struct
import time
from dataclasses import dataclass

import psycopg
from psycopg import pq

from core.operations.backups.positions import format_lsn, parse_lsn
from core.operations.transfer.moving.errors import DiskFull, MoveError, MoveRefused, SlotLost, StreamBroken
from core.operations.transfer.moving.servers import Endpoint, watched

STATUS_SECONDS = 5.0
SILENCE_SECONDS = 30.0
"""After that long without a byte, though an answer was asked for, the line is dead."""

_EPOCH_OFFSET_MICRO = 946_684_800_000_000  # 2000-01-01 after 1970-01-01
_STATUS = struct.Struct("!cqqqqB")
_DATA_AHEAD = struct.Struct("!qqq")
_KEEPALIVE = struct.Struct("!qqB")


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A slot as it was made: changes that commit after `lsn` come through it, the snapshot shows those before."""

    name: str
    lsn: int
    snapshot: str


def quoted(name: str) -> str:
    """An identifier of the replication grammar."""
    return '"' + name.replace('"', '""') + '"'


class Line:
    """A connection in replication mode."""

    def __init__(self, endpoint: Endpoint, purpose: str) -> None:
        self.endpoint = endpoint
        info = endpoint.conninfo(purpose, replication="database")
        self.pgconn = pq.PGconn.connect(info.encode())
        if self.pgconn.status != pq.ConnStatus.OK:
            said = self.pgconn.get_error_message()
            self.pgconn.finish()
            if "replication" in said and ("permission" in said or "must be" in said):
                raise MoveRefused(
                    f"the {endpoint}: {endpoint.user} may not replicate: ALTER ROLE {endpoint.user} REPLICATION; on "
                    f"RDS GRANT rds_replication TO {endpoint.user}"
                )
            raise endpoint.unreachable(psycopg.OperationalError(said))

    def create_slot(self, name: str, *, seconds: float = 120, temporary: bool = False) -> Slot:
        """A logical slot; its snapshot holds until this line is used again or closed.

        It waits for the transactions that are under way there, `seconds` at most.
        """
        kind = "TEMPORARY LOGICAL" if temporary else "LOGICAL"
        with watched(self.pgconn, seconds):
            result = self.pgconn.exec_(
                f"CREATE_REPLICATION_SLOT {quoted(name)} {kind} pgoutput EXPORT_SNAPSHOT".encode()
            )
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise self._refused(f"make the slot {name}", result)
        lsn, snapshot = result.get_value(0, 1), result.get_value(0, 2)
        assert lsn
        assert snapshot
        return Slot(name=name, lsn=parse_lsn(lsn.decode()), snapshot=snapshot.decode())

    def drop_slot(self, name: str) -> None:
        """Away with it, waiting for whoever reads it to be gone."""
        with watched(self.pgconn, 30):
            result = self.pgconn.exec_(f"DROP_REPLICATION_SLOT {quoted(name)} WAIT".encode())
        if result.status != pq.ExecStatus.COMMAND_OK and "does not exist" not in result.get_error_message():
            raise self._refused(f"drop the slot {name}", result)

    def start(self, slot: str, publication: str, from_lsn: int) -> None:
        """Begin to stream what committed at or after `from_lsn`. Raises SlotLost when the slot cannot give it."""
        with watched(self.pgconn, 60):
            result = self.pgconn.exec_(
                f"START_REPLICATION SLOT {quoted(slot)} LOGICAL {format_lsn(from_lsn)} "
                f"(proto_version '1', publication_names '{quoted(publication)}', messages 'true')".encode()
            )
        if result.status != pq.ExecStatus.COPY_BOTH:
            raise self._refused(f"read the slot {slot}", result)

    def close(self) -> None:
        """Close it."""
        self.pgconn.finish()

    def _refused(self, what: str, result: pq.abc.PGresult) -> MoveError:
        said = result.get_error_message().removeprefix("ERROR:").strip() or self.pgconn.get_error_message()
        return refusal(self.endpoint, what, said)


def refusal(endpoint: Endpoint, what: str, said: str) -> MoveError:
    """What the server's answer to a replication command means."""
    line = said.strip().splitlines()[0] if said.strip() else "it said nothing"
    if "No space left on device" in line:
        return DiskFull(f"no space left on the disk of the {endpoint}: make room there, then `cloudbill move resume`")
    if "does not exist" in line and "slot" in line:
        return SlotLost(
            f"the slot is gone from the {endpoint}, and with it changes that were not copied yet: "
            "`cloudbill move abort`, then start anew; nothing is lost on the source"
        )
    if "can no longer get changes" in line or "invalidated" in line or "exceeded the maximum reserved size" in line:
        return SlotLost(
            f"the {endpoint} let go of changes that were not copied yet (max_slot_wal_keep_size): "
            "`cloudbill move abort`, raise it there, then start anew; nothing is lost on the source"
        )
    if "all replication slots are in use" in line:
        return MoveRefused(f"the {endpoint} has no replication slot left: raise max_replication_slots or drop one")
    if "wal_level" in line:
        return MoveRefused(
            f"the {endpoint}: wal_level must be logical (RDS: rds.logical_replication=1 and a reboot; Cloud SQL: "
            "cloudsql.logical_decoding=on)"
        )
    if "permission denied" in line or "must be superuser or replication" in line:
        return MoveRefused(f"the {endpoint}: {endpoint.user} may not replicate: ALTER ROLE {endpoint.user} REPLICATION")
    return StreamBroken(f"the {endpoint} would not {what}: {line}")


class Stream:
    """Changes as they come. `flushed` is what the target has committed: nothing beyond it is ever confirmed."""

    def __init__(self, line: Line, *, confirmed: int) -> None:
        self._line = line
        self._pgconn = line.pgconn
        self.flushed = confirmed
        self.server_end = 0
        """How far the server has read its own log for us."""
        self.heard_at = time.monotonic()
        self._told_at = 0.0

    def read(self, seconds: float) -> bytes | None:
        """The next message, or None when none came for so long. Raises StreamBroken when the line is dead."""
        give_up_at = time.monotonic() + seconds
        while True:
            try:
                length, piece = self._pgconn.get_copy_data(1)
            except psycopg.OperationalError as error:
                raise self._broken(str(error)) from None
            if length == -1:
                result = self._pgconn.get_result()
                said = result.get_error_message() if result is not None else ""
                raise refusal(self._line.endpoint, "go on", said or "the stream ended")
            if length > 0:
                self.heard_at = time.monotonic()
                kind = bytes(piece[:1])
                if kind == b"w":
                    _start, end, _at = _DATA_AHEAD.unpack_from(piece, 1)
                    self.server_end = max(self.server_end, end)
                    return bytes(piece[25:])
                if kind == b"k":
                    end, _at, wants_answer = _KEEPALIVE.unpack_from(piece, 1)
                    self.server_end = max(self.server_end, end)
                    if wants_answer:
                        self.tell(wants_answer=False)
                    continue
                raise StreamBroken(f"the {self._line.endpoint} sent {kind!r}, which is no part of the protocol")
            left = give_up_at - time.monotonic()
            if left <= 0:
                return None
            self._wait(min(left, 1.0))

    def keep_alive(self) -> None:
        """To be called at least every few seconds: says what was committed, and notices a line that went silent."""
        now = time.monotonic()
        if now - self._told_at >= STATUS_SECONDS:
            self.tell(wants_answer=True)
        if now - self.heard_at > SILENCE_SECONDS:
            raise StreamBroken(f"the {self._line.endpoint} has been silent for {SILENCE_SECONDS:.0f} s")

    def tell(self, *, wants_answer: bool) -> None:
        """Confirm what was committed."""
        self._told_at = time.monotonic()
        now = int(time.time() * 1_000_000) - _EPOCH_OFFSET_MICRO
        status = _STATUS.pack(b"r", self.flushed, self.flushed, self.flushed, now, wants_answer)
        try:
            with watched(self._pgconn, SILENCE_SECONDS):
                self._pgconn.put_copy_data(status)
                self._pgconn.flush()
        except psycopg.OperationalError as error:
            raise self._broken(str(error)) from None

    def close(self) -> None:
        """Close the line; the slot keeps what was not confirmed."""
        self._line.close()

    def _wait(self, seconds: float) -> None:
        try:
            select.select([self._pgconn.socket], [], [], seconds)
            self._pgconn.consume_input()
        except (psycopg.OperationalError, OSError, ValueError) as error:
            raise self._broken(str(error)) from None

    def _broken(self, said: str) -> StreamBroken:
        line = said.strip().splitlines()[0] if said.strip() else "closed"
        return StreamBroken(f"the line to the {self._line.endpoint} broke: {line}")
