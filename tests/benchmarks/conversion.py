"""parquet → NDJSON against its peers, in one run: ``make bench``.

Every contestant has a process of its own, is warmed (once; three times on Spark) and timed in the next run. The best of
three rounds counts, and a round goes through all contestants, so that a slow minute of the machine is nobody's alone.
The input comes from the sample generator, so that everybody measures the same file; real files are repeated to its
length.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from contestants import BOUNDS, BUCKET, OVER_A_LINK, PEER, TO_DISK, TO_THE_ENDPOINT, create_bucket
from processes import measured, processor_seconds

ROWS = 1_300_000
MORE_ROWS = 5_000_000
# The JVM compiles what it finds hot; how far it got after one run is luck.
WARM_UPS_ON_SPARK = 3
ROUNDS = int(os.environ.get("ROUNDS", "3"))
REAL_FILES = Path(__file__).resolve().parents[3] / "shared" / "data" / "taxi"


def main(arguments: list[str]) -> None:
    """Measure everything, or one contestant: ``--one NAME FILE FOLDER``."""
    if arguments[:1] == ["--one"]:
        print(json.dumps(one(arguments[1], Path(arguments[2]), Path(arguments[3]))))
        return
    from lakehouse.local.endpoint import Endpoint

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        endpoint = Endpoint(folder / "endpoint", port=0)
        endpoint.start()
        try:
            os.environ.update(endpoint.environment())
            everything(folder)
        finally:
            endpoint.stop()


def everything(folder: Path) -> None:
    """All tables, on standard output."""
    create_bucket(BUCKET)
    generated = sample(folder, ROWS)
    table(f"{ROWS:,} generated rows x 19 columns", best(TO_DISK, generated, folder), PEER, "Polars")
    bounds = best(BOUNDS, generated, folder)
    table("What this machine does with the same bytes of JSON", bounds, next(iter(bounds)), "copying")
    overlap("Conversion and upload to the local endpoint", best(TO_THE_ENDPOINT, generated, folder))
    overlap("The same over a link of 1 Gbit/s", best(OVER_A_LINK, generated, folder))
    for real in real_files(folder):
        names = list(TO_DISK)[:2]
        found = best({name: TO_DISK[name] for name in names}, real, folder)
        table(f"{real.name}, repeated to {found[PEER]['rows']:,.0f} rows", found, PEER, "Polars")
    ours = list(TO_DISK)[1]
    sizes = {f"{rows:,} rows": best([ours], sample(folder, rows), folder, rounds=1)[ours] for rows in (ROWS, MORE_ROWS)}
    table("Memory as files grow: lakehouse convert, rules", sizes, next(iter(sizes)), "the smaller")


def overlap(title: str, found: dict[str, dict[str, Any]]) -> None:
    """Print what conversion and upload take together, beside the slower of the two alone."""
    slower = max(list(found)[:2], key=lambda contestant: found[contestant]["seconds"])
    table(title, found, slower, "the slower alone")


def sample(folder: Path, rows: int) -> Path:
    """A generated file of yellow taxi trips, of which 2 % break rules."""
    from lakehouse.sample import generate

    path = folder / f"yellow_tripdata_{rows}.parquet"
    return path if path.exists() else generate(path, rows=rows, dirty_share=0.02, seed=1).path


def real_files(folder: Path) -> Iterable[Path]:
    """The real yellow file, repeated to the generated one's length; none where shared/data is absent."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for real in sorted(REAL_FILES.glob("yellow_*.parquet")):
        once = pq.read_table(real)
        path = folder / real.name
        pq.write_table(pa.concat_tables([once] * (ROWS // len(once))), path, row_group_size=100_000)
        yield path


def best(contestants: Iterable[str], source: Path, folder: Path, rounds: int = ROUNDS) -> dict[str, dict[str, Any]]:
    """The fastest of some rounds of each contestant, and the most memory of all its rounds."""
    found: dict[str, dict[str, Any]] = {}
    for _ in range(rounds):
        for name in contestants:
            this = measured([sys.executable, __file__, "--one", name, str(source), str(folder)])
            peaks = [one["peak_bytes"] for one in (this, found.get(name, this))]
            if name not in found or this["seconds"] < found[name]["seconds"]:
                found[name] = this
            found[name]["peak_bytes"] = None if None in peaks else max(peaks)
    return found


def one(name: str, source: Path, folder: Path) -> dict[str, float]:
    """Run one contestant here."""
    import pyarrow.parquet as pq

    run = {**TO_DISK, **BOUNDS, **TO_THE_ENDPOINT, **OVER_A_LINK}[name](source, folder)
    for _ in range(WARM_UPS_ON_SPARK if "Spark" in name else 1):
        run()
    for output in folder.glob("out*"):
        output.unlink()  # giving back an older output's memory is nobody's conversion
    start, taken = time.perf_counter(), processor_seconds(os.getpid())
    size = run()
    seconds, taken = time.perf_counter() - start, processor_seconds(os.getpid()) - taken
    return {"seconds": seconds, "processor": taken, "rows": pq.read_metadata(source).num_rows, "bytes": size}


def table(title: str, found: dict[str, dict[str, Any]], peer: str, peer_name: str) -> None:
    """Print a table in Markdown."""
    print(f"\n{title}\n")
    print(f"| | s | rows/s | MB/s of JSON | processor s | peak MB | time ÷ {peer_name} |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, this in found.items():
        seconds = this["seconds"]
        peak = f"{this['peak_bytes'] / 1e6:,.0f}" if this["peak_bytes"] else "-"
        print(
            f"| {name} | {seconds:.2f} | {this['rows'] / seconds:,.0f} | {this['bytes'] / seconds / 1e6:,.0f} "
            f"| {this['processor']:.2f} | {peak} | {seconds / found[peer]['seconds']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
