"""Where images lie, and the images that run."""

import re

import pulumi_aws as aws
import pulumi_docker_build as docker_build
from pulumi import ComponentResource, Input, Output, ResourceOptions

from infra import contract
from infra.aws.account import Account
from infra.aws.keys import Keys
from infra.aws.names import named
from infra.config import StackConfig

RegistryArgs = contract.RegistryArgs[Keys]

IMAGES_KEPT = 30
"""Images of a repository: enough to go back months, at a few cents a month each."""

_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<name>[^@]+)@.+")


class Registry(ComponentResource):
    """Two repositories, for the application and for the collector beside it: scanned on push, tags never move.

    Without `release.image` both images are built from their Dockerfiles for `release.architecture` and pushed by
    digest, with no tag at all: nothing runs by a tag, and one that moved would be refused. BuildKit keeps the layers
    where it builds; a cache in the registry would need a tag that moves.

    Whoever builds signs in to the registry first, before it holds anything: `aws ecr get-login-password | docker login`
    or the docker-credential-ecr-login helper. A token fetched here would be a secret of twelve hours in the state.
    """

    url: Output[str]
    image: Output[str]
    collector: Output[str]

    def __init__(self, name: str, args: RegistryArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Registry", name, None, opts)
        self._name, self._args = name, args
        release = args.config.release
        application = self._repository("app", named(args.config))
        beside = self._repository("collector", named(args.config, "collector"))
        self.url = application.repository_url
        self.image = Output.from_input(release.image) if release.image else self._build("app", application, ".")
        self.collector = (
            Output.from_input(release.collector) if release.collector else self._build("collector", beside, "collector")
        )
        self.register_outputs({"url": self.url, "image": self.image, "collector": self.collector})

    def _repository(self, what: str, title: str) -> aws.ecr.Repository:
        repository = aws.ecr.Repository(
            f"{self._name}-{what}",
            name=title,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[{"encryption_type": "KMS", "kms_key": self._args.keys.images}],
            force_delete=not self._args.config.is_production,
            opts=ResourceOptions(parent=self),
        )
        aws.ecr.LifecyclePolicy(
            f"{self._name}-{what}-lifecycle",
            repository=repository.name,
            policy=Output.json_dumps(
                {
                    "rules": [
                        {
                            "rulePriority": 1,
                            # Not "untagged": what runs here has no tag.
                            "description": f"The last {IMAGES_KEPT} images",
                            "selection": {
                                "tagStatus": "any",
                                "countType": "imageCountMoreThan",
                                "countNumber": IMAGES_KEPT,
                            },
                            "action": {"type": "expire"},
                        }
                    ]
                }
            ),
            opts=ResourceOptions(parent=repository),
        )
        return repository

    def _build(self, what: str, repository: aws.ecr.Repository, folder: str) -> Output[str]:
        # Paths are the program's, which runs in infra/.
        root = ".." if folder == "." else f"../{folder}"
        architecture = self._args.config.release.architecture
        platform = docker_build.Platform.LINUX_ARM64 if architecture == "arm64" else docker_build.Platform.LINUX_AMD64
        built = docker_build.Image(
            f"{self._name}-{what}-image",
            context={"location": root},
            dockerfile={"location": f"{root}/Dockerfile"},
            platforms=[platform],
            push=False,  # by the export below, which pushes by digest
            exports=[{"registry": {"names": [repository.repository_url], "push_by_digest": True, "push": True}}],
            # A preview has no registry yet to push to, and a broken Dockerfile is refused all the same.
            build_on_preview=False,
            opts=ResourceOptions(parent=self, depends_on=[repository]),
        )
        return Output.concat(repository.repository_url, "@", built.digest)


def repository_arns(config: StackConfig, account: Account) -> list[Input[str]]:
    """What a task must be allowed to pull from: our own repositories, or those that the configured images lie in."""
    configured = [image for image in (config.release.image, config.release.collector) if image]
    if not configured:
        return [account.arn("ecr", f"repository/{title}") for title in (named(config), named(config, "collector"))]
    places = [found for image in configured if (found := _ECR.fullmatch(image))]
    return [
        Output.concat("arn:", account.partition, f":ecr:{at['region']}:{at['account']}:repository/{at['name']}")
        for at in places
    ]
