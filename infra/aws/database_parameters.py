"""How PostgreSQL is set, from day 0 where a later change would need a restart."""

import pulumi_aws as aws
from pulumi import Resource, ResourceOptions

from infra.config import Database

SLOW_MILLISECONDS = 500
IDLE_IN_TRANSACTION_MILLISECONDS = 60_000

_AFTER_RESTART = {
    # Replication to the other cloud needs it, and it cannot be turned on without a restart.
    "rds.logical_replication": "1",
    "shared_preload_libraries": "pg_stat_statements,pgaudit",
}
_AT_ONCE = {
    "rds.force_ssl": "1",
    "rds.accepted_password_auth_method": "scram",
    "password_encryption": "scram-sha-256",
    # Who changed structure and rights. Not what is read and written: the ledger says that, and the log would hold it.
    "pgaudit.log": "ddl,role",
    "log_min_duration_statement": str(SLOW_MILLISECONDS),
    "log_lock_waits": "1",
    "log_connections": "1",
    "log_disconnections": "1",
    # A parameter may be somebody's e-mail address.
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MILLISECONDS),
    "track_io_timing": "1",
}


def parameters(name: str, database: Database, *, parent: Resource) -> aws.rds.ParameterGroup:
    """The group of the database's major version, and of its replicas."""
    # A slot whose reader is gone keeps the log until the disk is full: a fifth of it is given to that, no more.
    kept = {"max_slot_wal_keep_size": str(database.storage * 1024 // 5)}
    return aws.rds.ParameterGroup(
        name,
        family=f"postgres{database.version}",
        description="CloudBill",
        parameters=[
            *({"name": key, "value": value, "apply_method": "pending-reboot"} for key, value in _AFTER_RESTART.items()),
            *({"name": key, "value": value, "apply_method": "immediate"} for key, value in (_AT_ONCE | kept).items()),
        ],
        opts=ResourceOptions(parent=parent),
    )
