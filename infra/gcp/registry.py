"""Where images lie, and the two that run."""

import pulumi
import pulumi_docker_build as docker_build
from pulumi_gcp import artifactregistry

from infra.contract import RegistryArgs
from infra.gcp.keys import Keys

KEPT = 20
"""Versions of each image that are kept whatever their age."""
DAY = 24 * 3600


class Registry(pulumi.ComponentResource):
    """A repository with a key of its own, tags that never move, and a scan of every image that is pushed.

    The scan is the project's (containerscanning.googleapis.com), not the repository's as on AWS. Building needs
    Docker on the machine that runs `pulumi up`, signed in with `gcloud auth configure-docker REGION-docker.pkg.dev`;
    with published digests (`release.image`, `release.collector`) nothing is built.
    """

    url: pulumi.Output[str]
    image: pulumi.Output[str]
    collector: pulumi.Output[str]

    def __init__(self, name: str, args: RegistryArgs[Keys], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Registry", name, None, opts)
        self._name = name
        config, release = args.config, args.config.release
        self.repository = artifactregistry.Repository(
            f"{name}-repository",
            repository_id=f"cloudbill-{config.stack}",
            location=config.region,
            format="DOCKER",
            mode="STANDARD_REPOSITORY",
            description="CloudBill's images",
            kms_key_name=args.keys.images,
            docker_config={"immutable_tags": True},
            vulnerability_scanning_config={"enablement_config": "INHERITED"},
            cleanup_policy_dry_run=False,
            cleanup_policies=[
                {"id": "keep-newest", "action": "KEEP", "most_recent_versions": {"keep_count": KEPT}},
                {
                    "id": "delete-old",
                    "action": "DELETE",
                    "condition": {"tag_state": "ANY", "older_than": f"{180 * DAY}s"},
                },
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.url = pulumi.Output.concat(
            config.region, "-docker.pkg.dev/", config.project or "", "/", self.repository.repository_id
        )
        self.image = self._image("image", release.image, context=".", dockerfile="Dockerfile")
        self.collector = self._image(
            "collector", release.collector, context="collector", dockerfile="collector/Dockerfile"
        )
        self.register_outputs({"url": self.url, "image": self.image, "collector": self.collector})

    def _image(self, what: str, published: str | None, *, context: str, dockerfile: str) -> pulumi.Output[str]:
        if published is not None:
            return pulumi.Output.from_input(published)
        image = docker_build.Image(
            f"{self._name}-{what}",
            # Paths are from infra/, where the program runs.
            context={"location": f"../{context}".removesuffix("/.")},
            dockerfile={"location": f"../{dockerfile}"},
            # Cloud Run runs no other; an image built on an ARM laptop would never start.
            platforms=[docker_build.Platform.LINUX_AMD64],
            build_on_preview=False,
            # No tag: it would have to move, and the repository refuses that. The digest is the name. `push` below is
            # the export's; the one here would add a second export under a tag.
            push=False,
            exports=[
                {
                    "image": {
                        "names": [self.url.apply(lambda url: f"{url}/{what}")],
                        "push": True,
                        "push_by_digest": True,
                        "name_canonical": True,
                    }
                }
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        return pulumi.Output.concat(self.url, f"/{what}@", image.digest)
