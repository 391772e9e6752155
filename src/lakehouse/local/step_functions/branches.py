"""Parallel and Map: several walks at once, of which the first failure stops the others.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/state-parallel.html,
https://docs.aws.amazon.com/step-functions/latest/dg/state-map.html
"""

from __future__ import annotations

import contextvars
import copy
import json
import threading
from collections.abc import Callable, Sequence

from ministack.services.stepfunctions import _ExecutionError as StateError

from lakehouse.local.step_functions.attempts import with_retry_and_catch
from lakehouse.local.step_functions.history import Execution, add_event, continue_from, last_event
from lakehouse.local.step_functions.json_path import Json
from lakehouse.local.step_functions.query_languages import State, language_of
from lakehouse.local.step_functions.references import Context
from lakehouse.local.step_functions.scope import Scope, ScopeCancelledError, current, entered

# https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html: an inline Map runs at most 40 at once.
_MOST_CONCURRENT_ITERATIONS = 40

Work = Callable[[], Json]
Step = tuple[Json, str | None]


def run_parallel(state: State, raw: Json, execution: Execution, context: Context) -> Step:
    """Run a Parallel state.

    Args:
        state: Its definition.
        raw: Its input.
        execution: The execution's record.
        context: The execution's context.

    Returns:
        Its output and the next state.
    """

    def attempt() -> Json:
        data = language_of(state, context).arguments(state, raw, context)
        add_event(execution, "ParallelStateStarted")
        works = [_walk_of(branch, data, execution, _inner(context)) for branch in state["Branches"]]
        try:
            results = run_together(works, len(works))
        except StateError:
            add_event(execution, "ParallelStateFailed")
            raise
        add_event(execution, "ParallelStateSucceeded")
        return results

    return with_retry_and_catch(state, raw, context, attempt)


def run_map(state: State, raw: Json, execution: Execution, context: Context) -> Step:
    """Run a Map state, inline or distributed.

    Args:
        state: Its definition.
        raw: Its input.
        execution: The execution's record.
        context: The execution's context.

    Returns:
        Its output and the next state.
    """
    processor = state.get("ItemProcessor") or state.get("Iterator") or {}
    if processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
        # That module imports this one, and runs whole executions.
        from lakehouse.local.step_functions.distributed_map import run_distributed_map

        return run_distributed_map(state, raw, execution, context)

    def attempt() -> Json:
        language = language_of(state, context)
        items = language.items(state, raw, context)
        if not isinstance(items, list):
            raise StateError("States.Runtime", f"A Map needs an array of items, but got: {json.dumps(items)[:200]}")
        concurrency = language.field(state, "MaxConcurrency", raw, context) or _MOST_CONCURRENT_ITERATIONS
        add_event(execution, "MapStateStarted", {"mapStateStartedEventDetails": {"length": len(items)}})
        works = [
            _iteration(state, raw, item, index, execution, _inner(context, index, item))
            for index, item in enumerate(items)
        ]
        try:
            results = run_together(works, min(int(concurrency), _MOST_CONCURRENT_ITERATIONS))
        except StateError:
            add_event(execution, "MapStateFailed")
            raise
        add_event(execution, "MapStateSucceeded")
        return results

    return with_retry_and_catch(state, raw, context, attempt)


def _iteration(state: State, raw: Json, item: Json, index: int, execution: Execution, context: Context) -> Work:
    details = {"name": context["State"]["Name"], "index": index}

    def work() -> Json:
        add_event(execution, "MapIterationStarted", {"mapIterationStartedEventDetails": details})
        data = language_of(state, context).item_input(state, raw, item, context)
        processor = state.get("ItemProcessor") or state["Iterator"]
        try:
            result = _walk_of(processor, data, execution, context)()
        except StateError:
            add_event(execution, "MapIterationFailed", {"mapIterationFailedEventDetails": details})
            raise
        add_event(execution, "MapIterationSucceeded", {"mapIterationSucceededEventDetails": details})
        return result

    return work


def _walk_of(machine: State, data: Json, execution: Execution, context: Context) -> Work:
    # The interpreter imports this module: states nest.
    from lakehouse.local.step_functions.interpreter import walk

    return lambda: walk(machine["States"], machine["StartAt"], copy.deepcopy(data), execution, context)


def _inner(context: Context, index: int | None = None, item: Json = None) -> Context:
    """A branch's own context: it reads the variables outside, and assigns its own."""
    inner = {**context, "State": dict(context["State"]), "variables": copy.deepcopy(context["variables"])}
    if index is not None:
        inner["Map"] = {"Item": {"Index": index, "Value": item}}
    return inner


def run_together(works: Sequence[Work], concurrency: int) -> list[Json]:
    """Run branches at once; the first that fails stops the others.

    Args:
        works: The branches.
        concurrency: How many run at the same time.

    Returns:
        Their results, in order.

    Raises:
        StateError: The first failure.
        ScopeCancelledError: The execution was stopped.
    """
    results: list[Json] = [None] * len(works)
    errors: list[StateError | ScopeCancelledError] = []
    waiting = iter(enumerate(works))
    lock = threading.Lock()
    started_at = last_event()

    def work_off(scope: Scope) -> None:
        while not scope.is_cancelled:
            with lock:
                index, work = next(waiting, (None, None))
            if index is None or work is None:
                return
            continue_from(started_at)
            try:
                results[index] = work()
            except (StateError, ScopeCancelledError) as error:
                errors.append(error)
                scope.cancel()
            except Exception as error:  # noqa: BLE001 - a branch never dies silently: its error fails the state
                errors.append(StateError("States.Runtime", f"{type(error).__name__}: {error}"))
                scope.cancel()

    with entered(Scope(current())) as scope:
        # Daemon threads: a pool's threads would hold up the endpoint's stop until their branches end.
        threads = [
            threading.Thread(target=contextvars.copy_context().run, args=(work_off, scope), daemon=True)
            for _ in range(min(concurrency, len(works)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    current().check()
    if errors:
        raise errors[0]
    return results
