"""The state machines as they lie in the tree: valid States Language, nothing unreachable, no failure unrecorded."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from statelint.config import Config
from statelint.linter import Linter
from statelint.problem import ProblemType

MODULES = Path(__file__).resolve().parents[2] / "terraform" / "modules"
TEMPLATES = {
    "lakehouse-pipeline": MODULES / "workflow" / "state_machine.json",
    "file-conversion": MODULES / "workflow" / "file_conversion.json",
    "table-maintenance": MODULES / "maintenance" / "table_maintenance.json",
}

# The state that records a failure, and the one that ends a failed execution.
RECORDERS = {"lakehouse-pipeline": "RecordPipelineFailure", "file-conversion": "RecordFailure"}
FAILURES = {"lakehouse-pipeline": "PipelineFailed", "file-conversion": "ConversionFailed"}

# Fields of a distributed Map, https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
UNKNOWN_TO_THE_LINTER = ('Field "Label" not allowed in', 'Field "InputType" not allowed in')

TRANSIENT = re.compile(
    r"Throttl|ThroughputExceeded|TooManyRequests|RequestLimitExceeded|LimitExceeded|ConcurrentRuns|AWSLambda|Server|Service|SdkClient|Timeout|Unknown|ExitError"
)


def load(machine):
    return json.loads(TEMPLATES[machine].read_text(encoding="utf-8"))


def scopes(definition, path=""):
    """The state machine and every state machine inside it (a Map's item processor): (path, definition)."""
    yield path or "/", definition
    for name, state in definition["States"].items():
        if "ItemProcessor" in state:
            yield from scopes(state["ItemProcessor"], f"{path}/{name}")


def states_of(machine, kind=None):
    """Every state on every level: (path, name, state)."""
    return [
        (path, name, state)
        for path, scope in scopes(load(machine))
        for name, state in scope["States"].items()
        if kind in (None, state["Type"])
    ]


def successors(state):
    """Names of the states that may follow."""
    choices = [choice["Next"] for choice in state.get("Choices", [])]
    catches = [catch["Next"] for catch in state.get("Catch", [])]
    return [name for name in (state.get("Next"), state.get("Default"), *choices, *catches) if name]


def ends_of(scope, start):
    """Every state in which a way from the start can end."""
    seen, waiting = set(), [start]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(successors(scope["States"][name]))
    return {name for name in seen if not successors(scope["States"][name])}, seen


TASKS = [(machine, path, name, state) for machine in TEMPLATES for path, name, state in states_of(machine, "Task")]
TASK_IDS = [f"{machine}:{name}" for machine, _, name, _ in TASKS]


@pytest.mark.parametrize("machine", TEMPLATES)
def test_the_linter_finds_nothing(machine):
    # Placeholders stand where ARNs will: they are no URIs yet.
    problems = Linter.validate(str(TEMPLATES[machine]), Config({ProblemType.URI}))

    assert [problem for problem in map(str, problems) if not problem.startswith(UNKNOWN_TO_THE_LINTER)] == []


@pytest.mark.parametrize("machine", TEMPLATES)
def test_every_state_can_be_reached(machine):
    for path, scope in scopes(load(machine)):
        _, reached = ends_of(scope, scope["StartAt"])
        assert set(scope["States"]) - reached == set(), f"unreachable in {path}"


@pytest.mark.parametrize("machine", TEMPLATES)
def test_the_machine_has_a_time_limit(machine):
    assert load(machine)["TimeoutSeconds"] > 0


@pytest.mark.parametrize(("machine", "path", "name", "task"), TASKS, ids=TASK_IDS)
def test_a_task_has_a_time_limit_below_the_machines(machine, path, name, task):
    assert 0 < task["TimeoutSeconds"] <= load(machine)["TimeoutSeconds"]


@pytest.mark.parametrize(("machine", "path", "name", "task"), TASKS, ids=TASK_IDS)
def test_a_task_is_retried_on_named_transient_errors_with_full_jitter(machine, path, name, task):
    assert task["Retry"], f"{name} is never retried"
    for retry in task["Retry"]:
        assert retry["JitterStrategy"] == "FULL"
        assert retry["BackoffRate"] > 1
        assert retry["MaxAttempts"] > 1
        assert retry["MaxDelaySeconds"] >= retry["IntervalSeconds"]
        permanent = [error for error in retry["ErrorEquals"] if not TRANSIENT.search(error)]
        assert permanent == [], f"{name} retries what will fail again"


@pytest.mark.parametrize(("machine", "path", "name", "task"), TASKS, ids=TASK_IDS)
def test_whatever_a_task_throws_is_caught(machine, path, name, task):
    assert task["Catch"][-1]["ErrorEquals"] == ["States.ALL"]


@pytest.mark.parametrize("machine", RECORDERS)
def test_an_error_of_the_machine_ends_recorded_and_failed(machine):
    definition = load(machine)
    recorder, failure = RECORDERS[machine], FAILURES[machine]
    for name, state in definition["States"].items():
        for catch in state.get("Catch", []):
            if catch["ErrorEquals"] != ["States.ALL"]:
                continue
            ends, _ = ends_of(definition, catch["Next"])
            assert ends == {failure}, f"an error in {name} can end in {ends}"
            if name != recorder:
                assert catch["Next"] == recorder, f"an error in {name} is not recorded"
    assert definition["States"][recorder]["Next"] == failure
    assert definition["States"][failure]["Type"] == "Fail"


def processor_of(name):
    return load("lakehouse-pipeline")["States"][name]["ItemProcessor"]


def test_an_error_inside_the_map_becomes_a_result_and_leaves_the_other_files_alone():
    processor = processor_of("ConvertFiles")

    ends, _ = ends_of(processor, processor["StartAt"])

    assert all(processor["States"][name]["Type"] == "Pass" for name in ends)
    for name in ends:
        result = processor["States"][name]["Parameters"]
        assert {"file_id.$", "key.$", "failed"} <= set(result), f"{name} is no result"
        assert "succeeded" in result or "succeeded.$" in result, f"{name} is no result"
        is_failed = result.get("status") == "FAILED"
        assert bool(result["failed"]) == is_failed, f"{name} counts wrongly"


def test_every_result_that_is_counted_as_failed_names_its_file_and_reason():
    processor = processor_of("ConvertFiles")
    failed = [
        state["Parameters"]["failed"]
        for state in processor["States"].values()
        if state.get("Parameters", {}).get("failed")
    ]

    assert failed
    for records in failed:
        assert [set(record["M"]) for record in records] == [{"file_id", "key", "error_type", "reason"}]


def test_a_file_of_a_long_plan_is_converted_in_the_same_states():
    short, long = processor_of("ConvertFiles"), processor_of("ConvertListedFiles")
    # The names of states are unique in a state machine; in their order, these are the same.
    names = dict(zip(long["States"], short["States"], strict=True))

    def renamed(value):
        if isinstance(value, dict):
            return {key: names[item] if key in ("Next", "Default") else renamed(item) for key, item in value.items()}
        return [renamed(item) for item in value] if isinstance(value, list) else value

    same = {names[name]: renamed(state) for name, state in long["States"].items()}
    assert names[long["StartAt"]] == short["StartAt"]
    assert same.pop("FileFailed") == {
        "Type": "Fail",
        "Comment": "The Map Run counts it",
        "ErrorPath": "$.failed.error_type",
        "CausePath": "$.failed.reason",
    }
    assert same == {name: state for name, state in short["States"].items() if name != "FileFailed"}


def test_a_failed_file_of_a_long_plan_fails_its_child_and_nothing_else():
    listed = load("lakehouse-pipeline")["States"]["ConvertListedFiles"]

    assert listed["ToleratedFailurePercentage"] == 100
    assert listed["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    assert "ResultWriter" in listed, "as many results as there are files do not fit into a state"


def test_whoever_waits_for_a_conversion_looks_at_the_execution_before_the_record():
    for name in ("ConvertFiles", "ConvertListedFiles"):
        states = processor_of(name)["States"]
        (wait,) = [each for each, state in states.items() if state["Type"] == "Wait"]
        describe = states[wait]["Next"]
        (choice,) = {states[describe]["Next"]}
        assert states[describe]["Resource"].endswith("sfn:describeExecution")
        ended = states[states[choice]["Default"]]
        assert ended["Resource"].endswith("dynamodb:getItem")
        # As long as a conversion may take.
        limit = states[choice]["Choices"][0]["And"][1]
        assert limit["NumericLessThan"] > load("file-conversion")["TimeoutSeconds"]


def test_the_history_has_room_for_every_file_of_a_short_plan_to_be_waited_for():
    definition = load("lakehouse-pipeline")
    files = definition["States"]["PlanFiles"]["Parameters"]["Payload"]["limit"]
    places = definition["States"]["ConvertFiles"]["MaxConcurrency"]
    follow = processor_of("ConvertFiles")["States"]["FollowConversion"]["Output"]
    longest, growth = map(float, re.findall(r"\$min\(\[(\d+), \$ceil\((\d\.\d) \*", follow)[0])
    shorter, wait = 0, 2
    while wait < longest:
        shorter, wait = shorter + 1, math.ceil(growth * wait)
    # The short waits of each file, and then long ones in each of the places until the machine's time ends.
    loops = shorter * files + places * definition["TimeoutSeconds"] / longest
    # A Pass, a Wait and a Choice are two events, a Task is five; 34 begin and end an iteration and read the record.
    assert 11 * loops + 34 * files < 25_000


def test_a_run_goes_on_planning_until_everything_is_planned():
    states = load("lakehouse-pipeline")["States"]
    again = states["IsEverythingPlanned"]

    assert states["CountResults"]["Next"] == states["CountListedResults"]["Next"] == "IsEverythingPlanned"
    assert again["Choices"][0]["Next"] == "PlanFiles"
    assert states["PlanFiles"]["Parameters"]["Payload"]["start_after.$"] == "$.plan.start_after"
    assert states["PlanFiles"]["TimeoutSeconds"] > 900, "Lambda's longest"


@pytest.mark.parametrize("machine", TEMPLATES)
def test_every_failure_state_says_why(machine):
    failures = [state for path, _, state in states_of(machine, "Fail") if path == "/"]

    assert [state["ErrorPath"] for state in failures] == ["$.failure.Error"]
    assert [state["CausePath"] for state in failures] == ["$.failure.Cause"]


def test_a_taken_execution_name_is_not_retried_but_looked_up():
    processor = load("lakehouse-pipeline")["States"]["ConvertFiles"]["ItemProcessor"]
    convert = processor["States"]["ConvertFile"]

    assert not any("ExecutionAlreadyExists" in error for retry in convert["Retry"] for error in retry["ErrorEquals"])
    assert convert["Parameters"]["Name.$"] == "States.Format('{}-{}', $.file.file_id, $.file.attempt)"
    assert convert["Catch"][0]["Next"] == "ReadFileRecord"


def test_a_run_that_is_refused_leaves_the_record_of_the_other_alone():
    definition = load("lakehouse-pipeline")
    refusal = definition["States"]["RecordPipelineStart"]["Catch"][0]

    ends, seen = ends_of(definition, refusal["Next"])

    assert refusal["ErrorEquals"] == ["DynamoDB.ConditionalCheckFailedException"]
    assert ends == {"PipelineFailed"}
    assert "RecordPipelineFailure" not in seen


@pytest.mark.parametrize("machine", TEMPLATES)
def test_placeholders_are_names_and_arns_only_so_that_the_template_is_json(machine):
    text = TEMPLATES[machine].read_text(encoding="utf-8")
    placeholders = set(re.findall(r"\$\{([^}]*)\}", text))
    given = (TEMPLATES[machine].parent / "main.tf").read_text(encoding="utf-8")

    assert placeholders
    assert [name for name in placeholders if not re.fullmatch(r"[a-z_]+_(arn|name|table)|\w+_runs_table", name)] == []
    assert [name for name in placeholders if not re.search(rf"\b{name}\s+=", given)] == []
