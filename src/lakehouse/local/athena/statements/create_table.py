"""CREATE TABLE of columns: Hive's over files that are there, and empty ones of Iceberg.

https://docs.aws.amazon.com/athena/latest/ug/create-table.html
https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-creating-tables.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyiceberg.exceptions import TableAlreadyExistsError

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.outcome import Outcome, text_outcome
from lakehouse.local.athena.sql.type_text import parse_hive_type
from lakehouse.local.athena.statements.writing import already_exists
from lakehouse.local.athena.tables.iceberg_types import iceberg_schema
from lakehouse.local.athena.write.hive_files import STORAGE
from lakehouse.local.athena.write.transforms import partition_spec

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.statement import TableName
    from lakehouse.local.athena.statements.context import Context
    from lakehouse.local.athena.statements.tokens import Tokens

_DELIMITERS = {
    ("fields",): "field.delim",
    ("collection", "items"): "colelction.delim",  # Hive's own spelling
    ("map", "keys"): "mapkey.delim",
    ("lines",): "line.delim",
}


@dataclass(slots=True)
class Definition:
    """What a statement says of a table.

    Attributes:
        columns: Names, Hive's types and comments.
        comment: Of the table.
        partitioned_by: Columns, or Iceberg's transforms as they are written.
        storage: Input format, output format and SerDe.
        serde: The SerDe's properties.
        location: Its folder.
        properties: Its properties.
    """

    columns: list[dict[str, str]] = field(default_factory=list)
    comment: str = ""
    partitioned_by: list[str] = field(default_factory=list)
    partition_columns: list[dict[str, str]] = field(default_factory=list)
    storage: tuple[str, str, str] | None = None
    serde: dict[str, str] = field(default_factory=dict)
    library: str = ""
    location: str = ""
    properties: dict[str, str] = field(default_factory=dict)


def create(context: Context, tokens: Tokens) -> Outcome:
    """CREATE [EXTERNAL] TABLE (columns).

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: There is such a table, or a form is not executed here.
    """
    tokens.expect("create")
    is_external = tokens.accept("external")
    tokens.expect("table")
    is_lenient = tokens.accept("if", "not", "exists")
    name = context.name(tokens.name())
    definition = _definition(tokens)
    if not context.catalog.has_database(name.database):
        raise StatementFailedError(
            "SCHEMA_NOT_FOUND", f"SemanticException [Error 10072]: Database does not exist: {name.database}"
        )
    if context.catalog.find(name) is not None:
        if is_lenient:
            return text_outcome("DDL", "CREATE_TABLE")
        raise StatementFailedError(
            "FAILED",
            "Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "
            f"AlreadyExistsException(message:Table {name.table} already exists.)",
        )
    if definition.properties.get("table_type", "").lower() == "iceberg":
        _create_iceberg(context, name, definition)
    elif not is_external:
        raise StatementFailedError("SYNTAX_ERROR", "External keyword required for table type HIVE")
    else:
        _create_hive(context, name, definition)
    return text_outcome("DDL", "CREATE_TABLE")


def _definition(tokens: Tokens) -> Definition:
    found = Definition()
    if tokens.accept("like"):
        raise not_supported("CREATE TABLE LIKE", "Write the columns.")
    found.columns = tokens.listed(lambda: column(tokens))
    while not tokens.is_done:
        _clause(tokens, found)
    return found


def column(tokens: Tokens) -> dict[str, str]:
    """Read a column: name, type, comment.

    Args:
        tokens: The statement.

    Returns:
        The column as the Data Catalog has it.
    """
    one = {"Name": tokens.identifier().lower(), "Type": " ".join(tokens.type().split()).lower()}
    parse_hive_type(one["Type"])
    if tokens.accept("comment"):
        one["Comment"] = tokens.string()
    return one


def _clause(tokens: Tokens, found: Definition) -> None:
    if tokens.accept("comment"):
        found.comment = tokens.string()
    elif tokens.accept("partitioned", "by"):
        _partitions(tokens, found)
    elif tokens.accept("clustered", "by"):
        raise not_supported("CREATE TABLE … CLUSTERED BY", "Leave it out: files are read the same.")
    elif tokens.accept("row", "format"):
        _row_format(tokens, found)
    elif tokens.accept("stored", "as"):
        _stored_as(tokens, found)
    elif tokens.accept("with", "serdeproperties"):
        found.serde |= tokens.properties()
    elif tokens.accept("location"):
        found.location = tokens.string()
    elif tokens.accept("tblproperties"):
        found.properties |= tokens.properties()
    else:
        raise tokens.unexpected()


def _partitions(tokens: Tokens, found: Definition) -> None:
    def one() -> None:
        if tokens.peek(1) in {",", ")"}:
            found.partitioned_by.append(tokens.identifier())
        elif tokens.peek(1) == "(":
            name = tokens.identifier()
            found.partitioned_by.append(f"{name}({tokens.balanced()})")
        else:
            found.partition_columns.append(column(tokens))

    tokens.listed(one)


def _row_format(tokens: Tokens, found: Definition) -> None:
    if tokens.accept("serde"):
        found.library = tokens.string()
        return
    tokens.expect("delimited")
    found.library = STORAGE["textfile"][2]
    while True:
        for words, name in _DELIMITERS.items():
            if tokens.accept(*words, "terminated", "by"):
                found.serde[name] = _unescaped(tokens.string())
                if name == "field.delim":
                    found.serde["serialization.format"] = found.serde[name]
                break
        else:
            if tokens.accept("escaped", "by"):
                found.serde["escape.delim"] = _unescaped(tokens.string())
            elif tokens.accept("null", "defined", "as"):
                found.serde["serialization.null.format"] = _unescaped(tokens.string())
            else:
                return


def _unescaped(text: str) -> str:
    return {"\\t": "\t", "\\n": "\n", "\\001": "\x01", "\\\\": "\\"}.get(text, text)


def _stored_as(tokens: Tokens, found: Definition) -> None:
    if tokens.accept("inputformat"):
        reads = tokens.string()
        tokens.expect("outputformat")
        found.storage = (reads, tokens.string(), found.library)
        return
    name = tokens.identifier().lower()
    if name not in STORAGE:
        raise not_supported(f"STORED AS {name.upper()}", f"Use one of {', '.join(sorted(STORAGE)).upper()}.")
    found.storage = STORAGE[name]


def _create_hive(context: Context, name: TableName, definition: Definition) -> None:
    if not definition.location:
        raise StatementFailedError("SYNTAX_ERROR", "Location is required for external tables")
    if definition.partitioned_by:
        raise StatementFailedError("SYNTAX_ERROR", "Partition columns of Hive tables need a type")
    reads, writes, library = definition.storage or STORAGE["textfile"]
    table: dict[str, Any] = {
        "Name": name.table,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {
            "EXTERNAL": "TRUE",
            **({"comment": definition.comment} if definition.comment else {}),
            **definition.properties,
        },
        "PartitionKeys": definition.partition_columns,
        "StorageDescriptor": {
            "Columns": definition.columns,
            "Location": definition.location,
            "InputFormat": reads,
            "OutputFormat": writes,
            "SerdeInfo": {
                "SerializationLibrary": definition.library or library,
                "Parameters": definition.serde or {"serialization.format": "1"},
            },
        },
    }
    try:
        context.catalog.glue.create_table(DatabaseName=name.database, TableInput=table)  # type: ignore[arg-type]
    except context.catalog.glue.exceptions.AlreadyExistsException as error:
        raise already_exists(name) from error


def iceberg_properties(others: dict[str, str], form: str, codec: str) -> dict[str, str]:
    """The properties of a new Iceberg table.

    Args:
        others: As they are written.
        form: The format of its files.
        codec: How they are compressed; empty for zstd, Athena's own choice.

    Returns:
        The properties.

    Raises:
        StatementFailedError: Athena, or the laptop, does not write such files.
    """
    if form.lower() != "parquet":
        raise not_supported(f"An Iceberg table with files of {form.upper()}", "Use format = 'parquet'.")
    refuse_other_versions(others)
    own = {key: value for key, value in others.items() if key not in {"format_version", "format-version", "table_type"}}
    return {
        "format-version": "2",
        "write.format.default": "parquet",
        "write.parquet.compression-codec": (codec or "zstd").lower(),
        **own,
    }


def refuse_other_versions(properties: Mapping[str, str]) -> None:
    """Refuse versions of Iceberg's format that Athena does not have.

    Args:
        properties: A table's properties, as they are written.

    Raises:
        StatementFailedError: They ask for one.
    """
    version = str(properties.get("format_version") or properties.get("format-version") or "2")
    if version != "2":
        raise StatementFailedError(
            "INVALID_TABLE_PROPERTY", f"Athena creates and operates on Iceberg v2 tables only: {version}"
        )


def _create_iceberg(context: Context, name: TableName, definition: Definition) -> None:
    if not definition.location:
        raise StatementFailedError("INVALID_TABLE_PROPERTY", "Iceberg tables need a LOCATION")
    if definition.partition_columns:
        raise StatementFailedError("SYNTAX_ERROR", "Partition columns of Iceberg tables are named without a type")
    columns = [(one["Name"], parse_hive_type(one["Type"], is_iceberg=True)) for one in definition.columns]
    schema = iceberg_schema(columns)
    others = {
        key: value
        for key, value in definition.properties.items()
        if key not in {"table_type", "format", "write_compression"}
    }
    properties = iceberg_properties(
        others, definition.properties.get("format", "parquet"), definition.properties.get("write_compression", "")
    )
    try:
        context.catalog.iceberg.create_table(
            (name.database, name.table),
            schema,
            location=definition.location.rstrip("/"),
            partition_spec=partition_spec(definition.partitioned_by, schema),
            properties=properties,
        )
    except TableAlreadyExistsError as error:
        raise already_exists(name) from error
