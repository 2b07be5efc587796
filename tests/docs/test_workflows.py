"""The pipeline: pinned by commit, no more rights than a job needs, no stored keys, nobody's text run as a script."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
FILES = {path.stem: path for path in sorted(FOLDER.glob("*.yml"))}
WORKFLOWS = {name: yaml.safe_load(path.read_text()) for name, path in FILES.items()}
JOBS = [(name, title, job) for name, workflow in WORKFLOWS.items() for title, job in workflow["jobs"].items()]
KEYS = {
    "name", "runs-on", "timeout-minutes", "permissions", "strategy", "steps", "needs", "if", "environment", "env",
}  # fmt: skip
STEP_KEYS = {"name", "uses", "with", "run", "env", "if", "id"}
WRITES = {
    ("test", "codeql"): {"security-events": "write"},
    ("preview", "preview"): {"id-token": "write"},
    ("preview", "comment"): {"pull-requests": "write"},
    ("deploy", "deploy"): {"id-token": "write"},
}
"""Each with its reason beside it in the workflow."""
FREE = ("github.ref", "github.token", "github.repository", "github.run_id", "github.event.pull_request.number",
        "github.event.pull_request.base.sha")  # fmt: skip
"""What nobody outside can put text of his own into."""


def steps() -> list[tuple[str, dict[str, Any]]]:
    return [(f"{name}.{title}", step) for name, title, job in JOBS for step in job["steps"]]


def test_test_scan_preview_and_deploy_are_there() -> None:
    assert sorted(WORKFLOWS) == ["deploy", "preview", "test"]
    triggers = {name: workflow[True] for name, workflow in WORKFLOWS.items()}  # YAML 1.1 reads `on` as true
    assert set(triggers["test"]) == {"pull_request", "push", "schedule"}
    assert set(triggers["preview"]) == {"pull_request"}
    assert "pull_request_target" not in str(triggers)
    stacks = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))
    assert sorted(triggers["deploy"]["workflow_dispatch"]["inputs"]["stack"]["options"]) == stacks
    assert sorted(WORKFLOWS["preview"]["jobs"]["cost-and-policies"]["strategy"]["matrix"]["stack"]) == stacks


@pytest.mark.parametrize(("name", "title", "job"), JOBS, ids=[f"{name}.{title}" for name, title, _ in JOBS])
def test_each_job_has_the_rights_that_it_needs_and_an_end(name: str, title: str, job: dict[str, Any]) -> None:
    assert WORKFLOWS[name]["permissions"] == {}
    assert set(job) <= KEYS
    assert 0 < job["timeout-minutes"] <= 120
    writes = {what: level for what, level in job["permissions"].items() if level != "read"}
    assert writes == WRITES.get((name, title), {})
    for needed in job.get("needs", []):
        assert needed in WORKFLOWS[name]["jobs"]
    if "id-token" in writes:
        assert "environment" in job, "whoever deploys is known by the environment"


def test_actions_are_pinned_by_commit_and_say_which_version_that_is() -> None:
    for path in FILES.values():
        for line in path.read_text().splitlines():
            if "uses:" in line:
                assert re.search(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line
    versions: dict[str, set[str]] = {}
    for _, step in steps():
        assert set(step) <= STEP_KEYS
        assert ("uses" in step) != ("run" in step)
        if "uses" in step:
            action, _, commit = step["uses"].partition("@")
            versions.setdefault("/".join(action.split("/")[:2]), set()).add(commit)
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
    assert {action for action, commits in versions.items() if len(commits) > 1} == set()


def test_no_text_of_others_is_run_and_no_key_of_a_cloud_is_stored() -> None:
    for place, step in steps():
        assert "${{" not in step.get("run", ""), f"{place}: give it by env"
        for value in step.get("env", {}).values():
            for found in re.findall(r"\$\{\{\s*(github\.[\w.]+)", str(value)):
                assert found in FREE, f"{place}: {found}"
    text = "\n".join(path.read_text() for path in FILES.values())
    assert set(re.findall(r"secrets\.(\w+)", text)) == {"CLOUDBILL_PASSWORD", "CLOUDBILL_NOTIFY_SECRET"}
    assert "AWS_SECRET_ACCESS_KEY" not in text
    assert "credentials_json" not in text


def test_what_bootstrap_prints_is_what_the_workflows_read() -> None:
    from core.operations.clouds.groundwork import aws, gcp

    printed = set()
    for module in (aws, gcp):
        source = Path(str(module.__file__)).read_text()
        body = source[source.index("def pipeline_settings") : source.index("# The state")]
        printed |= set(re.findall(r'^\s+"([A-Z_]+)":', body, re.MULTILINE))
    text = "\n".join(path.read_text() for path in FILES.values())
    read = set(re.findall(r"vars\.(\w+)", text))
    said = "\n".join((ROOT / "docs" / name).read_text() for name in ("deploy-aws.md", "deploy-gcp.md"))
    for name in read - printed:
        assert name in said, f"{name} is read and nobody says so"
    assert printed - read == {"GCP_PROJECT"}


def test_the_pipelines_pulumi_is_the_one_of_the_lock() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    found = re.search(r"^pulumi==(\S+)", lock, re.MULTILINE)
    assert found is not None
    wanted = {str(step["with"]["pulumi-version"]) for _, step in steps() if "pulumi/actions" in step.get("uses", "")}
    assert wanted == {found[1]}
