"""PostgreSQL by Cloud SQL: private, encrypted, restorable to the second."""

from collections.abc import Mapping

import pulumi
import pulumi_random as random
from pulumi_gcp import sql

from infra.config import StackConfig
from infra.contract import DatabaseArgs, SecretArgs
from infra.gcp.keys import Keys
from infra.gcp.network import Network
from infra.gcp.secrets import Secret

NAME = "cloudbill"
OWNER = "cloudbill_owner"
ROLES = {
    "DATABASE_APP_URL": "cloudbill_app",
    "DATABASE_OPERATOR_URL": "cloudbill_operator",
    "DATABASE_MOVER_URL": "cloudbill_mover",
}
"""Which user each address signs in with. The migration makes them, as members of the groups of these names."""
CA_FILE = "/etc/cloudbill/database/ca.pem"
"""Where services find the certificate that the server's own is checked against."""
FLAGS = {
    "cloudsql.enable_pgaudit": "on",
    "cloudsql.iam_authentication": "on",
    "cloudsql.logical_decoding": "on",
    "idle_in_transaction_session_timeout": "60000",
    "log_checkpoints": "on",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_lock_waits": "on",
    "log_min_duration_statement": "500",
    "log_temp_files": "0",
    "max_connections": "200",
    "pgaudit.log": "ddl,role",
}
"""Times in ms. Logical decoding needs a restart: it is on from day 0, so that a move never needs one.
`max_connections`: 10 instances with two pools of 10 reach it only while a rollout doubles them; the alarm is at 150."""


class Database(pulumi.ComponentResource):
    """A regional instance (a standby in another zone) or a zonal one, with a private address only.

    Where Cloud SQL differs from RDS: there is no managed master password, so the owner's is made here and kept in
    Secret Manager; the window for a point in time and the number of backups are two settings (`pitrDays`,
    `backupsKept`); backups can lie in another region, but a regional key does not follow them: what survives the
    loss of a region are the exports (`backup.py`). The server's certificate is issued by a CA of this one instance,
    so that `sslmode=verify-ca` proves that it is this server and no other; its name is not checked, since a private
    address has none. Migration copies and moves sign in with passwords, people by IAM (`cloudbill psql`).
    """

    endpoint: pulumi.Output[str]
    name: str = NAME
    by_setting: Mapping[str, Secret]
    ca: Secret

    def __init__(
        self, name: str, args: DatabaseArgs[Network, Keys], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("cloudbill:gcp:Database", name, None, opts)
        self._name, self._args = name, args
        config = args.config
        kept = config.environment != "development"
        under = pulumi.ResourceOptions(parent=self)

        self.instance = sql.DatabaseInstance(
            f"{name}-instance",
            region=config.region,
            database_version=f"POSTGRES_{config.database.version}",
            encryption_key_name=args.keys.data,
            # Two protections: Pulumi's provider refuses, and so does Google, whoever asks.
            deletion_protection=kept,
            settings=self._settings(kept=kept),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=kept,
                # It grows by itself, and at night it is stopped by the schedule.
                ignore_changes=[
                    "settings.diskSize",
                    *(["settings.activationPolicy"] if config.switches.off_hours else []),
                ],
                custom_timeouts=pulumi.CustomTimeouts(create="60m", update="60m", delete="60m"),
            ),
        )
        self.replicas = [self._replica(number) for number in range(1, config.database.replicas + 1)]
        sql.Database(f"{name}-{NAME}", name=NAME, instance=self.instance.name, charset="UTF8", opts=under)
        password = self._password("owner")
        owner = sql.User(
            f"{name}-owner-user",
            instance=self.instance.name,
            name=OWNER,
            password=password,
            # Its tables would keep it from being dropped; it goes with the instance.
            deletion_policy="ABANDON",
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["password"]),
        )
        host = self.instance.private_ip_address
        self.endpoint = pulumi.Output.concat(host, ":5432")
        # Waits for the user: what reads the address can sign in.
        owner_host = pulumi.Output.all(host, owner.id).apply(lambda found: str(found[0]))
        self.by_setting = {
            "DATABASE_URL": self._url("owner", OWNER, password, owner_host),
            **{
                setting: self._url(user.removeprefix("cloudbill_"), user, self._password(user), host)
                for setting, user in ROLES.items()
            },
        }
        self.ca = self._secret(
            "ca",
            "The CA of this database server",
            self.instance.server_ca_certs.apply(lambda certificates: certificates[0].cert or ""),
        )
        self.register_outputs({"endpoint": self.endpoint, "instance": self.instance.name})

    def _settings(self, *, kept: bool) -> sql.DatabaseInstanceSettingsArgs:
        config = self._args.config
        database = config.database
        return sql.DatabaseInstanceSettingsArgs(
            tier=database.instance,
            edition=database.edition.upper().replace("-", "_"),
            availability_type="REGIONAL" if database.highly_available else "ZONAL",
            activation_policy="ALWAYS",
            deletion_protection_enabled=kept,
            disk_type="PD_SSD",
            disk_size=database.storage,
            disk_autoresize=True,
            disk_autoresize_limit=database.storage_max,
            retain_backups_on_delete=kept,
            final_backup_config=sql.DatabaseInstanceSettingsFinalBackupConfigArgs(
                enabled=kept, retention_days=database.backups_kept if kept else None
            ),
            backup_configuration=sql.DatabaseInstanceSettingsBackupConfigurationArgs(
                enabled=True,
                start_time="03:00",
                location=database.backup_region or config.region,
                point_in_time_recovery_enabled=True,
                transaction_log_retention_days=database.pitr_days,
                backup_retention_settings=sql.DatabaseInstanceSettingsBackupConfigurationBackupRetentionSettingsArgs(
                    retained_backups=database.backups_kept, retention_unit="COUNT"
                ),
            ),
            ip_configuration=self._ip_configuration(),
            insights_config=_insights(),
            # Monday, 04:00 UTC: after the backup.
            maintenance_window=sql.DatabaseInstanceSettingsMaintenanceWindowArgs(day=1, hour=4, update_track="stable"),
            database_flags=_flags(),
            user_labels=labels(config),
        )

    def _ip_configuration(self) -> sql.DatabaseInstanceSettingsIpConfigurationArgs:
        return sql.DatabaseInstanceSettingsIpConfigurationArgs(
            ipv4_enabled=False,
            private_network=self._args.network.id,
            allocated_ip_range=self._args.network.managed_range,
            ssl_mode="ENCRYPTED_ONLY",
            server_ca_mode="GOOGLE_MANAGED_INTERNAL_CA",
            enable_private_path_for_google_cloud_services=False,
        )

    def _replica(self, number: int) -> sql.DatabaseInstance:
        config = self._args.config
        return sql.DatabaseInstance(
            f"{self._name}-replica-{number}",
            region=config.region,
            database_version=f"POSTGRES_{config.database.version}",
            master_instance_name=self.instance.name,
            encryption_key_name=self._args.keys.data,
            deletion_protection=config.is_production,
            settings=sql.DatabaseInstanceSettingsArgs(
                tier=config.database.instance,
                edition=config.database.edition.upper().replace("-", "_"),
                availability_type="ZONAL",
                deletion_protection_enabled=config.is_production,
                disk_type="PD_SSD",
                disk_autoresize=True,
                disk_autoresize_limit=config.database.storage_max,
                ip_configuration=self._ip_configuration(),
                insights_config=_insights(),
                database_flags=_flags(),
                user_labels=labels(config),
            ),
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["settings.diskSize"]),
        )

    def _password(self, user: str) -> pulumi.Output[str]:
        """Letters and digits only: it stands in an address."""
        return random.RandomPassword(
            f"{self._name}-{user.removeprefix('cloudbill_')}-password",
            length=40,
            special=False,
            opts=pulumi.ResourceOptions(parent=self),
        ).result

    def _url(self, purpose: str, user: str, password: pulumi.Output[str], host: pulumi.Output[str]) -> Secret:
        url = pulumi.Output.concat(
            f"postgresql://{user}:", password, "@", host, f":5432/{NAME}?sslmode=verify-ca&sslrootcert={CA_FILE}"
        )
        return self._secret(f"{purpose}-url", f"PostgreSQL as {user}", url, rotation_days=90)

    def _secret(
        self, purpose: str, description: str, value: pulumi.Output[str], rotation_days: int | None = None
    ) -> Secret:
        return Secret(
            f"{self._name}-{purpose}",
            SecretArgs(
                config=self._args.config,
                keys=self._args.keys,
                description=description,
                value=value,
                rotation_days=rotation_days,
            ),
            pulumi.ResourceOptions(parent=self),
        )


def _insights() -> sql.DatabaseInstanceSettingsInsightsConfigArgs:
    return sql.DatabaseInstanceSettingsInsightsConfigArgs(
        query_insights_enabled=True,
        query_plans_per_minute=5,
        query_string_length=1024,
        record_application_tags=True,
        # Addresses are personal, and all are ours.
        record_client_address=False,
    )


def _flags() -> list[pulumi.Input[sql.DatabaseInstanceSettingsDatabaseFlagArgs]]:
    return [sql.DatabaseInstanceSettingsDatabaseFlagArgs(name=flag, value=FLAGS[flag]) for flag in sorted(FLAGS)]


def labels(config: StackConfig) -> dict[str, str]:
    """What bills are split by. The provider's own labels do not reach into an instance's settings."""
    return {"project": "cloudbill", "stack": config.stack, "environment": config.environment}
