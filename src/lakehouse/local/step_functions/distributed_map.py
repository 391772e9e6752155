"""A distributed Map: every item is a child execution with a history of its own, and some of them may fail.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from ministack.services import stepfunctions
from ministack.services.stepfunctions import _ExecutionError as StateError

from lakehouse.local.step_functions import item_reader, result_writer
from lakehouse.local.step_functions.attempts import with_retry_and_catch
from lakehouse.local.step_functions.branches import Step, Work, run_together
from lakehouse.local.step_functions.history import Execution, add_event
from lakehouse.local.step_functions.json_path import Json
from lakehouse.local.step_functions.map_runs import MapRun
from lakehouse.local.step_functions.payload_template import resolve, select_for
from lakehouse.local.step_functions.query_languages import State, language_of
from lakehouse.local.step_functions.references import Context
from lakehouse.local.step_functions.result_writer import ResultWriter
from lakehouse.local.step_functions.scope import ScopeCancelledError

# AWS runs up to 10,000 at once where a Map sets no bound; a laptop has fewer processors.
_MOST_CONCURRENT_CHILDREN = 40
_EXCEEDED = "States.ExceedToleratedFailureThreshold"


def problems_of(state: State) -> Iterator[str]:
    """Name what a Map asks for that is not executed here.

    Args:
        state: A state.

    Yields:
        One sentence a problem.
    """
    if state.get("Type") != "Map":
        return
    processor = state.get("ItemProcessor") or state.get("Iterator") or {}
    configuration = processor.get("ProcessorConfig") or {}
    if configuration.get("Mode") != "DISTRIBUTED":
        for field in ("ItemReader", "ResultWriter"):
            if field in state:
                yield f"{field} belongs to a Map whose ProcessorConfig has the Mode DISTRIBUTED"
        return
    if configuration.get("ExecutionType") != "STANDARD":
        kind = configuration.get("ExecutionType")
        yield f"a distributed Map's ExecutionType {kind} is not executed by the local endpoint; use STANDARD"
    if "ItemReader" in state:
        yield from item_reader.problems_of(state["ItemReader"])
    if "ResultWriter" in state:
        yield from result_writer.problems_of(state["ResultWriter"])


def run_distributed_map(state: State, raw: Json, execution: Execution, context: Context) -> Step:
    """Run a distributed Map.

    Args:
        state: Its definition.
        raw: Its input.
        execution: The execution's record.
        context: The execution's context.

    Returns:
        Its output and the next state.
    """

    def attempt() -> Json:
        items = _items(state, raw, context)
        add_event(execution, "MapStateStarted", {"mapStateStartedEventDetails": {"length": len(items)}})
        limits = _limits(state, raw, context)
        run = MapRun(execution, state.get("Label"), len(items), limits)
        add_event(execution, "MapRunStarted", {"mapRunStartedEventDetails": {"mapRunArn": run.arn}})
        try:
            result = _run(state, raw, items, run, context)
        except ScopeCancelledError:
            run.end("ABORTED")
            raise
        except StateError as error:
            run.end("FAILED")
            details = {"error": error.error, "cause": error.cause}
            add_event(execution, "MapRunFailed", {"mapRunFailedEventDetails": details})
            add_event(execution, "MapStateFailed")
            raise
        add_event(execution, "MapRunSucceeded")
        add_event(execution, "MapStateSucceeded")
        return result

    return with_retry_and_catch(state, raw, context, attempt)


def _items(state: State, raw: Json, context: Context) -> list[Json]:
    if "ItemReader" in state:
        reader = dict(state["ItemReader"])
        # A template of either language; what is left is read as it stands.
        reader["Parameters"] = _filled(reader, state, raw, context)
        reader.pop("Arguments", None)
        return item_reader.read(reader, _effective(state, raw, context), context)
    items = language_of(state, context).items(state, raw, context)
    if not isinstance(items, list):
        raise StateError("States.Runtime", f"A Map needs an array of items, but got: {json.dumps(items)[:200]}")
    return items


def _effective(state: State, raw: Json, context: Context) -> Json:
    return select_for("InputPath", state.get("InputPath", "$"), raw, context)


def _filled(place: State, state: State, raw: Json, context: Context) -> dict[str, Any]:
    """The arguments of an ItemReader or ResultWriter."""
    if "Arguments" in place:
        return dict(stepfunctions._apply_jsonata_template(place["Arguments"], raw, context))
    return dict(resolve(place.get("Parameters") or {}, _effective(state, raw, context), context))


def _limits(state: State, raw: Json, context: Context) -> dict[str, float]:
    language = language_of(state, context)
    names = ("MaxConcurrency", "ToleratedFailurePercentage", "ToleratedFailureCount")
    return {f"{name[0].lower()}{name[1:]}": language.field(state, name, raw, context) or 0 for name in names}


def _run(state: State, raw: Json, items: list[Json], run: MapRun, context: Context) -> Json:
    """Run the children; what they gave, or where it was written."""
    writer = None
    if "ResultWriter" in state:
        arguments = _filled(state["ResultWriter"], state, raw, context)
        writer = ResultWriter(arguments, run.arn, context["Execution"]["RoleArn"])
    limits = _limits(state, raw, context)
    is_failed = _threshold(state, limits, len(items))
    children: list[Execution | None] = [None] * len(items)
    works = [_child(state, raw, item, index, run, children, is_failed, context) for index, item in enumerate(items)]
    concurrency = int(limits["maxConcurrency"]) or _MOST_CONCURRENT_CHILDREN
    try:
        run_together(works, min(concurrency, _MOST_CONCURRENT_CHILDREN))
    except StateError:
        if writer is not None:
            writer.write(child for child in children if child is not None)
        raise
    ended = [child for child in children if child is not None]
    if writer is None:
        run.end("SUCCEEDED")
        return [json.loads(child["output"]) if child["status"] == "SUCCEEDED" else None for child in ended]
    result = writer.write(ended)
    run.end("SUCCEEDED", results_written=len(ended))
    return result


def _threshold(state: State, limits: dict[str, float], total: int) -> Callable[[int], bool]:
    """Whether so many failures fail the Map; without a threshold one does."""
    is_counted = any(field in state for field in ("ToleratedFailureCount", "ToleratedFailureCountPath"))
    is_shared = any(field in state for field in ("ToleratedFailurePercentage", "ToleratedFailurePercentagePath"))

    def is_exceeded(failed: int) -> bool:
        if not is_counted and not is_shared:
            return failed > 0
        too_many = is_counted and failed > limits["toleratedFailureCount"]
        return too_many or (is_shared and failed * 100 > limits["toleratedFailurePercentage"] * total)

    return is_exceeded


def _child(
    state: State,
    raw: Json,
    item: Json,
    index: int,
    run: MapRun,
    children: list[Execution | None],
    is_failed: Callable[[int], bool],
    context: Context,
) -> Work:
    # That module imports the interpreter, which imports this one: executions nest.
    from lakehouse.local.step_functions.executions import run_child

    def work() -> Json:
        inner = {**context, "State": dict(context["State"]), "Map": {"Item": {"Index": index, "Value": item}}}
        child = run.start_child(language_of(state, context).item_input(state, raw, item, inner))
        children[index] = child
        run_child(child, state.get("ItemProcessor") or state["Iterator"], context)
        run.end_child(child)
        if is_failed(run.failed):
            raise StateError(_EXCEEDED, "The specified tolerated failure threshold was exceeded")
        return None

    return work


def replace(_original: Callable[..., Any]) -> Callable[..., Any]:
    """Have the emulator's own states run distributed Maps here too.

    Args:
        _original: The emulator's distributed Map.

    Returns:
        The replacement.
    """

    def replacement(
        state_def: State, raw_input: Json, effective: Json, iterator: State, execution: Execution, ctx: Context
    ) -> Step:
        _ = effective, iterator  # both are computed here
        return run_distributed_map(state_def, raw_input, execution, ctx)

    return replacement
