"""The AWS services that the endpoint serves, and how the emulator serves what this project does not replace."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Native(StrEnum):
    """What the emulator's own answers are worth."""

    REAL = "emulated"
    STATE = "state only"


@dataclass(frozen=True, slots=True)
class Service:
    """A served service.

    Attributes:
        name: Its name in the emulator's router.
        signing_names: The names by which requests are signed for it.
        native: Whether the emulator does the work of its operations, or keeps what it is told and does nothing with it.
        note: What is true of it on the laptop.
    """

    name: str
    signing_names: tuple[str, ...]
    native: Native
    note: str


_SERVICES = (
    Service(
        "s3",
        ("s3",),
        Native.REAL,
        "objects, versions, notifications; lifecycle rules are kept, not carried out; bodies are not encrypted on disk",
    ),
    Service(
        "dynamodb",
        ("dynamodb",),
        Native.REAL,
        "items, conditions, transactions, indexes, expiry; point-in-time recovery is a setting only",
    ),
    Service(
        "dynamodbstreams",
        ("dynamodb",),
        Native.REAL,
        "stream records; after a restart, those that an event source mapping has not done with",
    ),
    Service("glue", ("glue",), Native.STATE, "the Data Catalog and definitions; triggers and workflows never fire"),
    Service("codebuild", ("codebuild",), Native.STATE, "build projects; builds run in processes, not in containers"),
    Service("athena", ("athena",), Native.STATE, "workgroups, named queries, data catalogs"),
    Service("states", ("states",), Native.REAL, "executions of both query languages"),
    Service("lambda", ("lambda",), Native.REAL, "event source mappings, asynchronous invocations, layers, versions"),
    Service("iam", ("iam",), Native.STATE, "roles and policies are kept; calls are not yet authorised with them"),
    Service("sts", ("sts",), Native.REAL, "sessions and caller identity"),
    Service("kms", ("kms",), Native.REAL, "real cryptography; rotation is a setting only"),
    Service("logs", ("logs",), Native.REAL, "groups, streams, events, queries; retention is a setting only"),
    Service(
        "monitoring",
        ("monitoring",),
        Native.REAL,
        "metrics, alarms and their actions; queues publish within seconds; metrics embedded in logs are not read",
    ),
    Service("sqs", ("sqs",), Native.REAL, "queues with visibility, redrive and dead-letter queues"),
    Service("sns", ("sns",), Native.REAL, "delivery to SQS, Lambda and HTTP"),
    Service("events", ("events",), Native.REAL, "rules and schedules; targets that cannot be reached are refused"),
    Service("secretsmanager", ("secretsmanager",), Native.REAL, "secrets and their versions"),
    Service("ssm", ("ssm",), Native.REAL, "parameters"),
    Service("tagging", ("tagging",), Native.REAL, "tags across the services"),
)

SERVED = {service.name: service for service in _SERVICES}
SIGNING_NAMES = {name: service.name for service in reversed(_SERVICES) for name in service.signing_names}
