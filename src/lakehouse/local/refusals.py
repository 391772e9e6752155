"""Operations that the emulator would answer with success while nothing happens: refused by name instead."""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import sns

from lakehouse.local.gate import REFUSED_CODE
from lakehouse.local.registry import fixes, refuses

Json = dict[str, Any]

for _operation in ("CreateTrigger", "StartTrigger", "CreateWorkflow", "StartWorkflowRun"):
    refuses("glue", _operation, instead="Start jobs and crawlers from a state machine: those run.")

for _operation in (
    "ExportTableToPointInTime",
    "ImportTable",
    "RestoreTableToPointInTime",
    "EnableKinesisStreamingDestination",
    "UpdateKinesisStreamingDestination",
):
    refuses("dynamodb", _operation, instead="Use BatchWriteItem, or CreateBackup and RestoreTableFromBackup.")

for _operation in (
    "PutMetricFilter",
    "PutDestination",
    "PutDeliverySource",
    "PutDeliveryDestination",
    "CreateDelivery",
):
    refuses("logs", _operation, instead="Send metrics with PutMetricData, and logs to a subscription of a function.")

for _operation in ("RestoreObject", "SelectObjectContent", "PutBucketInventoryConfiguration"):
    refuses("s3", _operation, instead="Read the object itself, and list buckets with ListObjectsV2.")

for _operation in ("RotateSecret", "ReplicateSecretToRegions"):
    refuses("secretsmanager", _operation, instead="Store a new version with PutSecretValue.")

for _operation in ("SendCommand",):
    refuses("ssm", _operation, instead="Run the command itself.")

for _operation in ("CreatePlatformApplication", "CreatePlatformEndpoint"):
    refuses("sns", _operation, instead="Subscribe a queue, a function or an HTTP endpoint.")

for _operation in ("GenerateServiceLastAccessedDetails", "GenerateCredentialReport"):
    refuses("iam", _operation, instead="Run it on AWS: the laptop keeps no record of past accesses.")

for _operation in ("CreatePartnerEventSource", "PutPartnerEvents", "CreateEndpoint"):
    refuses("events", _operation, instead="Use an event bus of your own.")

# What EventBridge on the laptop delivers to, by the service in the target's ARN.
_TARGETS = frozenset({"lambda", "sqs", "sns", "states", "events"})
_PROTOCOLS = frozenset({"sqs", "lambda", "http", "https"})


@fixes(
    "events",
    "PutTargets",
    replaces="ministack.services.eventbridge:_put_targets",
    signature="(data)",
    symptom="targets that the emulator cannot reach are accepted, and their events are lost",
)
def put_targets(original: Callable[..., Any]) -> Callable[..., Any]:
    """Only targets that events really reach."""

    def replacement(data: Json) -> Any:
        for target in data.get("Targets") or ():
            service = str(target.get("Arn", "")).split(":")[2:3]
            if service and service[0] not in _TARGETS:
                return error_response_json(
                    REFUSED_CODE,
                    f"events PutTargets: nothing on the laptop delivers to {target['Arn']}, so the target is refused. "
                    f"Use one of {', '.join(sorted(_TARGETS))}.",
                )
        return original(data)

    return replacement


@fixes(
    "sns",
    "Subscribe",
    replaces="ministack.services.sns:_subscribe",
    signature="(params)",
    symptom="e-mail and SMS subscriptions are accepted, and their messages are lost",
)
def subscribe(original: Callable[..., Any]) -> Callable[..., Any]:
    """Only protocols that are really delivered."""

    def replacement(params: Json) -> Any:
        protocol = sns._p(params, "Protocol")
        if protocol not in _PROTOCOLS:
            return sns._error(
                REFUSED_CODE,
                f"sns Subscribe: the laptop delivers no {protocol}, so the subscription is refused. "
                f"Use one of {', '.join(sorted(_PROTOCOLS))}.",
                400,
            )
        return original(params)

    return replacement
