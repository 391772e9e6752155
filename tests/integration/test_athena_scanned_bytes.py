"""DataScannedInBytes: which files a statement leaves out, and how often those that it reads count."""

from __future__ import annotations

import pytest

HALF = 5000


@pytest.fixture
def create(sql, table):
    """Makes an Iceberg table of a query, of one data file; returns its name."""

    def made(query, suffix=""):
        name = f"{table}{suffix}"
        sql.run(
            f"CREATE TABLE {name} WITH (table_type = 'ICEBERG', is_external = false, "
            f"location = '{sql.location(name)}') AS {query}"
        )
        return name

    return made


@pytest.fixture
def halves(sql, create):
    """An Iceberg table of two data files: numbers below 5,000, and from there on."""
    query = "SELECT x AS id, x / 1e0 AS f, cast(x AS real) AS r, cast(x AS decimal(10,2)) AS d, x % 7 AS v"
    name = create(f"{query} FROM UNNEST(sequence(0, {HALF - 1})) t(x)")
    sql.run(f"INSERT INTO {name} {query} FROM UNNEST(sequence({HALF}, {2 * HALF - 1})) t(x)")
    return name


@pytest.fixture
def scanned(sql):
    """The bytes that a statement reads."""
    return lambda statement: sql.run(statement).statistics["DataScannedInBytes"]


# --- which files are read ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("f > 9990.5", 9),
        ("f >= 9999.0", 1),
        ("f < 10.5", 11),
        ("f BETWEEN 10.5 AND 20.5", 10),
        ("f = 17.0", 1),
        ("f IN (17.5, 18.0)", 1),
        ("r > 9990.5", 9),
        ("d > 9990.5", 9),
        ("d = 17.0", 1),
        ("id > 9990.5", 9),
        ("9990.5 < id", 9),
        ("id = 17.0", 1),
    ],
)
def test_a_comparison_with_a_double_leaves_files_out(sql, halves, scanned, condition, rows):
    whole = scanned(f"SELECT count(v) FROM {halves} WHERE id >= 0 AND f >= 0 AND r >= 0 AND d >= 0")
    answered = sql.run(f"SELECT count(v) FROM {halves} WHERE {condition} AND id >= 0 AND f >= 0 AND r >= 0 AND d >= 0")
    assert answered.rows == [(str(rows),)]
    assert whole / 3 < answered.statistics["DataScannedInBytes"] < whole * 2 / 3


def test_numbers_beside_what_is_none_are_found(sql, create):
    # Of two row groups, one has what is not a number.
    name = create(
        "SELECT x AS id, CASE WHEN x = 150000 THEN nan() WHEN x = 150001 THEN 1e6 ELSE x % 100 / 1e0 END AS f, "
        "CASE WHEN x = 150000 THEN cast(nan() AS real) WHEN x = 150001 THEN real '1e6' ELSE real '1' END AS r "
        "FROM UNNEST(sequence(0, 399)) a(y) CROSS JOIN UNNEST(sequence(y * 500, y * 500 + 499)) t(x)"
    )
    for one in ("f > 1000.5", "f = 1000000.0", "f > 99", "r > 1000.5", "r = 1000000.0"):
        assert sql.rows(f"SELECT id FROM {name} WHERE {one}") == [("150001",)]
    assert sql.rows(f"SELECT count(*) FROM {name} WHERE f < 0.5 OR f <> f") == [("2000",)]
    assert sql.rows(f"SELECT count(*) FROM {name} WHERE f < -0.5") == [("0",)]


def test_rows_that_an_outer_join_misses_are_missed(sql, halves):
    """Files without nulls say nothing of the nulls that a join puts in the place of rows."""
    keys = "(VALUES 1, 20000) k(id)"
    assert sql.rows(f"SELECT k.id FROM {keys} LEFT JOIN {halves} t ON t.id = k.id WHERE t.f IS NULL") == [("20000",)]
    assert sql.rows(f"SELECT k.id FROM {halves} t RIGHT JOIN {keys} ON t.id = k.id WHERE t.f IS NULL") == [("20000",)]
    assert sql.rows(
        f"SELECT a.id FROM {keys} LEFT JOIN {halves} t ON t.id = k.id JOIN (VALUES 7) a(id) ON t.f IS NULL"
    ) == [("7",)]
    assert sql.rows(f"SELECT count(*) FROM {halves} t WHERE t.f IS NULL") == [("0",)]


def test_what_a_join_asks_for_leaves_files_out(sql, halves, scanned):
    keys = f"(VALUES 1, {HALF + 1}) k(id)"
    both = scanned(f"SELECT count(*) FROM {halves}  WHERE id >= 0")

    def joined(join):
        answered = sql.run(f"SELECT count(*), count(k.id), count(t.id) FROM {join}")
        return answered.rows[0], answered.statistics["DataScannedInBytes"]

    rows, size = joined(f"{halves} t JOIN {keys} ON t.id = k.id AND t.id < {HALF}")
    assert (rows, size < both * 2 / 3) == (("1", "1", "1"), True)
    rows, size = joined(f"{keys} LEFT JOIN {halves} t ON t.id = k.id AND t.id < {HALF}")
    assert (rows, size < both * 2 / 3) == (("2", "2", "1"), True)
    rows, size = joined(f"{halves} t RIGHT JOIN {keys} ON t.id = k.id AND t.id < {HALF}")
    assert (rows, size < both * 2 / 3) == (("2", "2", "1"), True)
    # Rows of a side that all stay are read, whatever ON says.
    assert joined(f"{halves} t LEFT JOIN {keys} ON t.id = k.id AND t.id < {HALF}") == (("10000", "1", "10000"), both)
    assert joined(f"{halves} t FULL JOIN {keys} ON t.id = k.id AND t.id < {HALF}") == (("10001", "2", "10000"), both)


def test_partitions_of_hive_tables_are_compared_as_numbers(sql, table):
    sql.run(
        f"CREATE TABLE {table} WITH (format = 'PARQUET', partitioned_by = ARRAY['p'], "
        f"external_location = '{sql.location(table)}') AS SELECT * FROM (VALUES (1, nan()), (2, 0.5), (3, 1.5)) t(x, p)"
    )
    assert sql.rows(f"SELECT x FROM {table} WHERE p > 1.25") == [("3",)]
    assert sql.rows(f"SELECT x FROM {table} WHERE p <= 1.25") == [("2",)]
    assert sql.rows(f"SELECT x FROM {table} WHERE p <> p") == [("1",)]


# --- how often they count ---------------------------------------------------------------------------------------------


def test_a_merge_reads_each_file_of_its_target_once(halves, scanned):
    whole, keys, low = (
        scanned(f"SELECT count({columns}) FROM {halves} WHERE {condition}")
        for columns, condition in (("id + f + r + d + v", "true"), ("id", "true"), ("id", f"id < {HALF}"))
    )
    merge = f"MERGE INTO {halves} t USING (SELECT * FROM (VALUES (1, 1e0), (2, 2e0), (20000, 3e0)) v(id, f)) s ON"
    # Two clauses and the count of their rows are three queries of the target.
    insert = (
        "WHEN NOT MATCHED AND s.f > 2.5 AND s.id < 0 THEN INSERT (id) VALUES (s.id) "
        "WHEN NOT MATCHED AND s.id < 0 THEN INSERT (f) VALUES (s.f)"
    )
    assert scanned(f"{merge} t.id = s.id + 0 {insert}") == keys
    # A range that is written has files left out.
    assert scanned(f"{merge} t.id = s.id + 0 AND t.id < {HALF} {insert}") == low
    assert scanned(f"{merge} t.id = s.id + 0 AND t.id < {HALF} WHEN MATCHED THEN DELETE") == low
    changed = scanned(f"{merge} t.id = s.id + 3 WHEN MATCHED THEN UPDATE SET v = 0 {insert}")
    assert whole / 2 < changed < whole * 3 / 4


def test_a_table_that_is_merged_into_itself_counts_twice(sql, halves, scanned):
    keys = scanned(f"SELECT count(*) FROM {halves} WHERE id >= 0")
    source = f"(SELECT id + 100000 AS id FROM {halves}) s"
    insert = "WHEN NOT MATCHED AND s.id < 0 THEN INSERT (id) VALUES (s.id)"
    assert scanned(f"MERGE INTO {halves} t USING {source} ON t.id + 0 = s.id {insert}") == 2 * keys


def test_changes_read_what_tells_the_rows_and_updates_the_rows_too(sql, halves, scanned):
    low = f"id < {HALF}"
    keys, all_of_low = (
        scanned(f"SELECT count({one}) FROM {halves} WHERE {low}") for one in ("id", "id + f + r + d + v")
    )
    assert 0 < keys < all_of_low / 2
    assert scanned(f"DELETE FROM {halves} WHERE id = 3") == keys
    updated = scanned(f"UPDATE {halves} SET v = 0 WHERE id = 4")
    assert abs(updated - all_of_low) < all_of_low / 10
    # What a subquery reads counts besides, once.
    values = scanned(f"SELECT sum(v) FROM {halves}")
    size = scanned(f"DELETE FROM {halves} WHERE id = 5 AND v < (SELECT sum(v) FROM {halves})")
    assert size < keys + 2 * values < 2 * size
