"""What manifests say of a data file, from its footer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData
    from pyiceberg.io.fileformat import DataFileStatistics
    from pyiceberg.schema import Schema


def statistics_of(footer: FileMetaData, schema: Schema, properties: Mapping[str, str]) -> DataFileStatistics:
    """Count a file's rows and nulls, and find the bounds of its columns.

    DuckDB gives a row group that has what is not a number no bounds, though its numbers may be any; PyIceberg takes the
    bounds of the other row groups for the file's, so that readers would miss those numbers.

    Args:
        footer: The file's footer.
        schema: The table's schema.
        properties: The table's properties.

    Returns:
        The statistics.
    """
    ids = parquet_path_to_id_mapping(schema)
    found = data_file_statistics_from_parquet_metadata(
        parquet_metadata=footer,
        stats_columns=compute_statistics_plan(schema, dict(properties)),
        parquet_column_mapping=ids,
    )
    for group in map(footer.row_group, range(footer.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            values = column.statistics
            if values is not None and not values.has_min_max and values.num_values:
                found.column_aggregates.pop(ids[column.path_in_schema], None)
    return found
