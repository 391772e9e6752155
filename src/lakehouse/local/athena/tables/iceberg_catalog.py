"""PyIceberg's catalog of Glue, which finds out whether a commit was done whose answer was lost."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError

if TYPE_CHECKING:
    from mypy_boto3_glue.type_defs import TableInputTypeDef


class CertainGlueCatalog(GlueCatalog):
    """A catalog whose conflicts are others' doing.

    Where the answer to UpdateTable is lost, boto3 asks again, and Glue refuses what it has done already: the version
    has changed. Who took that for a conflict would change the table twice, and delete files that it has.
    """

    def _update_glue_table(
        self, database_name: str, table_name: str, table_input: TableInputTypeDef, version_id: str
    ) -> None:
        try:
            super()._update_glue_table(database_name, table_name, table_input, version_id)
        except (CommitFailedException, BotoCoreError, ClientError):
            if not self._is_committed(database_name, table_name, table_input["Parameters"]["metadata_location"]):
                raise

    def _is_committed(self, database: str, table: str, metadata_location: str) -> bool:
        """Whether the table has this metadata, or had it before others came.

        Where nobody answers that either, its error goes up: it is no refusal, after which files may be deleted.
        """
        # A table that was dropped meanwhile has nothing.
        with suppress(NoSuchTableError, FileNotFoundError):
            found = self.load_table((database, table))
            earlier = (one.metadata_file for one in found.metadata.metadata_log)
            return metadata_location in {found.metadata_location, *earlier}
        return False
