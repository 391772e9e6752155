"""``lakehouse convert``: one parquet file to JSON, with no lakehouse around it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lakehouse.cli.laptop import output_option
from lakehouse.cli.presentation import Column, bytes_text, console, count_text, print_json, seconds_text, table
from lakehouse.contracts.model import Compression, Contract, Nulls, OutputOptions, output_options
from lakehouse.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lakehouse.convert.source import ParquetFacts, ParquetSource
    from lakehouse.convert.standalone import Conversion, Destination
    from lakehouse.settings import Workplace

_S3 = "s3://"


@click.command()
@click.argument("file")
@click.option("-o", "--out", help="Where the JSON goes: a file, s3://bucket/key, or a folder. Default: beside FILE.")
@click.option("--contract", help="Rules to hold: a dataset's name, or a contract's YAML file. Default: none.")
@click.option("--compression", type=click.Choice(get_args(Compression)), help="Default: the contract's, else none.")
@click.option("--nulls", type=click.Choice(get_args(Nulls)), help="Default: the contract's, else explicit.")
@click.option("--max-object-bytes", type=click.IntRange(min=1), help="Write several files of at most so much JSON.")
@click.option("--laptop", is_flag=True, help="s3:// addresses lie in the laptop's lakehouse, not on AWS.")
@output_option
@click.pass_obj
def convert(  # noqa: PLR0913 - an argument an option
    workplace: Workplace | None,
    file: str,
    out: str | None,
    contract: str | None,
    compression: Compression | None,
    nulls: Nulls | None,
    max_object_bytes: int | None,
    *,
    laptop: bool,
    output: str,
) -> None:
    """Convert one parquet FILE (or s3:// address) to newline-delimited JSON.

    Needs no lakehouse. Rows that break a rule go to a file of their own beside the output. Either all of the output
    appears, or nothing. Example: lakehouse convert trips.parquet -o trips.json --contract yellow_tripdata
    """
    from lakehouse.convert.isolated_reading import start_early

    start_early()  # it starts while the rest is imported
    from lakehouse.convert.standalone import convert_alone

    held = None if contract is None else _contract(contract)
    options = _options(output_options(held), compression, nulls, max_object_bytes)
    clients = _clients(workplace, laptop=laptop)
    source = _source(file, clients)
    destination, target = _destination(out, file, options, clients)
    with _progress(source.name, is_shown=output != "json") as note_progress:
        done = convert_alone(
            source,
            destination,
            target,
            _beside(target, ".quarantine.json"),
            contract=held,
            options=options,
            note_progress=note_progress,
        )
    if output == "json":
        print_json(_as_json(done))
    else:
        _print(done)


COMMANDS = (convert,)


# --- what the arguments mean --------------------------------------------------------------------------------------


def _contract(name: str) -> Contract:
    """The contract of a dataset, or of a file."""
    from lakehouse.contracts import odcs
    from lakehouse.contracts.catalog import ContractCatalog

    if name.endswith((".yaml", ".yml")):
        return odcs.load(Path(name))
    catalog = ContractCatalog.packaged()
    if (found := catalog.find(name)) is None:
        known = ", ".join(sorted(contract.dataset for contract in catalog))
        raise CommandError(f"There is no contract for {name!r}. Known: {known}; or give the path of a YAML file.")
    return found


def _options(
    promised: OutputOptions, compression: Compression | None, nulls: Nulls | None, max_object_bytes: int | None
) -> OutputOptions:
    """The contract's options, but for those that the command line names."""
    return OutputOptions(
        compression or promised.compression, max_object_bytes or promised.max_object_bytes, nulls or promised.nulls
    )


def _clients(workplace: Workplace | None, *, laptop: bool) -> Callable[[], Any]:
    """Makes the S3 client when an address asks for one."""

    def client() -> Any:
        if laptop:
            from lakehouse.cli.deployment import local_deployment

            if workplace is None:
                raise CommandError("--laptop needs the checkout whose lakehouse is meant. Run it from there.")
            return local_deployment(workplace).client("s3")
        import boto3

        from lakehouse.aws_errors import client_config

        return boto3.client("s3", config=client_config())

    return client


def _source(file: str, client: Callable[[], Any]) -> ParquetSource:
    from lakehouse.convert.s3_source import S3Source
    from lakehouse.convert.source import LocalSource

    if file.startswith(_S3):
        return S3Source(client(), *_bucket_and_key(file))
    return LocalSource(file)


def _destination(
    out: str | None, file: str, options: OutputOptions, client: Callable[[], Any]
) -> tuple[Destination, str]:
    """Where the output goes, and its name there."""
    from lakehouse.convert.chunks import SUFFIXES
    from lakehouse.convert.standalone import BucketDestination, LocalDestination

    name = file.rpartition("/")[2].removesuffix(".parquet") + ".json" + SUFFIXES[options.compression]
    if out is not None and out.startswith(_S3):
        bucket, key = _bucket_and_key(out if not out.endswith("/") else out + name)
        return BucketDestination(client(), bucket), key
    if out is None:
        return LocalDestination(), str(Path(name) if file.startswith(_S3) else Path(file).parent / name)
    return LocalDestination(), str(Path(out) / name if out.endswith("/") or Path(out).is_dir() else Path(out))


def _bucket_and_key(address: str) -> tuple[str, str]:
    bucket, _, key = address.removeprefix(_S3).partition("/")
    if not bucket or not key:
        raise CommandError(f"{address} names no object. Write s3://bucket/key.")
    return bucket, key


def _beside(target: str, ending: str) -> str:
    """A name beside the output's: ``trips.quarantine.json`` for ``trips.json.gz``."""
    folder, slash, name = target.rpartition("/")
    return folder + slash + name.partition(".json")[0] + ending


# --- what a person sees -------------------------------------------------------------------------------------------


@contextmanager
def _progress(name: str, *, is_shown: bool) -> Iterator[Callable[[ParquetFacts, int], None]]:
    """A bar on standard error, where that is a terminal."""
    bar = Progress(
        TextColumn(name.rpartition("/")[2], style="bold"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} rows"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        transient=True,
        disable=not (is_shown and sys.stderr.isatty()),
    )
    with bar:
        task = bar.add_task("", total=None, visible=False)
        yield lambda facts, rows: bar.update(task, total=facts.rows, completed=rows, visible=True)


def _print(done: Conversion) -> None:
    counts = done.counts
    shown = console()
    rate = counts.rows_read / done.seconds if done.seconds else 0
    objects = f" in {done.output.objects:,} files" if done.output.objects > 1 else ""
    shown.print(
        f"{counts.rows_written:,} rows, {bytes_text(done.output.size_bytes)} of JSON{objects} -> {done.output.uri}"
        f"  ({seconds_text(done.seconds)}, {rate:,.0f} rows/s)",
        soft_wrap=True,
    )
    if done.quarantine is not None:
        shown.print(f"{counts.rows_rejected:,} rows break rules -> {done.quarantine.uri}", soft_wrap=True)
        broken = [(rule, count_text(rows)) for rule, rows in counts.rule_results.items() if rows]
        shown.print(table([Column("Rule"), Column("Rows", is_number=True)], broken))
    if counts.nonfinite_values:
        shown.print(f"{counts.nonfinite_values:,} values were NaN or infinite and are null.")
    for difference in done.drift:
        shown.print(f"Drift: {difference.sentence}", soft_wrap=True, markup=False)


def _as_json(done: Conversion) -> dict[str, Any]:
    return {
        "output": asdict(done.output),
        "quarantine": asdict(done.quarantine) if done.quarantine else None,
        "rows_total": done.facts.rows,
        **done.counts.as_dict(),
        "drift": [asdict(difference) for difference in done.drift],
        "seconds": done.seconds,
    }
