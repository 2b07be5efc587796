"""PostgreSQL: RDS, its roles' secrets, replicas and the copies of its backups."""

from collections.abc import Mapping

import pulumi_aws as aws
from pulumi import ComponentResource, Output, ResourceOptions

from infra import contract
from infra.aws.account import Account
from infra.aws.database_parameters import parameters
from infra.aws.firewall import POSTGRESQL, Part
from infra.aws.keys import Keys
from infra.aws.logs import log_group
from infra.aws.names import named
from infra.aws.network import Network
from infra.aws.roles import service_role
from infra.aws.secrets import QUARTER_DAYS, Field, Readable, Secret, SecretArgs, password
from infra.aws.subnets import Tier
from infra.config import Environment

DatabaseArgs = contract.DatabaseArgs[Network, Keys]

NAME = "cloudbill"
OWNER = "cloudbill_owner"
OWNER_SETTING = "DB_PASSWORD"
MIGRATION_SETTINGS = (OWNER_SETTING, "DATABASE_MOVER_URL")
"""For migrations, which make the logins, and for jobs: no service that runs is given them."""
CERTIFICATE_AUTHORITY = "rds-ca-rsa2048-g1"
"""Until 2061; a new one is a decision, since clients may have to learn it first."""
AUTHORITIES_FILE = "/app/core/foundation/trust/rds.pem"
"""In the image: the root certificates of all regions that `limits.py` accepts."""
BACKUP_WINDOW, MAINTENANCE_WINDOW = "03:00-04:00", "mon:04:00-mon:05:00"
"""UTC."""
_LOGINS = {
    "DATABASE_APP_URL": ("cloudbill_app", "The serving role, bound by row security"),
    "DATABASE_OPERATOR_URL": ("cloudbill_operator", "The role that reads across tenants"),
    "DATABASE_MOVER_URL": ("cloudbill_mover", "The role that exports and imports"),
}


class Database(ComponentResource):
    """RDS for PostgreSQL in subnets without a way out, and with no public address.

    RDS itself makes the owner's password and rotates it every seven days; it is in no state and in no output. (With
    read replicas it is made here: RDS refuses a replica of a database whose password it manages.) The other roles'
    passwords are made here, and `cloudbill migrate` makes the roles. The server refuses what comes without TLS, and
    clients refuse a server that RDS's authorities, which the image carries, do not certify under the name it is called
    by (`verify-full`; on Google Cloud `verify-ca`, by an authority of this one server). The window for a point in time
    is the retention of the automated backups, 1 to 35 days; Google Cloud counts the two apart. Replicas stand in the
    same region.
    """

    endpoint: Output[str]
    name: str
    by_setting: Mapping[str, Readable]
    host: Output[str]
    arn: Output[str]
    identifier: Output[str]
    subnet_group: Output[str]

    def __init__(self, name: str, args: DatabaseArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Database", name, None, opts)
        self._name, self._args = name, args
        config = args.config
        self.name = NAME
        subnets = aws.rds.SubnetGroup(
            f"{name}-subnets", subnet_ids=args.network.subnets[Tier.DATABASE], opts=ResourceOptions(parent=self)
        )
        self._parameters = parameters(f"{name}-parameters", config.database, parent=self)
        self._monitoring = service_role(
            f"{name}-monitoring",
            "monitoring.rds.amazonaws.com",
            parent=self,
            account=Account.of(self, config.region),
            managed=["service-role/AmazonRDSEnhancedMonitoringRole"],
        ).arn
        keeps = config.environment is not Environment.DEVELOPMENT
        self._made_password = password(f"{name}-owner-password", self) if config.database.replicas else None
        instance = self._instance(subnets.name, keeps=keeps)
        self.host, self.arn, self.identifier = instance.address, instance.arn, instance.identifier
        self.subnet_group = subnets.name
        self.endpoint = Output.concat(self.host, f":{POSTGRESQL}")
        for number in range(1, config.database.replicas + 1):
            self._replica(number, instance, keeps=keeps)
        self._copy_backups()
        self.by_setting = {
            OWNER_SETTING: self._owner(instance),
            **{setting: self._login(*login) for setting, login in _LOGINS.items()},
        }
        self.register_outputs({"endpoint": self.endpoint})

    def _instance(self, subnet_group: Output[str], *, keeps: bool) -> aws.rds.Instance:
        config, keys = self._args.config, self._args.keys
        database = config.database
        identifier = named(config)
        logs = [
            log_group(
                f"{self._name}-{kind}",
                f"/aws/rds/instance/{identifier}/{kind}",
                config=config,
                key=keys.logs,
                parent=self,
            )
            for kind in ("postgresql", "upgrade")
        ]
        return aws.rds.Instance(
            f"{self._name}-primary",
            identifier=identifier,
            engine="postgres",
            engine_version=database.version,
            engine_lifecycle_support="open-source-rds-extended-support-disabled",
            instance_class=database.instance,
            storage_type="gp3",
            allocated_storage=database.storage,
            max_allocated_storage=database.storage_max,
            storage_encrypted=True,
            kms_key_id=keys.data,
            multi_az=database.highly_available,
            db_name=NAME,
            username=OWNER,
            password=self._made_password,
            manage_master_user_password=True if self._made_password is None else None,
            master_user_secret_kms_key_id=keys.secrets if self._made_password is None else None,
            iam_database_authentication_enabled=True,
            port=POSTGRESQL,
            publicly_accessible=False,
            db_subnet_group_name=subnet_group,
            vpc_security_group_ids=[self._args.network.group(Part.DATABASE)],
            ca_cert_identifier=CERTIFICATE_AUTHORITY,
            parameter_group_name=self._parameters.name,
            enabled_cloudwatch_logs_exports=["postgresql", "upgrade"],
            performance_insights_enabled=True,
            performance_insights_kms_key_id=keys.data,
            performance_insights_retention_period=7,
            monitoring_interval=60,
            monitoring_role_arn=self._monitoring,
            backup_retention_period=database.backups_kept,
            backup_window=BACKUP_WINDOW,
            maintenance_window=MAINTENANCE_WINDOW,
            auto_minor_version_upgrade=True,
            allow_major_version_upgrade=False,
            apply_immediately=False,
            copy_tags_to_snapshot=True,
            delete_automated_backups=False,
            deletion_protection=keeps,
            skip_final_snapshot=False,
            final_snapshot_identifier=f"{identifier}-final",
            # A password that rotation has changed is not set back.
            opts=ResourceOptions(parent=self, protect=keeps, depends_on=logs, ignore_changes=["password"]),
        )

    def _replica(self, number: int, primary: aws.rds.Instance, *, keeps: bool) -> None:
        config, keys = self._args.config, self._args.keys
        aws.rds.Instance(
            f"{self._name}-replica-{number}",
            identifier=named(config, "replica", str(number)),
            replicate_source_db=primary.identifier,
            instance_class=config.database.instance,
            storage_type="gp3",
            max_allocated_storage=config.database.storage_max,
            storage_encrypted=True,
            kms_key_id=keys.data,
            iam_database_authentication_enabled=True,
            publicly_accessible=False,
            vpc_security_group_ids=[self._args.network.group(Part.DATABASE)],
            ca_cert_identifier=CERTIFICATE_AUTHORITY,
            parameter_group_name=self._parameters.name,
            engine_lifecycle_support="open-source-rds-extended-support-disabled",
            enabled_cloudwatch_logs_exports=["postgresql", "upgrade"],
            performance_insights_enabled=True,
            performance_insights_kms_key_id=keys.data,
            performance_insights_retention_period=7,
            monitoring_interval=60,
            monitoring_role_arn=self._monitoring,
            maintenance_window=MAINTENANCE_WINDOW,
            auto_minor_version_upgrade=True,
            copy_tags_to_snapshot=True,
            deletion_protection=keeps,
            # What it holds is the primary's.
            skip_final_snapshot=True,
            opts=ResourceOptions(parent=self),
        )

    def _copy_backups(self) -> None:
        elsewhere = self._args.keys.elsewhere
        if elsewhere is not None:
            aws.rds.InstanceAutomatedBackupsReplication(
                f"{self._name}-backups-elsewhere",
                source_db_instance_arn=self.arn,
                kms_key_id=elsewhere.key,
                retention_period=self._args.config.database.backups_kept,
                opts=ResourceOptions(parent=self, provider=elsewhere.provider),
            )

    def _owner(self, instance: aws.rds.Instance) -> Readable:
        if self._made_password is None:
            managed = instance.master_user_secrets[0].secret_arn
            return Field(managed, managed, "password")
        return self._secret("owner", "The owner, for migrations", self._made_password)

    def _login(self, user: str, description: str) -> Secret:
        title = user.removeprefix("cloudbill_")
        key = password(f"{self._name}-{title}-password", self)
        url = Output.concat(f"postgresql://{user}:", key, "@", self.endpoint, f"/{NAME}?sslmode=verify-full")
        return self._secret(title, description, url)

    def _secret(self, title: str, description: str, value: Output[str]) -> Secret:
        return Secret(
            f"{self._name}-{title}",
            SecretArgs(
                config=self._args.config,
                keys=self._args.keys,
                description=description,
                value=value,
                rotation_days=QUARTER_DAYS,
            ),
            ResourceOptions(parent=self),
        )
