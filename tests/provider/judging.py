"""The real provider's judgement of a graph: validated, planned, applied to a server that answers as AWS does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from infra.graph import Graph
from tests.provider.cloud import emulated
from tests.provider.emulation import prepared, unheld
from tests.provider.once import once
from tests.provider.schema import Schema
from tests.provider.terraform import Complaint, Terraform
from tests.provider.translation import Configuration, Translation

# The account of the server; what it does not answer is not asked again and again.
SETTINGS: dict[str, Any] = {
    "access_key": "testing",
    "secret_key": "testing",
    "skip_credentials_validation": True,
    "skip_metadata_api_check": True,
    "s3_use_path_style": True,
    "max_retries": 2,
}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Of one graph. Addresses are Terraform's."""

    asked: list[str]
    """All AWS resources of the graph."""
    refused: list[Complaint]
    done: list[str]
    """Those of them that were planned, or applied."""

    def to_json(self) -> dict[str, Any]:
        """For another worker."""
        return {"asked": self.asked, "refused": [vars(complaint) for complaint in self.refused], "done": self.done}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(
            asked=found["asked"], refused=[Complaint(**complaint) for complaint in found["refused"]], done=found["done"]
        )

    @property
    def types(self) -> int:
        """How many types `done` has."""
        return len({address.split(".")[0] for address in self.done})


class Judge:
    """Asks the provider. Folders are kept, so that the provider is linked and its schema read once in a run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._schema: Schema | None = None

    def schema(self) -> Schema:
        """The provider's own."""
        if self._schema is None:
            self._schema = Schema(once(self._folder, "schema", self._read_schema))
        return self._schema

    def translated(self, graph: Graph, *, without: frozenset[str] = frozenset()) -> Configuration:
        """The graph in Terraform's words."""
        return Translation(graph, self.schema(), without=without).configuration(SETTINGS)

    def validated(self, graph: Graph, name: str) -> list[Complaint]:
        """What is wrong with it by itself."""
        configuration = self.translated(graph)
        terraform = self._terraform()
        return terraform.validate(terraform.write(name, configuration))

    def planned(self, graph: Graph, name: str) -> Judgement:
        """Validated, then planned."""
        configuration = self.translated(graph)
        asked = sorted(configuration.addresses.values())
        with emulated() as endpoint:
            terraform = self._terraform(endpoint)
            folder = terraform.write(name, configuration)
            refused = terraform.validate(folder)
            if refused:
                return Judgement(asked=asked, refused=refused, done=[])
            run = terraform.plan(folder)
        return Judgement(asked=asked, refused=run.complaints, done=_of_aws(run.addresses))

    def applied(self, graph: Graph, name: str, endpoint: str) -> Judgement:
        """Applied, whole. What the server is known not to hold is tried too, but nothing else waits for it."""
        configuration = self.translated(prepared(graph), without=unheld(graph))
        terraform = self._terraform(endpoint)
        run = terraform.apply(terraform.write(name, configuration))
        return Judgement(
            asked=sorted(configuration.addresses.values()), refused=run.complaints, done=_of_aws(run.addresses)
        )

    def _read_schema(self) -> dict[str, Any]:
        terraform = Terraform(self._folder)
        terraform.init()
        return terraform.schema()

    def _terraform(self, endpoint: str | None = None) -> Terraform:
        self.schema()  # linked by then
        return Terraform(self._folder, endpoint)


def _of_aws(addresses: list[str]) -> list[str]:
    return [address for address in addresses if address.startswith("aws_")]
