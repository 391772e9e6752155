"""Athena's workgroups and saved queries: beside each fix, what the bare emulator answers."""

from __future__ import annotations

import uuid

import pytest
from botocore.exceptions import ClientError

ENGINE = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}


@pytest.fixture(params=["endpoint", "bare emulator"])
def both(request, aws, bare_aws):
    """Athena of either: what is mended here must be broken there."""
    clients, is_mended = (aws, True) if request.param == "endpoint" else (bare_aws, False)
    return clients("athena"), is_mended


@pytest.fixture
def name():
    return f"group_{uuid.uuid4().hex[:8]}"


def configuration(athena, name):
    return athena.get_work_group(WorkGroup=name)["WorkGroup"]["Configuration"]


def code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "none"


def test_the_workgroup_of_every_account_has_athenas_defaults(both):
    athena, is_mended = both
    found = configuration(athena, "primary")
    assert (found.get("EnforceWorkGroupConfiguration") is False) is is_mended
    assert (found.get("PublishCloudWatchMetricsEnabled") is False) is is_mended
    assert (found.get("RequesterPaysEnabled") is False) is is_mended
    assert found["EngineVersion"] == ENGINE


def test_a_workgroup_keeps_what_it_is_given_and_gets_the_rest(both, name):
    athena, is_mended = both
    given = {"ResultConfiguration": {"OutputLocation": "s3://bucket/results"}, "BytesScannedCutoffPerQuery": 10000000}
    athena.create_work_group(Name=name, Configuration=given)
    found = configuration(athena, name)
    assert given.items() <= found.items()
    assert (found.get("EnforceWorkGroupConfiguration") is True) is is_mended
    assert (found.get("PublishCloudWatchMetricsEnabled") is True) is is_mended
    assert (found.get("EngineVersion") == ENGINE) is is_mended
    (listed,) = (group for group in athena.list_work_groups()["WorkGroups"] if group["Name"] == name)
    assert (listed.get("EngineVersion") == ENGINE) is is_mended


def test_a_setting_can_be_removed(both, name):
    athena, is_mended = both
    results = {"OutputLocation": "s3://bucket/results", "ExpectedBucketOwner": "000000000000"}
    athena.create_work_group(
        Name=name, Configuration={"ResultConfiguration": results, "BytesScannedCutoffPerQuery": 10000000}
    )
    updates = {
        "RemoveBytesScannedCutoffPerQuery": True,
        "ResultConfigurationUpdates": {"RemoveExpectedBucketOwner": True, "OutputLocation": "s3://bucket/others"},
        "RequesterPaysEnabled": True,
    }
    athena.update_work_group(WorkGroup=name, State="DISABLED", ConfigurationUpdates=updates)
    found = configuration(athena, name)
    assert ("BytesScannedCutoffPerQuery" not in found) is is_mended
    assert (found["ResultConfiguration"] == {"OutputLocation": "s3://bucket/others"}) is is_mended
    assert found["RequesterPaysEnabled"] is True
    assert athena.get_work_group(WorkGroup=name)["WorkGroup"]["State"] == "DISABLED"


def test_a_workgroup_in_use_is_deleted_only_with_what_is_in_it(both, name):
    athena, is_mended = both
    athena.create_work_group(Name=name)
    query = athena.create_named_query(Name="q", Database="d", QueryString="select 1", WorkGroup=name)["NamedQueryId"]
    athena.create_prepared_statement(StatementName="s", WorkGroup=name, QueryStatement="select ?")
    assert (code(athena.delete_work_group, WorkGroup=name) == "InvalidRequestException") is is_mended
    athena.delete_work_group(WorkGroup=name, RecursiveDeleteOption=True)
    assert (code(athena.get_named_query, NamedQueryId=query) == "InvalidRequestException") is is_mended
    gone = code(athena.get_prepared_statement, StatementName="s", WorkGroup=name)
    assert (gone == "ResourceNotFoundException") is is_mended


def test_saved_queries_can_be_changed(both, name):
    athena, is_mended = both
    athena.create_work_group(Name=name)
    query = athena.create_named_query(Name="q", Database="d", QueryString="select 1", WorkGroup=name)["NamedQueryId"]
    athena.create_prepared_statement(StatementName="s", WorkGroup=name, QueryStatement="select ?")
    changed = code(athena.update_named_query, NamedQueryId=query, Name="q2", QueryString="select 2")
    assert (changed == "none") is is_mended
    changed = code(athena.update_prepared_statement, StatementName="s", WorkGroup=name, QueryStatement="select 3")
    assert (changed == "none") is is_mended
    if is_mended:
        assert athena.get_named_query(NamedQueryId=query)["NamedQuery"]["QueryString"] == "select 2"
        statement = athena.get_prepared_statement(StatementName="s", WorkGroup=name)["PreparedStatement"]
        assert statement["QueryStatement"] == "select 3"
        assert (
            code(athena.update_prepared_statement, StatementName="x", WorkGroup=name, QueryStatement="select 4")
            != "none"
        )
