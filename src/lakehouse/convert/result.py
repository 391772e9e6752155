"""What a conversion did, in numbers: stored with the file's record, checked before anything is published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakehouse.contracts.difference import Difference


@dataclass(frozen=True, slots=True)
class ConversionResult:
    """A finished conversion.

    Attributes:
        rows_total: Rows according to the file's footer.
        rows_read: Rows that came out of the file.
        rows_written: Rows in the output object.
        rows_quarantined: Rows in the quarantine object.
        bytes_written: Size of the output object.
        output_uri: ``s3://`` address of the output object; of the manifest where there are several.
        output_objects: How many objects the output is.
        output_checksum: ``CRC32=`` and its CRC32 in base64, as S3 shows it.
        quarantine_uri: Address of the quarantine object, None where no row was rejected.
        rule_results: Rejected rows by rule; every rule of the contract, also those that rejected none.
        nonfinite_values: NaN and infinite values that became null.
        drift: What differs from the contract, all of it allowed.
        duration_seconds: From the start of the attempt to the whole object.
        engine: ``in_process`` or ``spark``.
    """

    rows_total: int
    rows_read: int
    rows_written: int
    rows_quarantined: int
    bytes_written: int
    output_uri: str
    output_objects: int
    output_checksum: str
    quarantine_uri: str | None
    duration_seconds: float
    engine: str
    rule_results: Mapping[str, int] = field(default_factory=dict)
    nonfinite_values: int = 0
    drift: tuple[Difference, ...] = ()
