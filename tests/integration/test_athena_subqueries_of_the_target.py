"""Statements that change a table and ask the same table in a subquery: there all of its files count."""

from __future__ import annotations

import pytest

BY_THREE = "MERGE INTO {table} t USING (VALUES 3) s(id) ON t.id = s.id WHEN MATCHED "
BY_NEXT = "MERGE INTO {table} t USING (SELECT max(id) + 1 AS id FROM {table}) s ON t.id = s.id "


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("DELETE FROM {table} WHERE id < (SELECT max(id) FROM {table})", [5]),
        ("DELETE FROM {table} WHERE id IN (SELECT id - 2 FROM {table})", [5]),
        ("UPDATE {table} SET id = id + (SELECT count(*) FROM {table}) WHERE id = 5", [1, 3, 8]),
        ("UPDATE {table} SET id = 0 WHERE NOT EXISTS (SELECT 1 FROM {table} o WHERE o.id > {table}.id)", [0, 1, 3]),
        (BY_THREE + "AND t.id = (SELECT max(id) FROM {table}) THEN DELETE", [1, 3, 5]),
        (BY_THREE + "THEN UPDATE SET id = (SELECT sum(id) FROM {table})", [1, 5, 9]),
        (BY_NEXT + "WHEN NOT MATCHED THEN INSERT VALUES (s.id)", [1, 3, 5, 6]),
    ],
)
def test_a_subquery_of_the_changed_table_sees_all_of_it(sql, table, text, left) -> None:
    sql.run(
        f"CREATE TABLE {table} WITH (table_type = 'ICEBERG', is_external = false, location = '{sql.location(table)}') "
        "AS SELECT bigint '1' AS id"
    )
    for number in (3, 5):
        sql.run(f"INSERT INTO {table} VALUES {number}")

    sql.run(text.format(table=table))
    assert [int(number) for (number,) in sql.rows(f"SELECT id FROM {table} ORDER BY id")] == left
