"""How a state reads its input and writes its output: JSONPath or JSONata.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-input-output-filtering.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ministack.services import stepfunctions
from ministack.services.stepfunctions import _ExecutionError as StateError

from lakehouse.local.step_functions import choices
from lakehouse.local.step_functions.json_path import Json
from lakehouse.local.step_functions.payload_template import place, resolve, select_for
from lakehouse.local.step_functions.references import Context

State = Mapping[str, Any]


class QueryLanguage(Protocol):
    """What the two languages of Step Functions have in common."""

    def arguments(self, state: State, raw: Json, context: Context) -> Json:
        """What a Task is called with, or the branches of a Parallel start with."""

    def output(self, state: State, raw: Json, result: Json, context: Context) -> Json:
        """A state's output from its input and result; variables are assigned as well."""

    def caught(self, catcher: State, raw: Json, error: Json, context: Context) -> Json:
        """The output of a Catch; variables are assigned as well."""

    def choose(self, state: State, raw: Json, context: Context) -> tuple[Json, str]:
        """The output and the next state of a Choice."""

    def field(self, state: State, name: str, raw: Json, context: Context) -> Json:
        """A field that may be computed (``Seconds``, ``TimeoutSeconds``, ``Error``); None where it is not given."""

    def items(self, state: State, raw: Json, context: Context) -> Json:
        """What a Map goes over."""

    def item_input(self, state: State, raw: Json, item: Json, context: Context) -> Json:
        """What one iteration of a Map starts with; the context holds the item."""


class JsonPathStates:
    """States whose fields are paths: InputPath, Parameters, ResultSelector, ResultPath, OutputPath."""

    def _effective(self, state: State, raw: Json, context: Context) -> Json:
        return select_for("InputPath", state.get("InputPath", "$"), raw, context)

    def arguments(self, state: State, raw: Json, context: Context) -> Json:
        """Apply InputPath and Parameters."""
        effective = self._effective(state, raw, context)
        return resolve(state["Parameters"], effective, context) if "Parameters" in state else effective

    def output(self, state: State, raw: Json, result: Json, context: Context) -> Json:
        """Apply ResultSelector, ResultPath and OutputPath, then Assign."""
        selected = resolve(state["ResultSelector"], result, context) if "ResultSelector" in state else result
        placed = place(state.get("ResultPath", "$"), raw, selected)
        output = select_for("OutputPath", state.get("OutputPath", "$"), placed, context)
        self._assign(state, result, context)
        return output

    def caught(self, catcher: State, raw: Json, error: Json, context: Context) -> Json:
        """Apply the catcher's ResultPath and Assign."""
        output = place(catcher.get("ResultPath", "$"), raw, error)
        self._assign(catcher, error, context)
        return output

    def choose(self, state: State, raw: Json, context: Context) -> tuple[Json, str]:
        """Take the first rule that holds, else the Default."""
        effective = self._effective(state, raw, context)
        rule = next((each for each in state.get("Choices", []) if choices.is_true(each, effective, context)), None)
        target = rule["Next"] if rule else state.get("Default")
        if target is None:
            raise StateError("States.NoChoiceMatched", "No choice rule holds and the state has no Default")
        output = select_for("OutputPath", state.get("OutputPath", "$"), effective, context)
        self._assign(rule or state, effective, context)
        return output, str(target)

    def field(self, state: State, name: str, raw: Json, context: Context) -> Json:
        """Take the field itself, or what its ``…Path`` twin selects."""
        if f"{name}Path" in state:
            return select_for(f"{name}Path", state[f"{name}Path"], self._effective(state, raw, context), context)
        return state.get(name)

    def items(self, state: State, raw: Json, context: Context) -> Json:
        """Apply InputPath and ItemsPath."""
        return select_for("ItemsPath", state.get("ItemsPath", "$"), self._effective(state, raw, context), context)

    def item_input(self, state: State, raw: Json, item: Json, context: Context) -> Json:
        """Apply ItemSelector (once called Parameters) to the Map's effective input."""
        template = state.get("ItemSelector", state.get("Parameters"))
        return item if template is None else resolve(template, self._effective(state, raw, context), context)

    def _assign(self, holder: State, data: Json, context: Context) -> None:
        if "Assign" in holder:
            # All values see the variables as they were before the state.
            context["variables"].update(resolve(holder["Assign"], data, context))


class JsonataStates:
    """States whose fields are JSONata expressions; the emulator's evaluator computes them."""

    def arguments(self, state: State, raw: Json, context: Context) -> Json:
        """Evaluate Arguments."""
        return stepfunctions._apply_jsonata_arguments(state, raw, context)

    def output(self, state: State, raw: Json, result: Json, context: Context) -> Json:
        """Evaluate Output and Assign."""
        output = stepfunctions._apply_jsonata_output(state, raw, context, result=result, default=result)
        stepfunctions._apply_state_assign(state, raw, context, result=result)
        return output

    def caught(self, catcher: State, raw: Json, error: Json, context: Context) -> Json:
        """Evaluate the catcher's Output and Assign."""
        output = stepfunctions._apply_jsonata_output(catcher, raw, context, error_output=error, default=error)
        stepfunctions._apply_state_assign(catcher, raw, context, error_output=error)
        return output

    def choose(self, state: State, raw: Json, context: Context) -> tuple[Json, str]:
        """Take the first rule whose Condition holds, else the Default."""
        for rule in state.get("Choices", []):
            condition = stepfunctions._jsonata_state_field(rule, "Condition", "boolean", raw, context)
            if condition:
                return self._chosen(rule, raw, context), str(rule["Next"])
        if "Default" not in state:
            raise StateError("States.NoChoiceMatched", "No choice rule holds and the state has no Default")
        return self._chosen(state, raw, context), str(state["Default"])

    def _chosen(self, holder: State, raw: Json, context: Context) -> Json:
        output = stepfunctions._apply_jsonata_output(holder, raw, context, default=raw)
        stepfunctions._apply_state_assign(holder, raw, context)
        return output

    def field(self, state: State, name: str, raw: Json, context: Context) -> Json:
        """Evaluate the field where it is an expression."""
        return stepfunctions._apply_jsonata_template(state.get(name), raw, context)

    def items(self, state: State, raw: Json, context: Context) -> Json:
        """Evaluate Items; without them, the input is the items."""
        return stepfunctions._apply_jsonata_template(state["Items"], raw, context) if "Items" in state else raw

    def item_input(self, state: State, raw: Json, item: Json, context: Context) -> Json:
        """Evaluate ItemSelector."""
        if "ItemSelector" not in state:
            return item
        return stepfunctions._apply_jsonata_template(state["ItemSelector"], raw, context)


_JSON_PATH = JsonPathStates()
_JSONATA = JsonataStates()


def language_of(state: State, context: Context) -> QueryLanguage:
    """The language of a state: its own, else the state machine's.

    Args:
        state: The state's definition.
        context: The execution's context.

    Returns:
        The language.
    """
    name = state.get("QueryLanguage") or context.get("QueryLanguage", "JSONPath")
    return _JSONATA if name == "JSONata" else _JSON_PATH
