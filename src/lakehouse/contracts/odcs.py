"""Reads a contract from Open Data Contract Standard v3.1 YAML. docs/contracts.md says which parts are held, and how.

What the standard allows and this project cannot hold is refused, not skipped: a rule that nobody checks is worse
than no rule. Standard: https://bitol-io.github.io/open-data-contract-standard/v3.1.0/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pydantic
import yaml
from open_data_contract_standard.model import (
    CustomProperty,
    DataQuality,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)

from lakehouse.contracts.arrow_types import known_names, parse_type
from lakehouse.contracts.difference import ALLOWABLE_DRIFT, DriftKind
from lakehouse.contracts.model import (
    DEFAULT_SPARK_THRESHOLD_BYTES,
    LEAST_OBJECT_BYTES,
    Bound,
    Column,
    Compression,
    Contract,
    Engine,
    Nulls,
    OutputOptions,
    RowRule,
)
from lakehouse.errors import ContractError

API_VERSION = "v3.1.0"
_OUTPUT_KNOBS = ("compression", "maxObjectBytes", "nulls")
_KNOBS = ("filePattern", "engine", "sparkThresholdBytes", "quarantineThreshold", "allowedDrift", *_OUTPUT_KNOBS)
_BOUNDS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
}
_TEXT_OPTIONS = {"minLength": "min_length", "maxLength": "max_length", "pattern": "pattern"}
_DATASET = re.compile(r"[a-z][a-z0-9_]*")
_BAD_ROWS = re.compile(
    r"\s*select\s+count\(\*\)\s+from\s+\$\{table\}\s+where\s+(?P<condition>.+?);?\s*", re.IGNORECASE | re.DOTALL
)
# Which Arrow types a logicalType of the standard may stand for.
_LOGICAL = {
    "string": (pa.types.is_string,),
    "integer": (pa.types.is_integer,),
    "number": (pa.types.is_floating, pa.types.is_decimal, pa.types.is_integer),
    "boolean": (pa.types.is_boolean,),
    "date": (pa.types.is_date,),
    "timestamp": (pa.types.is_timestamp,),
    "time": (pa.types.is_time,),
}


def load(path: Path) -> Contract:
    """Read a contract.

    Args:
        path: An ODCS YAML file.

    Returns:
        The contract.

    Raises:
        ContractError: It is no ODCS v3.1 contract, or promises what cannot be held; the message names the file, the
            place in it, and how to mend it.
    """
    try:
        text = path.read_text(encoding="utf-8")
        raw = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"{path.name}: the contract cannot be read ({error}). Give a UTF-8 YAML file.") from error
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise ContractError(f"{path.name}: the contract is no YAML ({said}). Mend the line it names.") from error
    if not isinstance(raw, dict):
        raise ContractError(
            f"{path.name}: the contract is empty or no mapping. Start it with apiVersion: {API_VERSION}."
        )
    return _Reader(path.name).contract(raw)


class _Reader:
    def __init__(self, file_name: str) -> None:
        self._file_name = file_name

    def _error(self, message: str) -> ContractError:
        return ContractError(f"{self._file_name}: {message}")

    def contract(self, raw: dict[str, Any]) -> Contract:
        document = self._validated(raw)
        if document.kind != "DataContract" or document.apiVersion != API_VERSION:
            raise self._error(
                f"is kind {document.kind!r} and apiVersion {document.apiVersion!r}; "
                f"write kind: DataContract and apiVersion: {API_VERSION}."
            )
        absent = [name for name in ("id", "version", "status") if not getattr(document, name)]
        if absent:
            raise self._error(f"lacks {', '.join(absent)}, which the standard requires. Add them at the top level.")
        schema = self._schema(document)
        knobs = self._knobs(document.customProperties or [])
        return Contract(
            dataset=str(schema.name),
            version=str(document.version),
            columns=tuple(self._columns(schema)),
            row_rules=tuple(self._row_rule(rule) for rule in schema.quality or []),
            **knobs,
        )

    def _validated(self, raw: dict[str, Any]) -> OpenDataContractStandard:
        # The library drops unknown keys below the top level: a misspelt "requird" must not pass for no rule.
        unknown = list(_unknown_keys(raw, OpenDataContractStandard, ""))
        if unknown:
            raise self._error(f"keys that ODCS {API_VERSION} has not: {', '.join(unknown)}. Correct their spelling.")
        try:
            return OpenDataContractStandard.model_validate(raw)
        except pydantic.ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()
            )
            raise self._error(f"is no ODCS {API_VERSION} contract: {faults}. Mend these fields.") from error

    def _schema(self, document: OpenDataContractStandard) -> SchemaObject:
        schemas = document.schema_ or []
        if len(schemas) != 1:
            raise self._error(f"has {len(schemas)} schema objects; one file describes one dataset: keep exactly one.")
        schema = schemas[0]
        if not schema.name or not _DATASET.fullmatch(schema.name):
            raise self._error(
                f"the schema object's name is {schema.name!r}; it is the dataset's name and the first folder of its "
                "keys: use lower-case letters, digits and _."
            )
        return schema

    # --- columns --------------------------------------------------------------------------------------------------

    def _columns(self, schema: SchemaObject) -> list[Column]:
        properties = schema.properties or []
        if not properties:
            raise self._error("describes no columns. List them under schema[0].properties.")
        columns = [self._column(item) for item in properties]
        names = [column.name for column in columns]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise self._error(f"describes {', '.join(repeated)} more than once. Keep one description a column.")
        self._require_distinct_former_names(columns)
        return columns

    def _require_distinct_former_names(self, columns: list[Column]) -> None:
        """A former name must say which column is meant, in whatever case a file writes it."""
        owners = {column.name.casefold(): column.name for column in columns}
        for column in columns:
            for name in column.former_names:
                owner = owners.setdefault(name.casefold(), column.name)
                if owner != column.name:
                    raise self._error(
                        f"column {column.name}: its former name {name!r} is a name of {owner} too, in some case. "
                        "Give it to one of them."
                    )

    def _column(self, item: SchemaProperty) -> Column:
        if not item.name:
            raise self._error("a property has no name. Name every column.")
        for claim in ("unique", "primaryKey"):
            if getattr(item, claim):
                raise self._error(
                    f"column {item.name}: {claim} cannot be held row by row while a file streams through. "
                    "Test it downstream (dbt), and leave it out here."
                )
        kind = self._type(item)
        settings = self._options(item, kind)
        for rule in item.quality or []:
            settings["valid_values"] = self._valid_values(item.name, rule)
        return Column(
            name=item.name,
            type=kind,
            is_required=bool(item.required),
            former_names=self._former_names(item),
            description=(item.description or "").strip(),
            **settings,
        )

    def _former_names(self, item: SchemaProperty) -> tuple[str, ...]:
        values = {entry.property: entry.value for entry in item.customProperties or []}
        names = values.pop("formerNames", [])
        if values:
            raise self._error(
                f"column {item.name}: customProperties not known: {', '.join(map(str, values))}. Known: formerNames."
            )
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._error(f"column {item.name}: formerNames is {names!r}; list the names it had in older files.")
        return tuple(names)

    def _type(self, item: SchemaProperty) -> pa.DataType:
        if item.logicalType == "object":
            members = [self._column(member) for member in item.properties or []]
            renamed = [member.name for member in members if member.former_names]
            if renamed:
                raise self._error(
                    f"column {item.name}: formerNames are held for columns, not for fields: {', '.join(renamed)}."
                )
            return pa.struct([(member.name, member.type) for member in members])
        if item.logicalType == "array":
            if item.items is None:
                raise self._error(f"column {item.name}: an array needs items. Describe its elements.")
            return pa.list_(self._type(item.items))
        kind = parse_type(item.physicalType or "")
        if kind is None:
            raise self._error(
                f"column {item.name}: physicalType {item.physicalType!r} is not known. Use one of {known_names()}."
            )
        checks = _LOGICAL.get(item.logicalType or "")
        is_binary = pa.types.is_binary(kind) and item.logicalType == "string"
        if checks is None or not (is_binary or any(check(kind) for check in checks)):
            raise self._error(
                f"column {item.name}: physicalType {item.physicalType} is no {item.logicalType!r}. "
                "Make logicalType and physicalType agree."
            )
        return kind

    def _options(self, item: SchemaProperty, kind: pa.DataType) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        for option, value in (item.logicalTypeOptions or {}).items():
            if option in _BOUNDS and item.logicalType in ("number", "integer", "date", "timestamp"):
                settings[_BOUNDS[option]] = self._bound(str(item.name), option, value, kind)
            elif option in _TEXT_OPTIONS and item.logicalType == "string" and pa.types.is_string(kind):
                settings[_TEXT_OPTIONS[option]] = self._text_option(str(item.name), option, value)
            elif option not in ("timezone", "defaultTimezone"):
                raise self._error(
                    f"column {item.name}: logicalTypeOptions.{option} is not held for {item.logicalType}. "
                    f"Use {', '.join([*_BOUNDS, *_TEXT_OPTIONS])}, or a quality rule."
                )
        return settings

    def _bound(self, column: str, option: str, value: Any, kind: pa.DataType) -> Bound:
        try:
            if pa.types.is_timestamp(kind):
                return _moment(value, is_aware=kind.tz is not None)
            if pa.types.is_date(kind):
                return date.fromisoformat(value)
            if pa.types.is_decimal(kind) and isinstance(value, int | float) and not isinstance(value, bool):
                return Decimal(str(value))
        except (TypeError, ValueError) as error:
            raise self._error(
                f"column {column}: {option} is {value!r}; write an ISO-8601 text in quotes, "
                "such as '2009-01-01T00:00:00'."
            ) from error
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(f"column {column}: {option} is {value!r}; write a number.")
        return value

    def _text_option(self, column: str, option: str, value: Any) -> Any:
        if option != "pattern":
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise self._error(f"column {column}: {option} is {value!r}; write a whole number from 0.")
            return value
        try:
            re.compile(value)
        except (TypeError, re.error) as error:
            raise self._error(f"column {column}: pattern {value!r} is no regular expression ({error}).") from error
        return value

    def _valid_values(self, column: str, rule: DataQuality) -> tuple[Any, ...]:
        values = (rule.arguments or {}).get("validValues")
        if (rule.type or "library") != "library" or rule.metric != "invalidValues" or rule.mustBe != 0 or not values:
            raise self._error(
                f"column {column}: of quality rules a column may have "
                "{metric: invalidValues, arguments: {validValues: [...]}, mustBe: 0}. "
                "Put other rules on the schema object as type: sql."
            )
        return tuple(values)

    # --- rules and knobs ------------------------------------------------------------------------------------------

    def _row_rule(self, rule: DataQuality) -> RowRule:
        found = _BAD_ROWS.fullmatch(rule.query or "")
        if rule.type != "sql" or not rule.name or found is None or rule.mustBe != 0:
            raise self._error(
                f"quality rule {rule.name or rule.query!r}: a rule over rows has a name, type: sql, "  # noqa: S608 - a message
                "query: SELECT COUNT(*) FROM ${table} WHERE <true for a bad row>, and mustBe: 0."
            )
        return RowRule(rule.name, found["condition"].strip(), (rule.description or "").strip())

    def _knobs(self, properties: list[CustomProperty]) -> dict[str, Any]:
        values: dict[str, Any] = {str(item.property): item.value for item in properties}
        unknown = [name for name in values if name not in _KNOBS]
        if unknown or len(values) != len(properties):
            raise self._error(
                f"customProperties not known or given twice: {', '.join(unknown) or 'see the list'}. "
                f"Known: {', '.join(_KNOBS)}."
            )
        if not isinstance(values.get("filePattern"), str):
            raise self._error(
                "customProperties lack filePattern, a glob on file names such as yellow_tripdata_*.parquet."
            )
        engine = values.get("engine", "auto")
        if engine not in get_args(Engine):
            raise self._error(f"engine is {engine!r}; write one of {', '.join(get_args(Engine))}.")
        threshold = values.get("quarantineThreshold", 0.0)
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
            raise self._error(f"quarantineThreshold is {threshold!r}; write a share from 0 to 1, such as 0.05.")
        spark_bytes = values.get("sparkThresholdBytes", DEFAULT_SPARK_THRESHOLD_BYTES)
        if isinstance(spark_bytes, bool) or not isinstance(spark_bytes, int) or spark_bytes < 0:
            raise self._error(f"sparkThresholdBytes is {spark_bytes!r}; write a number of bytes.")
        drift = values.get("allowedDrift") or []
        if not isinstance(drift, list) or any(kind not in list(ALLOWABLE_DRIFT) for kind in drift):
            raise self._error(f"allowedDrift is {drift!r}; list some of {', '.join(sorted(ALLOWABLE_DRIFT))}.")
        return {
            "file_pattern": values["filePattern"],
            "engine": engine,
            "spark_threshold_bytes": spark_bytes,
            "quarantine_threshold": float(threshold),
            "allowed_drift": frozenset(map(DriftKind, drift)),
            "output": self._output(values),
        }

    def _output(self, values: Mapping[str, Any]) -> OutputOptions:
        compression, nulls = values.get("compression", "none"), values.get("nulls", "explicit")
        if compression not in get_args(Compression):
            raise self._error(f"compression is {compression!r}; write one of {', '.join(get_args(Compression))}.")
        if nulls not in get_args(Nulls):
            raise self._error(f"nulls is {nulls!r}; write one of {', '.join(get_args(Nulls))}.")
        most = values.get("maxObjectBytes")
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < LEAST_OBJECT_BYTES):
            raise self._error(
                f"maxObjectBytes is {most!r}; write a number of bytes, at least {LEAST_OBJECT_BYTES}, or leave it out."
            )
        return OutputOptions(compression, most, nulls)


def _moment(value: Any, *, is_aware: bool) -> datetime:
    moment = datetime.fromisoformat(value)
    if (moment.tzinfo is not None) != is_aware:
        raise ValueError("a bound has a time zone exactly where the column has one")
    return moment


def _unknown_keys(raw: Any, model: type[pydantic.BaseModel], path: str) -> list[str]:
    """Keys of a YAML mapping that its model has no field for, with their paths."""
    if not isinstance(raw, Mapping):
        return []
    fields = {info.alias or name: info for name, info in model.model_fields.items()}
    unknown: list[str] = []
    for key, value in raw.items():
        where = f"{path}{key}"
        if key not in fields:
            unknown.append(where)
        elif (inner := _model_of(fields[key].annotation)) is not None:
            for index, member in enumerate(value if isinstance(value, list) else [value]):
                prefix = f"{where}[{index}]." if isinstance(value, list) else f"{where}."
                unknown += _unknown_keys(member, inner, prefix)
    return unknown


def _model_of(annotation: Any) -> type[pydantic.BaseModel] | None:
    """The model inside ``list[Model] | None`` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_of(part)) is not None), None)
