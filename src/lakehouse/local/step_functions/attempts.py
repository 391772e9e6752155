"""Retry and Catch around a Task, Parallel or Map."""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

from collections.abc import Callable

from ministack.services import stepfunctions
from ministack.services.stepfunctions import _ExecutionError as StateError

from lakehouse.local.step_functions.json_path import Json
from lakehouse.local.step_functions.query_languages import State, language_of
from lakehouse.local.step_functions.references import Context
from lakehouse.local.step_functions.retries import RetryPolicy, matches
from lakehouse.local.step_functions.scope import current


def with_retry_and_catch(
    state: State, raw: Json, context: Context, attempt: Callable[[], Json]
) -> tuple[Json, str | None]:
    """Run an attempt until it succeeds, is not to be retried any more, or is caught.

    Args:
        state: The state's definition.
        raw: Its input.
        context: The execution's context; ``$$.State.RetryCount`` counts the retries.
        attempt: Gives the state's result.

    Returns:
        The state's output, and the next state.

    Raises:
        StateError: The last attempt's error, which nothing caught.
    """
    language = language_of(state, context)
    policy = RetryPolicy(state.get("Retry", []))
    while True:
        context["State"]["RetryCount"] = policy.count
        try:
            return language.output(state, raw, attempt(), context), state.get("Next")
        except StateError as error:
            delay = policy.next_delay(error.error)
            if delay is None:
                catchers = (each for each in state.get("Catch", []) if matches(each["ErrorEquals"], error.error))
                catcher = next(catchers, None)
                if catcher is None:
                    raise
                output = {"Error": error.error, "Cause": error.cause}
                return language.caught(catcher, raw, output, context), catcher["Next"]
        current().wait(delay * stepfunctions._SFN_WAIT_SCALE)
