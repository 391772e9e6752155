"""parquet → NDJSON against its peers, each in a process of its own, in the same run: `make bench`.

Prints seconds, rows and bytes a second, peak memory, and the ratio to Polars' own NDJSON sink, which knows no rules.
The input is made by the sample generator, so that everybody measures the same file; give another as the argument.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROWS = 1_300_000
REPEATS = 3


def lakehouse_with_rules(source: Path, target: Path) -> None:
    from lakehouse.contracts.catalog import ContractCatalog

    _lakehouse(source, target, ContractCatalog.packaged().find("yellow_tripdata"))


def lakehouse_without_rules(source: Path, target: Path) -> None:
    _lakehouse(source, target, None)


def _lakehouse(source: Path, target: Path, contract: object) -> None:
    from lakehouse.convert.in_process import convert_stream
    from lakehouse.convert.kernel import Kernel
    from lakehouse.convert.object_writer import LocalFileWriter
    from lakehouse.convert.source import LocalSource, inspect

    file = LocalSource(source)
    facts = inspect(file)
    kernel = Kernel(facts.schema, contract)
    rejected = target.with_suffix(".rejected")
    with LocalFileWriter(target) as output, LocalFileWriter(rejected) as quarantine:
        convert_stream(file, facts, kernel, output, quarantine, lambda _: None)


def polars_sink_ndjson(source: Path, target: Path) -> None:
    import polars as pl

    pl.scan_parquet(source).sink_ndjson(target)


def pandas_to_json(source: Path, target: Path) -> None:
    import pandas as pd

    pd.read_parquet(source).to_json(target, orient="records", lines=True, date_format="iso")


CONTESTANTS: dict[str, Callable[[Path, Path], None]] = {
    "polars sink_ndjson (no rules)": polars_sink_ndjson,
    "lakehouse, its contract's rules": lakehouse_with_rules,
    "lakehouse, no contract": lakehouse_without_rules,
    "pandas to_json (no rules)": pandas_to_json,
}
PEER = "polars sink_ndjson (no rules)"


def measure(name: str, source: Path, target: Path) -> dict[str, float]:
    """Run one contestant here and tell what it took; the imports are not counted."""
    import pyarrow.parquet as pq

    CONTESTANTS[name](source, target)  # warm: imports, thread pools, the page cache
    start = time.perf_counter()
    CONTESTANTS[name](source, target)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_bytes = peak if sys.platform == "darwin" else peak * 1024
    rows = pq.ParquetFile(source).metadata.num_rows
    return {"seconds": seconds, "rows": rows, "bytes": target.stat().st_size, "peak_bytes": peak_bytes}


def main(arguments: list[str]) -> None:
    """Measure every contestant on one file."""
    if arguments[:1] == ["--one"]:
        print(json.dumps(measure(arguments[1], Path(arguments[2]), Path(arguments[3]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        source = Path(arguments[0]) if arguments else Path(folder) / "yellow_tripdata_2024-02.parquet"
        if not arguments:
            from lakehouse.sample import generate

            generate(source, rows=ROWS, dirty_share=0.02, seed=1)
        best: dict[str, dict[str, float]] = {}
        for _ in range(REPEATS):
            for name in CONTESTANTS:
                command = [sys.executable, __file__, "--one", name, str(source), str(Path(folder) / "out.json")]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found = json.loads(done.stdout)
                if name not in best or found["seconds"] < best[name]["seconds"]:
                    best[name] = found
    report(source.name, best)


def report(source: str, best: dict[str, dict[str, float]]) -> None:
    """Print the best run of each contestant, as a table."""
    rows = best[PEER]["rows"]
    print(f"{source}: {rows:,.0f} rows, best of {REPEATS}, each in its own warm process\n")
    print("| converter | s | rows/s | MB/s out | peak MB | time ÷ Polars |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, found in best.items():
        seconds = found["seconds"]
        ratio = seconds / best[PEER]["seconds"]
        print(
            f"| {name} | {seconds:.2f} | {rows / seconds:,.0f} | {found['bytes'] / seconds / 1e6:.0f} "
            f"| {found['peak_bytes'] / 1e6:.0f} | {ratio:.2f} |"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
