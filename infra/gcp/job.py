"""One-off tasks inside the network: migrate before anything serves; export, import, drill and move when asked for."""

import hashlib
from typing import Any

import pulumi
from pulumi_gcp import cloudrunv2

from infra.contract import JobArgs
from infra.gcp import container
from infra.gcp.files import Files
from infra.gcp.firewall import JOB_TAG
from infra.gcp.identity import Identity, IdentityArgs
from infra.gcp.keys import Keys
from infra.gcp.network import Network
from infra.gcp.secrets import Secret

MIGRATE = ("migrate",)
LONGEST_SECONDS = 3600
LONGEST_DRILL_SECONDS = 6 * 3600
"""A restore alone can take hours, of a large database."""
CPU, MEMORY = "1", "2Gi"


class Job(pulumi.ComponentResource):
    """The image as a Cloud Run job, with the owner's rights on the database.

    `migrate` runs within `pulumi up`, before any service: `run_execution_token` starts an execution whenever the job
    is made, its image changes or a secret's pinned version, and the job counts as made only once that execution has
    succeeded. (On ECS it is a first container of each task.) When it fails, `pulumi up` fails here: no service is
    touched, and the former revisions serve on with the former schema, since a migration is one transaction. After the
    cause is mended, a new image brings a new token; with the same image the migration is run by hand
    (`gcloud run jobs execute NAME --wait`) and `pulumi up` again. Should a service start all the same, /readyz stays
    503 until the schema is the newest, so that its startup probe fails and it gets no request.

    Other commands run in the same job by override: `gcloud run jobs execute NAME --args=drill,run`.
    """

    name: pulumi.Output[str]
    identity: Identity

    def __init__(
        self, name: str, args: JobArgs[Network, Keys, Secret, Files], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("cloudbill:gcp:Job", name, None, opts)
        self._args = args
        config = args.config
        self.identity = Identity(
            name,
            IdentityArgs(
                config=config,
                description=f"CloudBill {' '.join(args.command)}",
                secrets=args.secrets,
                files=args.files,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        main: dict[str, Any] = {
            "name": "task",
            "image": args.image,
            "args": list(args.command),
            "envs": container.settings_of(args.environment, args.secrets),
            "resources": {"limits": {"cpu": CPU, "memory": MEMORY}},
            "volume_mounts": container.mounts_of(args.files, args.secrets),
        }
        job = cloudrunv2.Job(
            f"{name}-job",
            name=f"{name}-{config.stack}",
            location=config.region,
            deletion_protection=config.is_production,
            run_execution_token=self._token() if args.command == MIGRATE else None,
            template=cloudrunv2.JobTemplateArgs(
                task_count=1,
                parallelism=1,
                template=cloudrunv2.JobTemplateTemplateArgs(
                    service_account=self.identity.email,
                    encryption_key=args.keys.images,
                    execution_environment="EXECUTION_ENVIRONMENT_GEN2",
                    timeout=f"{LONGEST_SECONDS if args.command == MIGRATE else LONGEST_DRILL_SECONDS}s",
                    # The first connection by direct egress can fail; a migration that failed left nothing behind. A
                    # drill that failed has said so, and is not tried until it passes.
                    max_retries=2 if args.command == MIGRATE else 0,
                    vpc_access=container.egress(args.network, JOB_TAG),  # pyright: ignore[reportArgumentType]  # a dictionary is taken as well
                    volumes=container.volumes_of(args.files, args.secrets, read_only=True),
                    containers=[main],  # pyright: ignore[reportArgumentType]  # likewise
                ),
            ),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=opts.depends_on if opts else None,
                custom_timeouts=pulumi.CustomTimeouts(create="70m", update="70m"),
            ),
        )
        self.name = job.name
        self.register_outputs({"name": self.name})

    def _token(self) -> pulumi.Output[str]:
        """Of REPOSITORY@sha256:DIGEST the digest's first 12, and of the pinned versions of secrets a sum, since a login
        that was changed has to be made before anybody signs in with it. With the job's name it stays below 63.
        """
        versions = sorted(self._args.config.secret_versions.items())
        pinned = hashlib.sha256(repr(versions).encode()).hexdigest()[:6] if versions else ""
        return pulumi.Output.from_input(self._args.image).apply(
            lambda image: f"m{image.rpartition(':')[2][:12]}{pinned}"
        )
