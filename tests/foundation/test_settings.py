"""Settings: read from the environment's names, refused with the key and its shape, never with a secret's value."""

from datetime import timedelta

import pytest

from core.foundation.settings import Settings, SettingsInvalid, load_settings

SECRET = "hunter2-the-secret"
FITTING_KEY = "x7Qk" * 10 + "x7Q="


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DATABASE_URL", f"mysql://root:{SECRET}@db/cloudbill"),
        ("DATABASE_APP_URL", f"postgresql://app:{SECRET}@db"),
        ("DATABASE_OPERATOR_URL", SECRET),
        ("REDIS_URL", f"http://:{SECRET}@cache:6379"),
        ("DB_PORT", SECRET),
        ("JWT_EXPIRATION", SECRET),
        ("CORS_ORIGIN", f"ftp://{SECRET}"),
        ("ENCRYPTION_KEY", SECRET),
        ("LEDGER_SIGNING_KEY", f"{FITTING_KEY},{SECRET}"),
        ("STRIPE_SECRET_KEY", SECRET),
        ("STRIPE_SECRET_KEY", f"pk_test_{SECRET}"),
        ("STRIPE_WEBHOOK_SECRET", f"whsec_one,{SECRET}"),
        ("TRUSTED_PROXIES", f"10.0.0.0/8,{SECRET}"),
        ("STRIPE_API_BASE", SECRET),
        ("LOG_LEVEL", SECRET),
        ("REGISTRATION", SECRET),
        ("RATE_LIMIT_WINDOW_MS", SECRET),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch, key: str, value: str) -> None:
    monkeypatch.setenv(key, value)
    monkeypatch.setenv("DB_PASSWORD", SECRET)
    with pytest.raises(SettingsInvalid) as refusal:
        load_settings()
    assert str(refusal.value).startswith(f"{key}: ")
    assert len(str(refusal.value).splitlines()) == 1
    assert SECRET not in str(refusal.value)
    assert SECRET not in repr(refusal.value)
    assert refusal.value.__cause__ is None


def test_every_wrong_key_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PORT", "none")
    monkeypatch.setenv("REDIS_URL", "none")
    with pytest.raises(SettingsInvalid) as refusal:
        load_settings()
    assert [line.split(":")[0] for line in str(refusal.value).splitlines()] == ["DB_PORT", "REDIS_URL"]


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    shown = load_settings(
        database_url=f"postgresql://owner:{SECRET}@db/cloudbill",
        db_password=SECRET,
        redis_url=f"redis://:{SECRET}@cache:6379/0",
        redis_password=SECRET,
        encryption_key=FITTING_KEY,
        stripe_secret_key="sk_test_hunter2",
        stripe_webhook_secret="whsec_hunter2",
        ledger_signing_key=FITTING_KEY.rstrip("="),
        metrics_token=SECRET,
    )
    for text in (repr(shown), str(shown), shown.model_dump_json()):
        assert "hunter2" not in text
        assert "x7Qk" not in text


def test_the_names_of_the_environment_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {
        "DB_HOST": "db.internal",
        "DB_PORT": "6432",
        "DB_NAME": "billing",
        "DB_USER": "owner",
        "DB_PASSWORD": "p@ss/word",
        "DB_SSL": "true",
        "REDIS_HOST": "cache.internal",
        "REDIS_PORT": "6380",
        "REDIS_PASSWORD": "p@ss",
        "REDIS_TLS": "true",
        "JWT_EXPIRATION": "30m",
        "JWT_REFRESH_EXPIRATION": "14d",
        "CORS_ORIGIN": "https://app.example.com, https://admin.example.com/",
        "RATE_LIMIT_WINDOW_MS": "30000",
        "LOG_LEVEL": "DEBUG",
    }.items():
        monkeypatch.setenv(key, value)
    settings = load_settings()
    assert settings.owner_url == "postgresql://owner:p%40ss%2Fword@db.internal:6432/billing?sslmode=require"
    assert settings.cache_url == "rediss://:p%40ss@cache.internal:6380/0"
    assert settings.jwt_expiration == timedelta(minutes=30)
    assert settings.jwt_refresh_expiration == timedelta(days=14)
    assert settings.cors_origin == ("https://app.example.com", "https://admin.example.com")
    assert settings.rate_limit_window_ms == 30_000
    assert settings.log_level == "debug"


def test_an_address_wins_over_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://owner@db/whole")
    monkeypatch.setenv("DB_HOST", "parts")
    monkeypatch.setenv("REDIS_URL", "redis://whole:6379/0")
    monkeypatch.setenv("REDIS_HOST", "parts")
    settings = load_settings()
    assert settings.owner_url == "postgresql://owner@db/whole"
    assert settings.cache_url == "redis://whole:6379/0"


def test_what_is_missing_is_said_when_it_is_needed() -> None:
    settings = load_settings()
    with pytest.raises(SettingsInvalid, match="DATABASE_URL is not set"):
        _ = settings.owner_url
    with pytest.raises(SettingsInvalid, match="DATABASE_APP_URL is not set"):
        _ = settings.app_url
    with pytest.raises(SettingsInvalid, match="REDIS_URL"):
        _ = settings.cache_url


@pytest.mark.parametrize(
    ("text", "seconds"), [("15m", 900), ("900", 900), ("900000ms", 900), ("7d", 604_800), ("1h", 3600), ("45s", 45)]
)
def test_durations(text: str, seconds: int) -> None:
    assert load_settings(jwt_expiration=text).jwt_expiration == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["0", "-5m", "5 minutes", "", "1.5h", "five"])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsInvalid, match="JWT_EXPIRATION"):
        load_settings(jwt_expiration=text)


@pytest.mark.parametrize(
    "origin", ["*", "https://*.example.com", "https://", "example.com", "https://example.com/path"]
)
def test_an_origin_is_a_whole_address_without_a_path(origin: str) -> None:
    with pytest.raises(SettingsInvalid, match="CORS_ORIGIN"):
        load_settings(cors_origin=origin)


def test_the_pool_is_a_range() -> None:
    with pytest.raises(SettingsInvalid, match="^DB_POOL_MIN must not be larger than DB_POOL_MAX"):
        load_settings(db_pool_min=11, db_pool_max=10)


@pytest.mark.parametrize(
    ("key", "live"), [("sk_live_x", True), ("rk_live_x", True), ("sk_test_x", False), (None, False)]
)
def test_a_live_key_is_known_by_its_beginning(key: str | None, live: bool) -> None:
    assert load_settings(stripe_secret_key=key).stripe_is_live is live


def test_the_tests_see_no_setting_of_the_person_who_runs_them() -> None:
    assert load_settings().model_fields_set == set()
    assert Settings().database_url is None
