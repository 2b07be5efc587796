"""Both clouds hold the same files, classes, args and outputs, as `infra/contract.py` names them, and none beside."""

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import Any, get_origin

import pytest
from pulumi import ComponentResource

from infra import contract
from infra.config import Cloud

ROOT = Path(__file__).parents[2]
CLOUDS = tuple(Cloud)
LINE = re.compile(r"^    (\w+)\.py +((?:[A-Z]\w+)).*?$", re.M)
FILES = {file: [name] for file, name in LINE.findall(contract.__doc__ or "")}
FILES["secrets"].append("Secrets")  # its line names two
PARTS = [(file, name) for file, names in FILES.items() for name in names]


def module(cloud: Cloud, file: str) -> Any:
    return importlib.import_module(f"infra.{cloud}.{file}")


def test_the_contract_names_every_part_once() -> None:
    named = {name for _, name in PARTS}
    args = {name.removesuffix("Args") for name in vars(contract) if name.endswith("Args")}
    assert named == args
    assert len(PARTS) == 16


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize(("file", "name"), PARTS)
def test_each_part_is_a_component_in_its_file_that_takes_the_same_args(cloud: Cloud, file: str, name: str) -> None:
    part = getattr(module(cloud, file), name)
    assert issubclass(part, ComponentResource)
    assert part.__module__ == f"infra.{cloud}.{file}"
    assert f'"cloudbill:{cloud}:{name}"' in inspect.getsource(part)
    parameters = list(inspect.signature(part.__init__).parameters.values())
    assert [parameter.name for parameter in parameters] == ["self", "name", "args", "opts"]
    given = parameters[2].annotation
    assert (get_origin(given) or given) is getattr(contract, f"{name}Args"), given
    assert part.__doc__


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize(("file", "name"), PARTS)
def test_each_part_gives_the_outputs_of_its_protocol(cloud: Cloud, file: str, name: str) -> None:
    protocol = getattr(contract, name, None)
    if protocol is None:
        assert name == "Bridge"  # nothing else refers to it
        return
    part = getattr(module(cloud, file), name)
    source = ast.parse(inspect.getsource(part))
    given = {
        target.attr
        for node in ast.walk(source)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in _targets(node)
        if isinstance(target, ast.Attribute)
    }
    named = {*part.__annotations__, *vars(part), *given}
    asked = set(protocol.__annotations__)
    assert asked
    assert asked <= named, asked - named


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_part_that_stands_in_the_contract_stands_nowhere_else(cloud: Cloud) -> None:
    names = {name for _, name in PARTS}
    found: dict[str, str] = {}
    for path in (ROOT / "infra" / cloud).glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name in names:
                assert node.name not in found, f"{path.name} and {found[node.name]} both have {node.name}"
                found[node.name] = path.stem
    assert found == {name: file for file, name in PARTS}


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    found = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [inner for target in found for inner in (target.elts if isinstance(target, ast.Tuple) else [target])]


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }


def test_the_cloud_is_chosen_once() -> None:
    """In the program's entry: nothing below it knows the other cloud, nothing beside it knows either."""
    entry = ast.parse((ROOT / "infra/__main__.py").read_text())
    choices = [node for node in ast.walk(entry) if isinstance(node, ast.If) and "Cloud.AWS" in ast.unparse(node.test)]
    assert len(choices) == 1
    assert {"infra.aws.platform", "infra.gcp.platform"} <= _imports(ROOT / "infra/__main__.py")
    for path in (ROOT / "infra").rglob("*.py"):
        imported = {name.split(".")[1] for name in _imports(path) if re.match(r"infra\.(aws|gcp)\b", name)}
        inside = path.relative_to(ROOT / "infra").parts[0]
        if path == ROOT / "infra/__main__.py":
            assert imported == {"aws", "gcp"}
        else:
            assert imported <= {inside}, path
        if inside in ("aws", "gcp"):
            assert not re.search(r"\bCloud\.(AWS|GCP)\b|config\.cloud\b", path.read_text()), path
            other = {"aws": "pulumi_gcp", "gcp": "pulumi_aws"}[inside]
            assert other not in path.read_text(), path
