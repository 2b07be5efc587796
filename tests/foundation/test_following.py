"""Whom a process follows after a failover on this machine: who took its own server's place, and nobody else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from core.foundation.following import where
from core.foundation.serving import SERVING, now_at
from core.foundation.settings import Settings


@pytest.fixture
def own(settings: Settings) -> str:
    """Where this process finds its database."""
    return urlsplit(settings.app_url).netloc.rpartition("@")[2]


def record(home: Path, *, instead_of: list[str]) -> None:
    home.mkdir(exist_ok=True)
    (home / SERVING).write_text(json.dumps({"endpoint": "127.0.0.1:1", "epoch": 9, "instead_of": instead_of}))


def test_a_copy_beside_is_not_led_to_who_took_the_originals_place(
    make_settings: Callable[..., Any], own: str, tmp_path: Path
) -> None:
    settings = make_settings(cloudbill_home=tmp_path / "home")
    record(settings.cloudbill_home, instead_of=["127.0.0.1:2"])
    found = where(settings)
    assert found is not None
    assert (found.app, found.epoch) == (settings.app_url, 1)
    assert now_at(settings.app_url, settings.cloudbill_home) == settings.app_url


def test_a_server_whose_place_was_taken_is_not_written_though_it_says_that_it_is_open(
    make_settings: Callable[..., Any], own: str, tmp_path: Path
) -> None:
    settings = make_settings(cloudbill_home=tmp_path / "home")
    record(settings.cloudbill_home, instead_of=[own])
    assert where(settings) is None
    assert now_at(settings.app_url, settings.cloudbill_home) == settings.app_url.replace(own, "127.0.0.1:1")


@pytest.mark.parametrize("content", ["", "{}", '{"endpoint": 1}', "[1]"])
def test_a_record_that_cannot_be_read_leads_nobody_anywhere(
    make_settings: Callable[..., Any], tmp_path: Path, content: str
) -> None:
    settings = make_settings(cloudbill_home=tmp_path / "home")
    settings.cloudbill_home.mkdir(exist_ok=True)
    (settings.cloudbill_home / SERVING).write_text(content)
    found = where(settings)
    assert found is not None
    assert found.app == settings.app_url
