"""What is kept beyond the database's own backups: a vault, a plan with copies, restore tests."""

import pulumi_aws as aws
from pulumi import ComponentResource, Output, ResourceOptions

from infra import contract
from infra.aws.account import Account
from infra.aws.database import Database
from infra.aws.files import Files
from infra.aws.keys import Keys
from infra.aws.names import named
from infra.aws.roles import Role, service_role

BackupArgs = contract.BackupArgs[Keys, Database, Files]

MONTHLY_DAYS = 365
START_MINUTES, COMPLETE_MINUTES = 60, 300
LOCK_DAYS = (7, 400)
"""In production nothing is deleted before the first, nor promised beyond the second."""
DAILY, MONTHLY = "cron(0 5 * * ? *)", "cron(0 6 1 * ? *)"
AWAKE_DAILY, AWAKE_MONTHLY = "cron(0 7 ? * MON-FRI *)", "cron(0 8 ? * 2#1 *)"
"""Where the database sleeps at night (`switches.offHours`): RDS takes no snapshot of one that is stopped."""
"""UTC; after the database's own window, before the day."""
TESTS = "cron(0 8 1 1,4,7,10 ? *)"
"""Each quarter."""
_POLICIES = ("service-role/AWSBackupServiceRolePolicyForBackup", "service-role/AWSBackupServiceRolePolicyForRestores")


class Backup(ComponentResource):
    """AWS Backup of the database and the shared folder: daily for as long as `backupsKept`, monthly for a year.

    In production the vault is locked (governance: only who may remove the lock can delete early, and that is seen), and
    each quarter a recovery point is restored, timed and removed again. Where `database.backupRegion` is set each is
    copied there, into a vault with a key of that region. Google Cloud has no such service for its database: it keeps
    more backups of its own instead.
    """

    vault: Output[str]

    def __init__(self, name: str, args: BackupArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Backup", name, None, opts)
        self._name, self._args = name, args
        config = args.config
        here = ResourceOptions(parent=self)
        vault = self._vault("vault", args.keys.data, here)
        elsewhere = args.keys.elsewhere
        copies = (
            self._vault("copies", elsewhere.key, ResourceOptions(parent=self, provider=elsewhere.provider)).arn
            if elsewhere
            else None
        )
        self.vault = vault.name
        role = service_role(
            f"{name}-role",
            "backup.amazonaws.com",
            parent=self,
            account=Account.of(self, config.region),
            managed=_POLICIES,
        )
        daily, monthly = (AWAKE_DAILY, AWAKE_MONTHLY) if config.switches.off_hours else (DAILY, MONTHLY)
        plan = aws.backup.Plan(
            f"{name}-plan",
            name=named(config),
            rules=[
                self._rule("daily", daily, config.database.backups_kept, vault.name, copies),
                self._rule("monthly", monthly, MONTHLY_DAYS, vault.name, copies),
            ],
            opts=here,
        )
        aws.backup.Selection(
            f"{name}-selection",
            name=named(config),
            plan_id=plan.id,
            iam_role_arn=role.arn,
            resources=[args.database.arn, args.files.arn],
            opts=here,
        )
        if config.is_production:
            self._test(vault.arn, role)
        self.register_outputs({"vault": self.vault})

    def _vault(self, what: str, key: Output[str], opts: ResourceOptions) -> aws.backup.Vault:
        config = self._args.config
        vault = aws.backup.Vault(
            f"{self._name}-{what}",
            name=named(config, *(["copies"] if what == "copies" else [])),
            kms_key_arn=key,
            force_destroy=not config.is_production,
            opts=opts,
        )
        below = ResourceOptions(parent=vault, provider=opts.provider)
        if config.is_production:
            least, most = LOCK_DAYS
            aws.backup.VaultLockConfiguration(
                f"{self._name}-{what}-lock",
                backup_vault_name=vault.name,
                min_retention_days=least,
                max_retention_days=most,
                opts=below,
            )
        return vault

    def _rule(
        self, title: str, schedule: str, days: int, vault: Output[str], copies: Output[str] | None
    ) -> aws.backup.PlanRuleArgsDict:
        # The vault's lock refuses a promise shorter than its own.
        kept = max(days, LOCK_DAYS[0]) if self._args.config.is_production else days
        return {
            "rule_name": title,
            "target_vault_name": vault,
            "schedule": schedule,
            "schedule_expression_timezone": "Etc/UTC",
            "start_window": START_MINUTES,
            "completion_window": COMPLETE_MINUTES,
            "lifecycle": {"delete_after": kept},
            "copy_actions": (
                [{"destination_vault_arn": copies, "lifecycle": {"delete_after": kept}}] if copies is not None else []
            ),
            "recovery_point_tags": {"plan": title},
        }

    def _test(self, vault: Output[str], role: Role) -> None:
        config, database = self._args.config, self._args.database
        plan = aws.backup.RestoreTestingPlan(
            f"{self._name}-tests",
            # Letters, digits and underscores only.
            name=named(config).replace("-", "_"),
            schedule_expression=TESTS,
            schedule_expression_timezone="Etc/UTC",
            start_window_hours=4,
            recovery_point_selection={
                "algorithm": "LATEST_WITHIN_WINDOW",
                "include_vaults": [vault],
                "recovery_point_types": ["SNAPSHOT"],
                "selection_window_days": 7,
            },
            opts=ResourceOptions(parent=self),
        )
        # The rest AWS Backup infers; left to itself it would put the database into the default network.
        place = {"dbSubnetGroupName": database.subnet_group}
        tested = (("database", "RDS", database.arn, place), ("files", "EFS", self._args.files.arn, None))
        for title, kind, arn, how in tested:
            aws.backup.RestoreTestingSelection(
                f"{self._name}-tests-{title}",
                name=named(config, title).replace("-", "_"),
                restore_testing_plan_name=plan.name,
                protected_resource_type=kind,
                protected_resource_arns=[arn],
                iam_role_arn=role.arn,
                restore_metadata_overrides=how,
                # How long it stands for a look before it is removed.
                validation_window_hours=4,
                opts=ResourceOptions(parent=plan),
            )
