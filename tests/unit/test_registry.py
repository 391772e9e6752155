from __future__ import annotations

import importlib
import sys
import textwrap

import pytest

from lakehouse.errors import EmulatorMismatchError
from lakehouse.local import registry
from lakehouse.local.registry import Kind, describe_signature

EMULATOR = """
    LIMIT = 3
    TABLE = {"known": print}

    def start(data, timeout=5):
        return ["started", data]

    class Worker:
        def invoke(self, event):
            return event
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a Python module that can be imported for the length of a test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    written = []

    def write(name, source):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        importlib.invalidate_caches()
        written.append(name)
        return name

    yield write
    for name in written:
        sys.modules.pop(name, None)
        registry._declared.pop(name, None)


@pytest.fixture
def emulated(module):
    return module("emulated", EMULATOR)


def test_a_factory_gets_the_original_and_its_replacement_is_installed(module, emulated):
    module(
        "declaring",
        """
        from lakehouse.local.registry import executes

        @executes("glue", "StartJobRun", replaces="emulated:start", signature="(data, timeout=5)")
        def start(original):
            return lambda data, timeout=5: ["really", *original(data)]
        """,
    )
    (declared,) = registry.install(["declaring"])
    assert sys.modules["emulated"].start("x") == ["really", "started", "x"]
    assert (declared.kind, declared.service, declared.operation) == (Kind.EXECUTED, "glue", "StartJobRun")


def test_two_fixes_of_one_function_wrap_each_other_in_the_order_of_the_modules(module, emulated):
    source = """
        from lakehouse.local.registry import fixes

        @fixes("glue", "X", replaces="emulated:start", signature="(data, timeout=5)", symptom="s")
        def start(original):
            return lambda data: [{mark!r}, *original(data)]
        """
    module("first", source.format(mark="first"))
    module("second", source.format(mark="second"))
    registry.install(["first", "second"])
    assert sys.modules["emulated"].start("x") == ["second", "first", "started", "x"]


def test_methods_and_values_can_be_replaced(module, emulated):
    module(
        "declaring",
        """
        from lakehouse.local.registry import fixes

        @fixes("lambda", "Invoke", replaces="emulated:Worker.invoke", signature="(self, event)", symptom="s")
        def invoke(original):
            return lambda self, event: -original(self, event)

        @fixes("lambda", "Invoke", replaces="emulated:LIMIT", signature="int", symptom="s")
        def limit(original):
            return original * 10
        """,
    )
    registry.install(["declaring"])
    emulator = sys.modules["emulated"]
    assert (emulator.Worker().invoke(5), emulator.LIMIT) == (-5, 30)


def test_an_addition_becomes_an_entry_of_the_table(module, emulated):
    module(
        "declaring",
        """
        from lakehouse.local.registry import adds

        @adds("states", "glue:startJobRun.sync", to="emulated:TABLE", key="new")
        def start_job_run():
            return "run"
        """,
    )
    registry.install(["declaring"])
    assert sys.modules["emulated"].TABLE["new"]() == "run"


@pytest.mark.parametrize(
    ("declaration", "told"),
    [
        pytest.param(
            '@executes("glue", "A", replaces="emulated:gone", signature="()")',
            "emulated:gone: not found (executed glue A)",
            id="a missing function",
        ),
        pytest.param(
            '@executes("glue", "B", replaces="no_such_module:start", signature="()")',
            "no_such_module:start: not found (executed glue B)",
            id="a missing module",
        ),
        pytest.param(
            '@fixes("glue", "C", replaces="emulated:start", signature="(data)", symptom="s")',
            "emulated:start: found (data, timeout=5), expected (data) (fixed glue C)",
            id="other parameters",
        ),
        pytest.param(
            '@fixes("glue", "D", replaces="emulated:LIMIT", signature="str", symptom="s")',
            "emulated:LIMIT: found int, expected str (fixed glue D)",
            id="another type",
        ),
        pytest.param(
            '@adds("states", "E", to="emulated:TABLE", key="known")',
            "emulated:TABLE['known']: the emulator has this entry by now (executed states E)",
            id="an entry that the emulator has",
        ),
        pytest.param(
            '@adds("states", "F", to="emulated:LIMIT", key="new")',
            "emulated:LIMIT: found int, expected a mapping (executed states F)",
            id="no table",
        ),
    ],
)
def test_an_emulator_that_differs_is_refused_by_name(module, emulated, declaration, told):
    module(
        "declaring",
        f"""
        from lakehouse.local.registry import adds, executes, fixes

        {declaration}
        def replacement(original=None):
            return None
        """,
    )
    with pytest.raises(EmulatorMismatchError) as caught:
        registry.install(["declaring"])
    assert told in str(caught.value)
    assert "1 difference(s)" in str(caught.value)


def test_every_difference_is_named_and_nothing_is_replaced(module, emulated):
    module(
        "declaring",
        """
        from lakehouse.local.registry import executes

        @executes("glue", "Good", replaces="emulated:start", signature="(data, timeout=5)")
        def good(original):
            return None

        @executes("glue", "One", replaces="emulated:one", signature="()")
        def one(original):
            return None

        @executes("glue", "Two", replaces="emulated:two", signature="()")
        def two(original):
            return None
        """,
    )
    with pytest.raises(EmulatorMismatchError, match=r"2 difference\(s\)") as caught:
        registry.install(["declaring"])
    assert "emulated:one" in str(caught.value)
    assert "emulated:two" in str(caught.value)
    assert sys.modules["emulated"].start("x") == ["started", "x"]


def test_another_version_of_the_emulator_is_refused(monkeypatch):
    monkeypatch.setattr(registry, "EMULATOR_VERSION", "0.0.1")
    with pytest.raises(EmulatorMismatchError, match=r"version: found 1\.5\.33, expected 0\.0\.1"):
        registry.install([])


def test_a_refusal_is_declared_without_a_factory(module):
    module(
        "declaring",
        """
        from lakehouse.local.registry import refuses

        refuses("glue", "StartTrigger", instead="Start the job.")
        """,
    )
    (declared,) = registry.declarations(["declaring"])
    assert (declared.kind, declared.operation, declared.note) == (Kind.REFUSED, "StartTrigger", "Start the job.")


def test_a_signature_leaves_out_annotations():
    def annotated(bucket: str, *, size: int = 3, **rest: object) -> bool:
        return bool((bucket, size, rest))

    assert describe_signature(annotated) == "(bucket, *, size=3, **rest)"
