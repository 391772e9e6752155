"""MERGE through the engine equals a plain model of it, whatever rows and clauses there are."""

from __future__ import annotations

import itertools
from datetime import datetime
from pathlib import Path

import pytest
from effort import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.local.athena.duck import Duck
from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.statement import Session
from lakehouse.local.athena.statements.context import Context
from lakehouse.local.athena.statements.dispatch import execute
from lakehouse.local.athena.tables import file_io
from lakehouse.local.athena.tables.catalog import Catalog
from lakehouse.local.athena.tables.objects import Objects
from lakehouse.local.athena.tables.usage import Usage

BUCKET, DATABASE = "merges", "merges"
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def run(endpoint, aws, tmp_path_factory):
    """Executes statements in this process; returns the rows of queries, and how many rows others changed."""
    s3, glue = aws("s3"), aws("glue")
    s3.create_bucket(Bucket=BUCKET)
    glue.create_database(DatabaseInput={"Name": DATABASE})
    folder = tmp_path_factory.mktemp("engine")

    def path_of(bucket, key):
        return Path(endpoint.home) / "s3" / "000000000000" / bucket / key

    objects, duck = Objects(s3, path_of, {}, folder), Duck()

    def execute_one(text):
        file_io.use(objects)
        context = Context(
            session=Session("awsdatacatalog", DATABASE, datetime(2024, 1, 1)),  # noqa: DTZ001
            catalog=Catalog(glue, objects), objects=objects, duck=duck, usage=Usage(), folder=folder,
            output_location=f"s3://{BUCKET}/results/", workgroup="primary", athena=None,
        )  # fmt: skip
        try:
            if text.startswith("SELECT"):
                return context.run(context.compiled(text).sql)
            return execute(context, text).update_count
        finally:
            duck.clear()

    return execute_one


KEYS = st.one_of(st.none(), st.integers(0, 5))
VALUES = st.one_of(st.none(), st.integers(-3, 3))
ROWS = st.lists(st.tuples(KEYS, VALUES), max_size=6)
# A condition of SQL, and of the model: of the target's value and the source's; None is unknown.
CONDITIONS = {
    "": lambda t, s: True,
    "s.v > 0": lambda t, s: s is not None and s > 0,
    "s.v IS NULL": lambda t, s: s is None,
    "NOT (s.v > 0)": lambda t, s: s is not None and not s > 0,
}
MATCHED = {
    **CONDITIONS,
    "t.v < s.v": lambda t, s: t is not None and s is not None and t < s,
    "t.v = s.v": lambda t, s: t is not None and t == s,
}
ACTIONS = {
    "DELETE": lambda k, t, s: None,
    "UPDATE SET v = s.v": lambda k, t, s: (k, s),
    "UPDATE SET v = coalesce(t.v, 0) + 100, k = s.k": lambda k, t, s: (k, (t or 0) + 100),
}
INSERTS = {
    "INSERT (k, v) VALUES (s.k, s.v)": lambda k, s: (k, s),
    "INSERT VALUES (s.k, 7)": lambda k, s: (k, 7),
    "INSERT (v) VALUES (s.v)": lambda k, s: (None, s),
}
CLAUSES = st.tuples(
    st.lists(st.tuples(st.sampled_from(sorted(MATCHED)), st.sampled_from(sorted(ACTIONS))), max_size=3),
    st.lists(st.tuples(st.sampled_from(sorted(CONDITIONS)), st.sampled_from(sorted(INSERTS))), max_size=2),
).filter(any)


def expected(target, source, matched, unmatched):
    """The rows afterwards, and how many were changed; None where a row of the target is changed twice."""
    rows, changed = [], 0
    for key, value in target:
        applied = []
        for other, given_value in source:
            if key is not None and key == other:
                applied += [
                    ACTIONS[action](key, value, given_value)
                    for condition, action in matched
                    if MATCHED[condition](value, given_value)
                ][:1]
        if len(applied) > 1:
            return None
        changed += len(applied)
        rows += [row for row in (applied or [(key, value)]) if row is not None]
    for other, given_value in source:
        if other is None or all(key != other for key, _ in target):
            made = [
                INSERTS[insert](other, given_value)
                for condition, insert in unmatched
                if CONDITIONS[condition](None, given_value)
            ]
            rows += made[:1]
            changed += len(made[:1])
    return rows, changed


def values(rows):
    listed = ", ".join(f"({'NULL' if k is None else k}, {'NULL' if v is None else v})" for k, v in rows)
    return (
        f"SELECT cast(k AS integer) AS k, cast(v AS integer) AS v FROM (VALUES {listed or '(NULL, NULL)'}) x(k, v)"
        + ("" if rows else " WHERE false")
    )


def ordered(rows):
    return sorted(rows, key=str)


@settings(max_examples=examples(10), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(target=ROWS, more=ROWS, source=ROWS, clauses=CLAUSES, is_partitioned=st.booleans())
def test_merge_equals_its_model(run, target, more, source, clauses, is_partitioned):
    matched, unmatched = clauses
    name = f"m{next(NUMBERS)}"
    location = f"location = 's3://{BUCKET}/{name}'"
    by = ", partitioning = ARRAY['bucket(2, k)']" if is_partitioned else ""
    run(f"CREATE TABLE {name} WITH (table_type = 'ICEBERG', is_external = false, {location}{by}) AS {values(target)}")
    run(f"INSERT INTO {name} {values(more)}")
    texts = [f"WHEN MATCHED{f' AND {one}' if one else ''} THEN {action}" for one, action in matched]
    texts += [f"WHEN NOT MATCHED{f' AND {one}' if one else ''} THEN {insert}" for one, insert in unmatched]
    text = f"MERGE INTO {name} t USING ({values(source)}) s ON t.k = s.k {' '.join(texts)}"
    model = expected([*target, *more], source, matched, unmatched)
    if model is None:
        with pytest.raises(StatementFailedError, match="MERGE_TARGET_ROW_MULTIPLE_MATCHES"):
            run(text)
        model = ([*target, *more], None)
    else:
        assert run(text) == model[1]
    assert ordered(run(f"SELECT k, v FROM {name}")) == ordered(model[0])
