"""The whole exception tree.

Every error names the thing, says what was found and what was expected, and ends with what to do next.
The class names are part of the interface: AWS Lambda reports them as ``errorType``, and the state machines'
``Retry`` and ``Catch`` name them.

``PermanentError``: the same input fails again; it is recorded and shown to a person.
``TransientError``: the same input may succeed later; it is retried with backoff and jitter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakehouse.contracts.difference import Difference

# A message names so many differences; the file's record has more.
_DIFFERENCES_TOLD = 20


class LakehouseError(Exception):
    """Anything this project refuses or reports."""


class PermanentError(LakehouseError):
    """The same input will fail again: record it, do not retry."""


class TransientError(LakehouseError):
    """The same input may succeed later: retry with backoff and jitter."""


# --- settings -----------------------------------------------------------------------------------------------------


class SettingsError(PermanentError):
    """A setting is missing or malformed."""


# --- contracts ----------------------------------------------------------------------------------------------------


class ContractError(PermanentError):
    """A data contract cannot be read, or says something that cannot be held."""


class SchemaDriftError(PermanentError):
    """A file's columns differ from its contract in a way the contract does not allow.

    Attributes:
        dataset: The dataset whose contract was broken.
        differences: What differs, column by column, the allowed differences too.
    """

    def __init__(self, dataset: str, differences: Sequence[Difference]) -> None:
        self.dataset = dataset
        self.differences = tuple(differences)
        refused = [difference.sentence for difference in self.differences if not difference.is_allowed]
        told, more = refused[:_DIFFERENCES_TOLD], len(refused) - _DIFFERENCES_TOLD
        super().__init__(
            f"{dataset}: {len(refused)} difference(s) that the contract does not allow: {'; '.join(told)}"
            f"{f'; and {more} more' if more > 0 else ''}. "
            "Mend the file at its source, or allow the drift in the dataset's contract."
        )


# --- input files --------------------------------------------------------------------------------------------------


class InputFileError(PermanentError):
    """A file in the raw layer cannot be converted as it is."""


class EmptyFileError(InputFileError):
    """The file has no bytes."""


class NotParquetError(InputFileError):
    """The file is something else under a .parquet name (HTML, XML, text)."""


class TruncatedFileError(InputFileError):
    """The file starts as parquet but ends too early."""


class EncryptedFileError(InputFileError):
    """The file is encrypted by parquet modular encryption."""


class CorruptFileError(InputFileError):
    """The file's footer or pages cannot be read."""


class ReaderCrashedError(CorruptFileError):
    """The process that reads the file crashed or hung on it; nothing else was harmed."""


class ReaderMemoryError(InputFileError):
    """A row, or a page, takes more memory than the reader may use."""


class FileVanishedError(InputFileError):
    """The object was deleted between landing and conversion."""


# --- conversion ---------------------------------------------------------------------------------------------------


class ConversionError(PermanentError):
    """A conversion ended without a whole object."""


class ReaderStartError(ConversionError):
    """The process that reads parquet files cannot start here."""


class QuarantineThresholdError(ConversionError):
    """More rows broke the contract's rules than it tolerates."""


class RowConservationError(ConversionError):
    """Rows read and rows accounted for differ: nothing is published."""


class PublishedMeanwhileError(TransientError):
    """Somebody published under the same key after it was looked at: look again, and decide anew."""

    def __init__(self, uri: str) -> None:
        super().__init__(f"{uri} changed after it was looked at, so it was not replaced. Look again, and decide anew.")


# --- metadata -----------------------------------------------------------------------------------------------------


class MetadataError(PermanentError):
    """A record in DynamoDB is not as the caller believes."""


class RecordNotFoundError(MetadataError):
    """No such record."""


class RecordExistsError(MetadataError):
    """The record is already there: somebody else was first."""


class StatusConflictError(MetadataError):
    """The status would go backwards, or another writer owns this attempt."""


# --- ingestion ----------------------------------------------------------------------------------------------------


class PoisonMessageError(PermanentError):
    """A message of a queue cannot be read: it is delivered again some times, then it is a dead letter."""


# --- AWS ----------------------------------------------------------------------------------------------------------


class AccessDeniedError(PermanentError):
    """The role lacks a permission."""


class ThrottledError(TransientError):
    """AWS asked for fewer requests."""


class ServiceUnavailableError(TransientError):
    """AWS (or the local endpoint) answered with a 5xx, or not at all."""


class QueryFailedError(PermanentError):
    """Athena did not execute a query to its end; the message carries Athena's reason."""


# --- the laptop ---------------------------------------------------------------------------------------------------


class LocalError(LakehouseError):
    """Something of the laptop runtime."""


class PrerequisiteError(LocalError):
    """Java, Terraform, disk or a provider mirror is missing."""


class PortTakenError(LocalError):
    """Another process listens on the endpoint's port."""


class EndpointDownError(LocalError):
    """The local AWS endpoint does not answer."""


class EmulatorMismatchError(LocalError):
    """The installed ministack is not the one our replacements were written for."""


class CommandError(LocalError):
    """A command that the laptop runs (terraform, uv, java) failed."""
