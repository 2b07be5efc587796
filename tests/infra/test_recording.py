"""The recorder sees what the engine would see, and refuses what the engine or a provider would refuse."""

import contextlib
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from infra.graph import Graph, InvalidGraph, main
from infra.recording.difference import UnknownReference, compare, since
from infra.recording.errors import (
    InvalidResource,
    InvalidStackFile,
    ProgramFailed,
    RecordingError,
    UnexpectedLookup,
    UnknownStack,
)
from infra.recording.program import record
from tests.support.servers import ROOT

Record = Callable[..., Graph]
STACK_FILE = """
config:
  cloudbill:cloud: aws
  cloudbill:flag: true
  cloudbill:many: [a, b]
  cloudbill:key:
    secure: v1:unreadable:unreadable
"""


@pytest.fixture
def record_program(tmp_path: Path) -> Record:
    """Records a program that is given as text."""

    def run(program: str, *, preview: bool = False, secrets: Mapping[str, str] | None = None) -> Graph:
        (tmp_path / "Pulumi.yaml").write_text("name: cloudbill\nruntime: python\nmain: program/\n")
        (tmp_path / "Pulumi.toy.yaml").write_text(STACK_FILE)
        folder = tmp_path / "program"
        folder.mkdir(exist_ok=True)
        (folder / "__main__.py").write_text("import pulumi\nimport pulumi_aws as aws\n" + dedent(program))
        return record("toy", preview=preview, secrets=secrets, root=tmp_path)

    return run


def test_references_protection_parents_and_provider_are_kept(record_program: Record) -> None:
    graph = record_program("""
        class Store(pulumi.ComponentResource):
            def __init__(self, name, opts=None):
                super().__init__("cloudbill:aws:Store", name, None, opts)
                self.bucket = aws.s3.Bucket(
                    f"{name}-bucket",
                    opts=pulumi.ResourceOptions(
                        parent=self, protect=True, ignore_changes=["tags"], retain_on_delete=True
                    ),
                )
                self.register_outputs({})

        provider = aws.Provider("east", region="us-east-1")
        store = Store("store", pulumi.ResourceOptions(providers=[provider]))
        aws.ssm.Parameter(
            "place",
            type="String",
            value=pulumi.Output.format("{0}:{1}", store.bucket.arn, aws.get_caller_identity_output().account_id),
            opts=pulumi.ResourceOptions(depends_on=[store]),
        )
        pulumi.export("bucket", store.bucket.bucket)
    """)

    bucket = graph.get("store-bucket")
    prefix = "urn:pulumi:toy::cloudbill::"
    assert bucket.urn == f"{prefix}cloudbill:aws:Store$aws:s3/bucket:Bucket::store-bucket"
    assert bucket.parent == f"{prefix}cloudbill:aws:Store::store"
    assert (bucket.protect, bucket.ignoreChanges, bucket.options["retainOnDelete"]) == (True, ["tags"], True)
    assert bucket.provider == f"{prefix}pulumi:providers:aws::east"
    assert bucket.version.startswith("7.")
    place = graph.get("place")
    assert place.dependsOn == [bucket.urn]
    assert graph.get("store").custom is False
    assert graph.outputs == {"bucket": "${store-bucket.bucket}"}
    assert [resource.urn for resource in graph.resources] == sorted(resource.urn for resource in graph.resources)


def test_a_reference_inside_a_text_a_list_and_an_object_is_a_token(record_program: Record) -> None:
    graph = record_program("""
        certificate = aws.acm.Certificate("certificate", domain_name="a.example.com", validation_method="DNS")
        option = certificate.domain_validation_options[0]
        aws.route53.Record("proof", zone_id="Z1", name=option.resource_record_name, ttl=60,
                           type=option.resource_record_type, records=[option.resource_record_value])
        queue = aws.sqs.Queue("queue")
        body = pulumi.Output.json_dumps({"q": queue.name})
        aws.cloudwatch.Dashboard("board", dashboard_name="b", dashboard_body=body)
    """)

    assert graph.get("proof").inputs["records"] == ["${certificate.domainValidationOptions[0].resourceRecordValue}"]
    assert json.loads(graph.get("board").inputs["dashboardBody"]) == {"q": "${queue.name}"}


def test_no_secret_is_in_clear_wherever_it_comes_from(record_program: Record) -> None:
    canary = "canary-4f1d"
    graph = record_program(
        """
        import pulumi_random as random

        config = pulumi.Config()
        made = random.RandomPassword("made", length=20)
        aws.ssm.Parameter("a", type="String", value=config.require_secret("key"))
        aws.ssm.Parameter("b", type="String", value=pulumi.Output.format("x {0}", made.result))
        aws.sqs.Queue("c", tags={"t": pulumi.Output.json_dumps({"k": config.require_secret("key")})})
        aws.sqs.Queue("d", name=pulumi.Output.secret("canary-4f1d"))
        pulumi.export("key", config.require_secret("key"))
        """,
        secrets={"cloudbill:key": canary},
    )

    assert canary not in graph.to_json()
    assert graph.get("a").inputs["value"] == {"secret": True}
    assert graph.get("b").inputs["value"] == {"secret": True}
    assert graph.get("c").inputs["tags"] == {"t": {"secret": True}}
    assert graph.get("d").inputs["name"] == {"secret": True}
    assert graph.outputs["key"] == {"secret": True}


def test_a_preview_knows_inputs_and_nothing_else(record_program: Record) -> None:
    program = """
        key = aws.kms.Key("key", description="given")
        aws.sqs.Queue("queue", kms_master_key_id=key.arn, tags={"given": key.description})
    """

    queue = record_program(program, preview=True).get("queue")
    assert queue.inputs == {"kmsMasterKeyId": {"unknown": True}, "tags": {"given": "given"}}
    assert record_program(program).get("queue").inputs["kmsMasterKeyId"] == "${key.arn}"


def test_configuration_arrives_as_the_language_host_hands_it_over(record_program: Record) -> None:
    graph = record_program("""
        config = pulumi.Config()
        assert config.require_bool("flag") is True
        assert config.require_object("many") == ["a", "b"]
        pulumi.export("stack", pulumi.get_stack())
        pulumi.export("project", pulumi.get_project())
    """)

    assert graph.outputs == {"project": "cloudbill", "stack": "toy"}
    assert (graph.stack, graph.cloud) == ("toy", "aws")


@pytest.mark.parametrize(
    ("program", "error", "said"),
    [
        ('aws.sqs.Queue("q"); aws.sqs.Queue("q")', InvalidResource, "two resources have the URN"),
        ('aws.sqs.Queue("q"); aws.sns.Topic("q")', InvalidResource, "two resources are named q"),
        (
            'aws.ecr.Repository("r", image_scanning_configuration={"scan": True})',
            InvalidResource,
            "imageScanningConfiguration.scan is not a key of RepositoryImageScanningConfigurationArgs",
        ),
        (
            'aws.ecr.Repository("r", encryption_configurations=[{"encryptionTyp": "KMS"}])',
            InvalidResource,
            "encryptionConfigurations[0].encryptionTyp is not a key",
        ),
        (
            'aws.ecr.Repository("r", image_scanning_configuration={})',
            InvalidResource,
            "imageScanningConfiguration.scanOnPush is missing",
        ),
        (
            'aws.ecr.Repository("r", encryption_configurations={"encryptionType": "KMS"})',
            InvalidResource,
            "encryptionConfigurations is an object, a list is expected",
        ),
        ('aws.sqs.Queue("q", name=["a"])', ProgramFailed, "While processing input: 'name'"),
        ('aws.kms.Alias("a")', ProgramFailed, "Missing required property 'target_key_id'"),
        ("aws.get_availability_zones()", UnexpectedLookup, "getAvailabilityZones"),
        ('aws.sqs.Queue.get("q", "https://queue")', UnexpectedLookup, "reads aws:sqs/queue:Queue q"),
        ('aws.sqs.Queue("q").arn.apply(lambda arn: 1 / 0)', ProgramFailed, "ZeroDivisionError"),
        ('raise RuntimeError("no")', ProgramFailed, "RuntimeError: no"),
        ('pulumi.Config().require("absent")', ProgramFailed, "cloudbill:absent"),
    ],
)
def test_what_the_engine_or_a_provider_would_refuse_is_an_error(
    record_program: Record, program: str, error: type[RecordingError], said: str
) -> None:
    with pytest.raises(error, match=".*") as raised:
        record_program(program)
    assert said in str(raised.value)


def test_a_recording_leaves_nothing_behind_for_the_next(record_program: Record) -> None:
    with pytest.raises(ProgramFailed):
        record_program('aws.sqs.Queue("first"); raise RuntimeError("no")')

    second = record_program('aws.sqs.Queue("second")')

    assert [resource.name for resource in second.resources if resource.custom] == ["second"]
    assert second.to_json() == record_program('aws.sqs.Queue("second")').to_json()


def test_a_program_that_failed_says_so_once(record_program: Record, caplog: pytest.LogCaptureFixture) -> None:
    with contextlib.suppress(ProgramFailed):
        record_program('aws.sqs.Queue("q", name=["a"])')

    # The next one makes the SDK forget the program before.
    record_program('aws.sqs.Queue("q")')
    gc.collect()

    assert caplog.messages == []


def test_a_graph_is_read_back_as_it_was_written(record_program: Record) -> None:
    graph = record_program('aws.sqs.Queue("q", opts=pulumi.ResourceOptions(replace_on_changes=["name"]))')

    assert Graph.from_json(graph.to_json()) == graph


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"stack": "a", "cloud": "aws", "resources": [{}], "outputs": {}}'])
def test_what_is_no_graph_is_refused(text: str) -> None:
    with pytest.raises(InvalidGraph):
        Graph.from_json(text)


def test_unknown_stacks_and_broken_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: cloudbill\nruntime: python\nmain: program/\n")
    (tmp_path / "Pulumi.broken.yaml").write_text("config: [")
    with pytest.raises(UnknownStack, match=r"there is no Pulumi\.nope\.yaml: the stacks are broken"):
        record("nope", root=tmp_path)
    with pytest.raises(InvalidStackFile, match=r"Pulumi\.broken\.yaml cannot be read"):
        record("broken", root=tmp_path)

    assert main(["nope"]) == 1
    assert capsys.readouterr().err.startswith(
        "infra.graph: unknown_stack: there is no Pulumi.nope.yaml: the stacks are"
    )


def test_a_difference_names_what_was_added_changed_ignored_replaced_and_lost(record_program: Record) -> None:
    before = record_program("""
        aws.sqs.Queue("gone", opts=pulumi.ResourceOptions(protect=True))
        aws.sqs.Queue("kept", delay_seconds=1, tags={"a": "1"}, opts=pulumi.ResourceOptions(ignore_changes=["tags"]))
        aws.elasticache.ReplicationGroup("nodes", description="d", at_rest_encryption_enabled=False)
        aws.cloudwatch.Dashboard("board", dashboard_name="b", dashboard_body='{"widgets": [{"x": 1}]}')
        pulumi.export("place", "here")
    """)
    after = record_program("""
        aws.sqs.Queue("new")
        aws.sqs.Queue("kept", delay_seconds=2, tags={"a": "2"}, opts=pulumi.ResourceOptions(ignore_changes=["tags"]))
        aws.elasticache.ReplicationGroup("nodes", description="d", replication_group_id="other")
        aws.cloudwatch.Dashboard("board", dashboard_name="b", dashboard_body='{"widgets": [{"x": 2}]}')
        pulumi.export("place", "there")
    """)

    text = compare(before, after)

    assert "+ new (aws:sqs/queue:Queue)" in text
    assert "- gone (aws:sqs/queue:Queue)  (protected: it has to be unprotected first)" in text
    assert "~ kept (aws:sqs/queue:Queue)\n    delaySeconds: 1 -> 2\n" in text
    assert '    tags.a: "1" -> "2"  (ignored: it is not applied)' in text
    assert "    dashboardBody.widgets[0].x: 1 -> 2" in text
    assert '~ outputs\n    place: "here" -> "there"' in text
    assert compare(after, after) == "no change"


def test_a_change_that_the_documentation_says_replaces_is_marked(record_program: Record) -> None:
    def nodes(snapshot: str) -> Graph:
        return record_program(f"""
            aws.elasticache.ReplicationGroup("nodes", description="d", snapshot_name="{snapshot}")
        """)

    text = compare(nodes("a"), nodes("b"))

    assert text.startswith("! nodes (aws:elasticache/replicationGroup:ReplicationGroup)")
    assert '    snapshotName: "a" -> "b"  (replaces the resource)' in text


def test_a_difference_since_nothing_known_is_refused(record_program: Record, tmp_path: Path) -> None:
    graph = record_program('aws.sqs.Queue("q")')
    stored = tmp_path / "graph.json"
    stored.write_text(graph.to_json())

    assert since(graph, str(stored)) == "no change"
    with pytest.raises(UnknownReference, match="neither a stored graph nor a commit"):
        since(graph, "no-such-commit")
    with pytest.raises(InvalidGraph, match=r"gone\.json cannot be read: No such file"):
        since(graph, str(tmp_path / "gone.json"))
    with pytest.raises(InvalidGraph, match="cannot be read: Is a directory"):
        since(graph, str(tmp_path))
    stored.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidGraph, match="is no text"):
        since(graph, str(stored))
    stored.write_text(graph.to_json()[:-200])
    with pytest.raises(InvalidGraph, match="is no JSON"):
        since(graph, str(stored))
    stored.write_text(replace(graph, stack="other").to_json())
    with pytest.raises(UnknownReference, match="holds the stack other, not toy"):
        since(graph, str(stored))


def test_a_broken_graph_ends_the_command_with_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"stack": "dev", ')
    done = subprocess.run(
        [sys.executable, "-m", "infra.graph", "dev", "--diff", str(broken)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"infra.graph: invalid_graph: {broken}: this is no JSON (")
    assert done.stderr.count("\n") == 1


def test_the_command_needs_neither_network_nor_credentials_nor_plugins(tmp_path: Path) -> None:
    """An empty environment, and a home without any configuration."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.graph", "dev"],
        cwd=ROOT,
        env={"PATH": "/nonexistent", "HOME": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.returncode == 0
    assert Graph.from_json(done.stdout).stack == "dev"
