"""Where there is no Terraform the tests are left out and say so; the page of the tables is as the tables are."""

import json
from pathlib import Path

import pytest

from tests.provider import terraform
from tests.provider.pages import PAGE, page


@pytest.fixture(autouse=True)
def _asked_anew() -> None:
    for answer in (terraform.missing, terraform.mirror):
        answer.cache_clear()


@pytest.fixture(autouse=True, scope="module")
def _forgotten() -> object:
    yield
    terraform.missing.cache_clear()
    terraform.mirror.cache_clear()


def test_without_terraform_the_reason_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert terraform.missing() == "no terraform found (1.11 is known to do)"


def test_without_the_provider_the_reason_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "terraform"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CLOUDBILL_TERRAFORM_MIRROR", str(tmp_path))
    assert terraform.missing() == (
        "no AWS provider of Terraform found (5.100 is known to do): lay one down as terraform providers mirror does, "
        "and name the folder with CLOUDBILL_TERRAFORM_MIRROR"
    )


def test_a_mirror_is_known_by_its_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place = tmp_path / "registry.terraform.io" / "hashicorp" / "aws" / "5.100.0" / "linux_amd64"
    place.mkdir(parents=True)
    (place / "terraform-provider-aws_v5.100.0_x5").write_text("")
    monkeypatch.setenv("CLOUDBILL_TERRAFORM_MIRROR", str(tmp_path))
    assert terraform.mirror() == tmp_path


def test_the_page_says_what_the_tables_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.provider.pages"


def test_what_hangs_is_named() -> None:
    def said(kind: str, address: str) -> str:
        return json.dumps({"type": kind, "hook": {"resource": {"addr": address}}})

    stream = [
        said("apply_start", "aws_vpc.one"),
        said("apply_start", "aws_vpc.two"),
        said("apply_complete", "aws_vpc.one"),
    ]
    run = terraform._read("\n".join(stream), "apply_complete", "hook")
    assert run.addresses == ["aws_vpc.one"]
    assert [str(complaint) for complaint in run.complaints] == ["aws_vpc.two: was begun and not done after 600 s "]
