"""A refused commit counts as a conflict only where the table says so."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from pyiceberg.exceptions import CommitFailedException

from lakehouse.local.athena.tables.iceberg_catalog import CertainGlueCatalog


@pytest.fixture
def glue() -> Any:
    return boto3.client("glue", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="a")


def commit(glue: Any) -> None:
    place = {"metadata_location": "s3://bucket/metadata/2.json"}
    catalog = CertainGlueCatalog("glue", client=glue)
    catalog._update_glue_table("trips", "fct_trips", {"Name": "fct_trips", "Parameters": place}, "1")


def test_a_refused_commit_is_a_conflict_where_the_table_is_gone(glue: Any) -> None:
    with Stubber(glue) as answers:
        answers.add_client_error("update_table", "ConcurrentModificationException")
        answers.add_client_error("get_table", "EntityNotFoundException")
        with pytest.raises(CommitFailedException):
            commit(glue)


def test_a_refused_commit_that_nobody_can_look_up_is_no_conflict(glue: Any) -> None:
    with Stubber(glue) as answers:
        answers.add_client_error("update_table", "ConcurrentModificationException")
        answers.add_client_error("get_table", "InternalServiceException")
        with pytest.raises(ClientError, match="InternalServiceException"):
            commit(glue)
