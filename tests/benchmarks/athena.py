"""The local Athena against plain DuckDB over the same files, in one run.

    python tests/benchmarks/athena.py [ROWS]

Both read one generated Parquet file. Athena's seconds are a client's: from sending the statement to having its result.
Every figure is the best of some rounds; a round goes through all contestants, so that a slow minute of the machine is
nobody's alone. Peak memory is that of the endpoint with its engine, seen in a round before, which is not timed, or of
DuckDB's process.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import boto3
from processes import measured, peak_memory, processor_seconds

from lakehouse.local.endpoint import Endpoint
from lakehouse.sample import generate

ROWS = 1_300_000
ROUNDS = int(os.environ.get("ROUNDS", "5"))
BUCKET = "benchmark"
MERGED_ROWS = 1000
MB = 1024**2
AGGREGATE = """
    SELECT "PULocationID", count(*) AS trips, sum(fare_amount) AS fares, avg(trip_distance) AS miles,
           max(total_amount) AS dearest
    FROM {table} WHERE passenger_count > 0 GROUP BY "PULocationID" ORDER BY "PULocationID"
"""
COPIED = "SELECT {columns} FROM {table} WHERE trip_distance > 0"
HIVE_TYPES = {"VARCHAR": "string", "INTEGER": "int", "TIMESTAMP WITH TIME ZONE": "timestamp"}
GOALS = {"aggregate": "3 x DuckDB", "CTAS": "2 x DuckDB", "MERGE": "1 s", "select 1": "30 ms"}


@dataclass(slots=True)
class Figure:
    """What a contestant took.

    Attributes:
        rows: Rows that it read or wrote.
        size: Their bytes.
        seconds: Of the best round.
        processor: Seconds of processors in the best round; other work on the machine changes them least.
        peak: The most memory, in bytes.
    """

    rows: int
    size: int
    seconds: float
    processor: float
    peak: int


def main(arguments: list[str]) -> None:
    """Measure everything, or DuckDB alone: ``--duckdb NAME FILE FOLDER``."""
    if arguments[:1] == ["--duckdb"]:
        print(json.dumps(plain(arguments[1], Path(arguments[2]), Path(arguments[3]))))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = generate(folder / "yellow_tripdata_bench.parquet", rows=int(arguments[0]) if arguments else ROWS).path
        endpoint = Endpoint(folder / "endpoint", port=0)
        endpoint.start()
        try:
            os.environ.update(endpoint.environment())
            Bench(endpoint, file, folder).run()
        finally:
            endpoint.stop()


def plain(name: str, file: Path, folder: Path) -> dict[str, Any]:
    """One round of plain DuckDB: seconds of the second of two runs in one process."""
    import duckdb

    connection = duckdb.connect()
    table = f"'{file}'"
    target = folder / "copied.parquet"
    sql, copied = AGGREGATE.format(table=table), COPIED.format(columns="*", table=table)
    if name == "copy":
        sql = f"COPY ({copied}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
    seconds, processor, rows = 0.0, 0.0, 0
    for _ in range(2):
        before, start = time.process_time(), time.perf_counter()
        found = connection.execute(sql).fetchall()
        seconds, processor = time.perf_counter() - start, time.process_time() - before
        rows = found[0][0] if name == "copy" else len(found)
    return {
        "seconds": seconds,
        "processor": processor,
        "rows": rows,
        "size": target.stat().st_size if name == "copy" else 0,
    }


class Bench:
    """The measurements."""

    def __init__(self, endpoint: Endpoint, file: Path, folder: Path) -> None:
        """Put the file where Athena reads it, as a Hive table and as an Iceberg table with a day a partition.

        Args:
            endpoint: Runs.
            file: The rows.
            folder: For what DuckDB writes.
        """
        import duckdb

        self._athena, self._s3 = boto3.client("athena"), boto3.client("s3")
        self._file, self._folder = file, folder
        self._server = json.loads((endpoint.home / "endpoint.json").read_text())["pid"]
        self._tables = 0
        self._s3.create_bucket(Bucket=BUCKET)
        self._s3.upload_file(str(file), BUCKET, "hive/trips.parquet")
        described = duckdb.sql(f"DESCRIBE SELECT * FROM '{file}'").fetchall()
        columns = ", ".join(f"`{name}` {HIVE_TYPES.get(kind, kind.lower())}" for name, kind, *_ in described)
        self.rows = int(duckdb.sql(f"SELECT count(*) FROM '{file}'").fetchall()[0][0])
        self.execute("CREATE DATABASE bench")
        self.execute(f"CREATE EXTERNAL TABLE trips_hive ({columns}) STORED AS PARQUET LOCATION 's3://{BUCKET}/hive/'")
        # Iceberg's timestamps have microseconds, Hive's milliseconds: Athena wants a cast.
        self._as_iceberg = ", ".join(
            f'CAST("{name}" AS timestamp(6)) AS "{name}"' if kind.startswith("TIMESTAMP") else f'"{name}"'
            for name, kind, *_ in described
        )
        self.execute(iceberg("trips_iceberg", COPIED.format(columns=self._as_iceberg, table="trips_hive")))

    def execute(self, sql: str) -> dict[str, Any]:
        """Run a statement to its end, and read its result's first page."""
        number = self._athena.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": "bench"},
            ResultConfiguration={"OutputLocation": f"s3://{BUCKET}/results/"},
        )["QueryExecutionId"]
        while True:
            execution: dict[str, Any] = self._athena.get_query_execution(QueryExecutionId=number)["QueryExecution"]
            if execution["Status"]["State"] not in {"QUEUED", "RUNNING"}:
                break
            time.sleep(0.01)
        if execution["Status"]["State"] != "SUCCEEDED":
            sys.exit(f"{sql}\n{execution['Status'].get('StateChangeReason')}")
        execution["Answer"] = self._athena.get_query_results(QueryExecutionId=number)
        return execution

    def measure(self, found: dict[str, Figure], name: str, sql: str, rows: int) -> None:
        """Add a round of a statement: the first one shows its memory, those after it its seconds."""
        if name not in found:
            with peak_memory(self._server) as peak:
                execution = self.execute(sql)
            size = execution["Statistics"]["DataScannedInBytes"]
            found[name] = Figure(rows, size, float("inf"), float("inf"), peak[0])
            return
        before, start = processor_seconds(self._server), time.perf_counter()
        self.execute(sql)
        best = found[name]
        best.seconds = min(best.seconds, time.perf_counter() - start)
        best.processor = min(best.processor, processor_seconds(self._server) - before)

    def run(self) -> None:
        """Measure, and print tables."""
        self.aggregate()
        self.create_as()
        self.merge()
        self.fixed()

    def against_duckdb(self, name: str, contestants: dict[str, Callable[[], tuple[str, int]]]) -> dict[str, Figure]:
        """The best rounds of statements, and of DuckDB; a contestant makes its statement and says how many rows."""
        found: dict[str, Figure] = {}
        for _ in range(ROUNDS + 1):
            for contestant, make in contestants.items():
                sql, rows = make()
                self.measure(found, contestant, sql, rows)
            this = measured([sys.executable, __file__, "--duckdb", name, str(self._file), str(self._folder)])
            size = this["size"] or self._file.stat().st_size
            best = found.setdefault("DuckDB", Figure(self.rows, size, this["seconds"], this["processor"], 0))
            best.seconds, best.processor = min(best.seconds, this["seconds"]), min(best.processor, this["processor"])
            best.peak = max(best.peak, this["peak_bytes"] or 0)
        return found

    def aggregate(self) -> None:
        """GROUP BY over all rows."""
        kinds = {
            f"Athena, {kind}": (lambda kind=kind: (AGGREGATE.format(table=f"trips_{kind.lower()}"), self.rows))
            for kind in ("Hive", "Iceberg")
        }
        table(f"aggregate of {self.rows:,} rows", "aggregate", self.against_duckdb("aggregate", kinds))

    def create_as(self) -> None:
        """CREATE TABLE AS, against COPY to a file."""

        def make(kind: str) -> tuple[str, int]:
            self._tables += 1
            name = f"made_{self._tables}"
            if kind == "Iceberg":
                return iceberg(name, COPIED.format(columns=self._as_iceberg, table="trips_hive")), self.rows
            query = COPIED.format(columns="*", table="trips_hive")
            location = f"external_location = 's3://{BUCKET}/{name}/'"
            properties = f"format = 'PARQUET', write_compression = 'ZSTD', {location}"
            return f"CREATE TABLE {name} WITH ({properties}) AS {query}", self.rows

        kinds = {f"Athena, {kind}": (lambda kind=kind: make(kind)) for kind in ("Hive", "Iceberg")}
        table(f"CTAS of {self.rows:,} rows", "CTAS", self.against_duckdb("copy", kinds))

    def merge(self) -> None:
        """MERGE of some rows of one day, half of them new, into all the days, and into twice as many."""
        found: dict[str, Figure] = {}
        for times in (1, 2):
            name = f"days_{times}"
            days = ", ".join(str(31 * index) for index in range(times))
            query = (
                "SELECT row_number() OVER () AS id, date_add('day', shift, moved) AS ts, fare_amount AS fare, "
                "trip_distance AS miles FROM (SELECT *, CAST(tpep_pickup_datetime AS timestamp(6)) AS moved "
                "FROM trips_hive WHERE tpep_pickup_datetime BETWEEN timestamp '2024-01-01 00:00:00' "
                f"AND timestamp '2024-01-31 23:59:59') CROSS JOIN UNNEST(ARRAY[{days}]) AS u (shift)"
            )
            self.execute(iceberg(name, query, partitioning="day(ts)"))
            answer = self.execute(f"SELECT min(id), count(*), count(DISTINCT date(ts)) FROM {name}")["Answer"]
            rows, partitions = (int(one["VarCharValue"]) for one in answer["ResultSet"]["Rows"][1]["Data"][1:])
            for how, condition in (
                ("by key", "t.id = s.id"),
                ("by key and day", "t.id = s.id AND t.ts >= timestamp '2024-01-15' AND t.ts < timestamp '2024-01-16'"),
            ):
                for each in range(ROUNDS + 1):
                    sql = (
                        f"MERGE INTO {name} AS t USING (SELECT CASE WHEN id % 2 = 0 THEN id ELSE -id - "
                        f"{each * 10_000_000} END AS id, ts, fare + 1 AS fare, miles FROM {name} "
                        "WHERE ts >= timestamp '2024-01-15' AND ts < timestamp '2024-01-16' AND id > 0 "
                        f"ORDER BY id LIMIT {MERGED_ROWS}) AS s ON {condition} "
                        "WHEN MATCHED THEN UPDATE SET fare = s.fare "
                        "WHEN NOT MATCHED THEN INSERT (id, ts, fare, miles) VALUES (s.id, s.ts, s.fare, s.miles)"
                    )
                    self.measure(found, f"{how}, {partitions} partitions", sql, rows)
        table(f"MERGE of {MERGED_ROWS:,} rows of one day", "MERGE", found)

    def fixed(self) -> None:
        """What a statement costs that does nothing."""
        taken = []
        for _ in range(40):
            start = time.perf_counter()
            self.execute("SELECT 1")
            taken.append(time.perf_counter() - start)
        cuts = statistics.quantiles(taken[5:], n=20)
        print(f"\n## select 1 (goal: {GOALS['select 1']})\n")
        print("| what | ms |\n| --- | ---: |")
        for what, value in (("best", min(taken)), ("median", cuts[9]), ("p95", cuts[18])):
            print(f"| {what} | {value * 1000:.1f} |")


def iceberg(name: str, query: str, partitioning: str = "") -> str:
    """CREATE TABLE AS of an Iceberg table."""
    properties = f"table_type = 'ICEBERG', is_external = false, location = 's3://{BUCKET}/{name}/'"
    if partitioning:
        properties += f", partitioning = ARRAY['{partitioning}']"
    return f"CREATE TABLE {name} WITH ({properties}) AS {query}"


def table(title: str, goal: str, found: dict[str, Figure]) -> None:
    """Print figures as Markdown."""
    base = found.get("DuckDB")
    print(f"\n## {title} (goal: {GOALS[goal]})\n")
    print("| what | rows | MB | s | \u00f7 DuckDB | processor s | \u00f7 DuckDB | peak MB |")
    print(f"| --- |{' ---: |' * 7}")
    for name, one in found.items():
        ratios = ["", ""]
        if base:
            ratios = [f"{one.seconds / base.seconds:.2f}", f"{one.processor / max(base.processor, 0.001):.2f}"]
        took = f"{one.seconds:.3f} | {ratios[0]} | {one.processor:.2f} | {ratios[1]}"
        print(f"| {name} | {one.rows:,} | {one.size / MB:.1f} | {took} | {one.peak / MB:.0f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
