"""Functions as targets of EventBridge's rules: invoked asynchronously, tried again, and what fails for good is kept.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from ministack.services import lambda_svc

from lakehouse.local.registry import fixes

_LOG = logging.getLogger(__name__)


@fixes(
    "events",
    "PutEvents",
    replaces="ministack.services.eventbridge:_dispatch_to_lambda",
    signature="(arn, payload)",
    symptom="an event is lost where the function that a rule invokes fails once: it is not tried again, and its "
    "destination for failures hears nothing",
)
def dispatch_to_lambda(_original: Callable[..., Any]) -> Callable[..., Any]:
    """The function is tried as often as the configuration of the alias or version that the rule names says."""

    def replacement(arn: str, payload: str) -> None:
        function, config, name = lambda_svc._get_func_record_for_ref(arn)
        if not function or not config:
            _LOG.warning("A rule's target does not exist: %s (%s)", name, arn)
            return
        whole, _, _ = lambda_svc._get_base_func_record_for_ref(arn)
        _, qualifier = lambda_svc._lambda_function_name_and_qualifier_from_arn(arn)
        record = lambda_svc._execution_record_for_config(function, config)
        record["event_invoke_config"] = lambda_svc._event_invoke_config(whole or function, qualifier)
        lambda_svc.invoke_async_with_retry(record, json.loads(payload))

    return replacement
