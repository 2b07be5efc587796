"""What each environment is unless its stack file says otherwise (requirement INF-5)."""

from typing import Any

from infra.config import Cloud, Environment, Role


def defaults(cloud: Cloud, environment: Environment) -> dict[str, Any]:
    """Values by key, in the form of a stack file."""
    common = _COMMON[environment]
    return {
        **common,
        "release": {"spot": environment is not Environment.PRODUCTION and cloud is Cloud.AWS},
        "region": {Cloud.AWS: "us-east-1", Cloud.GCP: "us-central1"}[cloud],
        # Below a whole CPU Cloud Run serves one request at a time, and has neither folders nor worker pools.
        **({role: {**common[role], "cpu": 1} for role in Role} if cloud is Cloud.GCP else {}),
        "database": {**common["database"], **_DATABASE[cloud][environment]},
        "cache": {**common["cache"], **_CACHE[cloud][environment]},
        "network": {
            "cidr": {Cloud.AWS: "10.20.0.0/16", Cloud.GCP: "10.40.0.0/16"}[cloud],
            "natPerZone": environment is Environment.PRODUCTION,
        },
    }


_COMMON: dict[Environment, dict[str, Any]] = {
    Environment.PRODUCTION: {
        "logDays": 90,
        "api": {"cpu": 1, "memory": 2048, "min": 2, "max": 10},
        "worker": {"cpu": 1, "memory": 2048, "min": 2, "max": 6},
        "console": {"cpu": 0.5, "memory": 1024, "min": 1, "max": 10},
        "database": {
            "version": "15",
            "storage": 100,
            "storageMax": 1000,
            "highlyAvailable": True,
            "backupsKept": 30,
        },
        "cache": {"highlyAvailable": True},
        "alerts": {"budget": 1500},
        "switches": {"guardDuty": True, "configRecorder": True, "cloudTrail": True},
    },
    Environment.STAGING: {
        "logDays": 30,
        "api": {"cpu": 0.5, "memory": 1024, "min": 1, "max": 5},
        "worker": {"cpu": 0.5, "memory": 1024, "min": 1, "max": 2},
        "console": {"cpu": 0.5, "memory": 1024, "min": 1, "max": 2},
        "database": {
            "version": "15",
            "storage": 20,
            "storageMax": 200,
            "highlyAvailable": False,
            "backupsKept": 7,
        },
        "cache": {"highlyAvailable": False},
        "alerts": {"budget": 400},
        "switches": {},
    },
    Environment.DEVELOPMENT: {
        "logDays": 7,
        "api": {"cpu": 0.5, "memory": 1024, "min": 1, "max": 3},
        "worker": {"cpu": 0.5, "memory": 1024, "min": 1, "max": 1},
        "console": {"cpu": 0.5, "memory": 1024, "min": 1, "max": 1},
        "database": {
            "version": "15",
            "storage": 20,
            "storageMax": 50,
            "highlyAvailable": False,
            "backupsKept": 1,
        },
        "cache": {"highlyAvailable": False},
        "alerts": {"budget": 250},
        "switches": {},
    },
}

_DATABASE: dict[Cloud, dict[Environment, dict[str, Any]]] = {
    Cloud.AWS: {
        Environment.PRODUCTION: {"instance": "db.m7g.large", "pitrDays": 30},
        Environment.STAGING: {"instance": "db.t4g.medium", "pitrDays": 7},
        Environment.DEVELOPMENT: {"instance": "db.t4g.medium", "pitrDays": 1},
    },
    Cloud.GCP: {
        Environment.PRODUCTION: {"instance": "db-custom-2-8192", "pitrDays": 7},
        Environment.STAGING: {"instance": "db-custom-1-3840", "pitrDays": 7},
        Environment.DEVELOPMENT: {"instance": "db-custom-1-3840", "pitrDays": 1},
    },
}

_CACHE: dict[Cloud, dict[Environment, dict[str, Any]]] = {
    Cloud.AWS: {
        Environment.PRODUCTION: {"engine": "valkey", "version": "8.0", "node": "cache.t4g.medium"},
        Environment.STAGING: {"engine": "valkey", "version": "8.0", "node": "cache.t4g.small"},
        Environment.DEVELOPMENT: {"engine": "valkey", "version": "8.0", "node": "cache.t4g.micro"},
    },
    Cloud.GCP: {
        Environment.PRODUCTION: {"engine": "redis", "version": "7.2", "node": "4"},
        Environment.STAGING: {"engine": "redis", "version": "7.2", "node": "1"},
        Environment.DEVELOPMENT: {"engine": "redis", "version": "7.2", "node": "1"},
    },
}
