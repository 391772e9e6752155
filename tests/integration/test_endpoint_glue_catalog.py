"""Glue's Data Catalog as its clients rely on it: beside each fix, what the bare emulator answers."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from lakehouse.local.endpoint import Endpoint

MISSING = "EntityNotFoundException"
EXISTS = "AlreadyExistsException"
INVALID = "InvalidInputException"
STALE = "ConcurrentModificationException"
REFUSED = "NotExecutedLocally"

COLUMNS = [{"Name": "id", "Type": "bigint"}]
KEYS = [{"Name": "dt", "Type": "date"}, {"Name": "n", "Type": "int"}]


def outcome(call, **arguments):
    """The answer, or the code of the error."""
    try:
        return call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]


def definition(name, **members):
    return {"Name": name, "StorageDescriptor": {"Columns": COLUMNS, "Location": f"s3://bucket/{name}"}, **members}


class Catalog:
    """A database of the test's own."""

    def __init__(self, glue):
        self.glue = glue
        self.database = f"db_{uuid.uuid4().hex[:8]}"
        glue.create_database(DatabaseInput={"Name": self.database})

    def call(self, operation, **arguments):
        return outcome(getattr(self.glue, operation), DatabaseName=self.database, **arguments)

    def create(self, name, **members):
        return self.call("create_table", TableInput=definition(name, **members))

    def table(self, name="t"):
        return self.call("get_table", Name=name)["Table"]

    def on(self, operation, **arguments):
        """An operation on the table t."""
        return self.call(operation, TableName="t", **arguments)

    def partitioned(self, *partitions, keys=KEYS):
        self.create("t", PartitionKeys=keys)
        inputs = [{"Values": list(values), "StorageDescriptor": {"Columns": COLUMNS}} for values in partitions]
        assert self.on("batch_create_partition", PartitionInputList=inputs).get("Errors", []) == []

    def values(self, **arguments):
        found = self.on("get_partitions", **arguments)
        return found if isinstance(found, str) else [tuple(each["Values"]) for each in found["Partitions"]]


@pytest.fixture
def catalog(aws):
    return Catalog(aws("glue"))


@pytest.fixture(params=["endpoint", "bare emulator"])
def both(request, aws, bare_aws):
    """A catalog of either: what is mended here must be broken there."""
    clients, is_mended = (aws, True) if request.param == "endpoint" else (bare_aws, False)
    return Catalog(clients("glue")), is_mended


# --- databases ----------------------------------------------------------------------------------------------------


def test_a_database_has_one_name_in_lower_case(both):
    catalog, is_mended = both
    mixed = catalog.database.upper()
    created = outcome(catalog.glue.create_database, DatabaseInput={"Name": mixed})
    assert (created == EXISTS) is is_mended
    found = outcome(catalog.glue.get_database, Name=mixed)
    assert (found["Database"]["Name"] == catalog.database) is is_mended


def test_databases_come_in_pages(both):
    catalog, is_mended = both
    Catalog(catalog.glue)
    first = catalog.glue.get_databases(MaxResults=1)
    assert (len(first["DatabaseList"]) == 1 and "NextToken" in first) is is_mended
    if is_mended:
        listed = [
            database["Name"]
            for page in catalog.glue.get_paginator("get_databases").paginate(PaginationConfig={"PageSize": 1})
            for database in page["DatabaseList"]
        ]
        assert listed == sorted(set(listed))
        assert catalog.database in listed
        assert outcome(catalog.glue.get_databases, NextToken="?") == INVALID


def test_a_database_is_replaced_as_a_whole_and_cannot_be_renamed(both):
    catalog, is_mended = both
    name = catalog.database
    catalog.glue.update_database(Name=name, DatabaseInput={"Name": name, "Parameters": {"a": "1"}})
    created = catalog.glue.get_database(Name=name)["Database"]["CreateTime"]
    catalog.glue.update_database(Name=name, DatabaseInput={"Name": name, "Description": "new"})
    database = catalog.glue.get_database(Name=name)["Database"]
    assert (database["Parameters"] == {}) is is_mended
    assert database["CreateTime"] == created
    renamed = outcome(catalog.glue.update_database, Name=name, DatabaseInput={"Name": "another"})
    assert (renamed == INVALID) is is_mended


def test_what_is_in_a_database_goes_with_it(catalog):
    catalog.partitioned(("2024-01-01", "1"))
    outcome(catalog.glue.delete_database, Name=catalog.database.upper())
    assert outcome(catalog.glue.get_database, Name=catalog.database) == MISSING
    catalog.glue.create_database(DatabaseInput={"Name": catalog.database})
    assert catalog.call("get_tables")["TableList"] == []
    catalog.create("t", PartitionKeys=KEYS)
    assert catalog.values() == []


# --- tables -------------------------------------------------------------------------------------------------------


def test_a_table_has_one_name_in_lower_case_and_so_have_its_columns(both):
    catalog, is_mended = both
    columns = [{"Name": "eventTime", "Type": "struct<Inner:int>"}]
    table_input = {"Name": "Sales", "StorageDescriptor": {"Columns": columns}, "PartitionKeys": [{"Name": "Day"}]}
    assert catalog.call("create_table", TableInput=table_input)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert (catalog.create("SALES") == EXISTS) is is_mended
    found = outcome(catalog.glue.get_table, DatabaseName=catalog.database.upper(), Name="sAles")
    assert (found != MISSING) is is_mended
    if is_mended:
        assert found["Table"]["Name"] == "sales"
        assert found["Table"]["StorageDescriptor"]["Columns"] == [{"Name": "eventtime", "Type": "struct<Inner:int>"}]
        assert found["Table"]["PartitionKeys"] == [{"Name": "day"}]


def test_a_table_is_answered_as_glue_does(both):
    catalog, is_mended = both
    catalog.create("t", Retention=3)
    table = catalog.table()
    assert ("Owner" not in table and "TableType" not in table) is is_mended
    assert (table.get("Retention") == 3) is is_mended
    assert (table["VersionId"] == "0") is is_mended
    assert table["DatabaseName"] == catalog.database
    assert table["IsRegisteredWithLakeFormation"] is False
    assert table["CatalogId"] == "000000000000"
    assert {"CreateTime", "UpdateTime"} <= table.keys()


def test_what_was_read_can_be_written_back(both):
    """As dbt does to persist documentation, and PyIceberg to rename."""
    catalog, is_mended = both
    catalog.create("t")
    members = catalog.glue.meta.service_model.shape_for("TableInput").members
    table_input = {member: value for member, value in catalog.table().items() if member in members}
    assert (table_input.get("Owner") is None) is is_mended
    if is_mended:
        catalog.glue.update_table(DatabaseName=catalog.database, TableInput=table_input)


def test_a_table_is_replaced_as_a_whole(both):
    catalog, is_mended = both
    catalog.create("t", Description="old", Parameters={"a": "1"})
    before = catalog.table()
    catalog.call("update_table", TableInput=definition("T", TableType="EXTERNAL_TABLE"))
    table = catalog.table()
    assert ("Description" not in table and table["Parameters"] == {}) is is_mended
    assert table["CreateTime"] == before["CreateTime"]


def test_what_is_missing_is_said(both):
    catalog, is_mended = both
    nowhere = f"no_{catalog.database}"
    assert catalog.call("get_table", Name="t") == MISSING
    assert catalog.call("update_table", TableInput=definition("t")) == MISSING
    assert catalog.call("delete_table", Name="t") == MISSING
    assert outcome(catalog.glue.create_table, DatabaseName=nowhere, TableInput=definition("t")) == MISSING
    assert (outcome(catalog.glue.get_tables, DatabaseName=nowhere) == MISSING) is is_mended
    assert (catalog.on("get_partitions") == MISSING) is is_mended
    assert (catalog.on("get_partition_indexes") == MISSING) is is_mended
    foreign = outcome(catalog.glue.get_tables, DatabaseName=catalog.database, CatalogId="111111111111")
    assert (foreign == MISSING) is is_mended


def test_the_messages_are_glues(catalog):
    def message(operation, **arguments):
        with pytest.raises(ClientError) as raised:
            getattr(catalog.glue, operation)(**arguments)
        return raised.value.response["Error"]["Message"]

    assert message("get_table", DatabaseName=catalog.database, Name="x") == "Entity Not Found"
    assert message("delete_table", DatabaseName=catalog.database, Name="x") == "Table x not found."
    assert message("get_table", DatabaseName="nowhere", Name="x") == "Database nowhere not found."


def test_tables_are_found_by_a_pattern_and_come_in_pages(both):
    catalog, is_mended = both
    for name in ("sales_2023", "sales_2024", "stock"):
        catalog.create(name)

    def names(**arguments):
        return [table["Name"] for table in catalog.call("get_tables", **arguments)["TableList"]]

    assert names(Expression="sales_*") == ["sales_2023", "sales_2024"]
    assert names(Expression="*2024") == ["sales_2024"]
    assert (names(Expression="sales_202[34]|stock") == ["sales_2023", "sales_2024", "stock"]) is is_mended
    assert (names(Expression="s.*k") == ["stock"]) is is_mended
    assert (catalog.call("get_tables", Expression="s(") == INVALID) is is_mended
    assert (names(MaxResults=2) == ["sales_2023", "sales_2024"]) is is_mended
    pages = catalog.glue.get_paginator("get_tables").paginate(
        DatabaseName=catalog.database, PaginationConfig={"PageSize": 1}
    )
    assert len([table for page in pages for table in page["TableList"]]) == 3
    short = catalog.call("get_tables", AttributesToGet=["NAME"])["TableList"]
    assert (short[0] == {"Name": "sales_2023"}) is is_mended


def test_a_page_skips_nothing_when_tables_are_deleted_meanwhile(catalog):
    for name in "abcd":
        catalog.create(name)
    first = catalog.call("get_tables", MaxResults=2)
    catalog.call("batch_delete_table", TablesToDelete=["a", "b"])
    rest = catalog.call("get_tables", NextToken=first["NextToken"])["TableList"]
    assert [table["Name"] for table in rest] == ["c", "d"]


def test_several_tables_are_deleted_at_once(both):
    catalog, is_mended = both
    catalog.create("a")
    answer = catalog.call("batch_delete_table", TablesToDelete=["A", "b"])
    assert ([error["TableName"] for error in answer["Errors"]] == ["b"]) is is_mended
    assert (catalog.call("get_table", Name="a") == MISSING) is is_mended
    too_many = catalog.call("batch_delete_table", TablesToDelete=[f"t{number}" for number in range(101)])
    assert (too_many == INVALID) is is_mended


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        (
            "create_table",
            {
                "Name": "t",
                "OpenTableFormatInput": {"IcebergInput": {"MetadataOperation": "CREATE", "Version": "2"}},
            },
        ),
        ("update_table", {"TableInput": definition("t"), "ViewUpdateAction": "ADD"}),
    ],
)
def test_what_nothing_carries_out_is_refused(both, operation, arguments):
    catalog, is_mended = both
    arguments.setdefault("TableInput", definition("t"))
    if operation == "update_table":
        catalog.create("t")
    assert (catalog.call(operation, **arguments) == REFUSED) is is_mended


# --- versions -----------------------------------------------------------------------------------------------------


def test_versions_are_kept_newest_first_unless_skipped(both):
    catalog, is_mended = both
    catalog.create("t", Description="0")
    for number in range(1, 4):
        catalog.call("update_table", TableInput=definition("t", Description=str(number)), SkipArchive=number == 2)
    listed = catalog.on("get_table_versions")
    assert (listed != "InvalidAction") is is_mended
    if not is_mended:
        return
    found = [(each["VersionId"], each["Table"]["Description"]) for each in listed["TableVersions"]]
    assert found == [("3", "3"), ("2", "2"), ("0", "0")]
    pages = catalog.glue.get_paginator("get_table_versions").paginate(
        DatabaseName=catalog.database, TableName="t", PaginationConfig={"PageSize": 1}
    )
    assert [each["VersionId"] for page in pages for each in page["TableVersions"]] == ["3", "2", "0"]
    assert catalog.on("get_table_version")["TableVersion"]["VersionId"] == "3"
    assert catalog.on("get_table_version", VersionId="0")["TableVersion"]["Table"]["Description"] == "0"
    assert catalog.on("get_table_version", VersionId="1") == MISSING
    assert catalog.on("delete_table_version", VersionId="3") == INVALID
    catalog.on("delete_table_version", VersionId="2")
    errors = catalog.on("batch_delete_table_version", VersionIds=["0", "2"])["Errors"]
    assert [(error["VersionId"], error["ErrorDetail"]["ErrorCode"]) for error in errors] == [("2", MISSING)]
    assert [each["VersionId"] for each in catalog.on("get_table_versions")["TableVersions"]] == ["3"]


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("get_table_version", {}),
        ("delete_table_version", {"VersionId": "0"}),
        ("batch_delete_table_version", {"VersionIds": ["0"]}),
        ("update_partition", {"PartitionValueList": ["1"], "PartitionInput": {"Values": ["1"]}}),
        ("batch_delete_partition", {"PartitionsToDelete": [{"Values": ["1"]}]}),
        ("delete_partition_index", {"IndexName": "i"}),
    ],
)
def test_the_bare_emulator_does_not_know_the_operation(both, operation, arguments):
    catalog, is_mended = both
    assert catalog.on(operation, **arguments) == (MISSING if is_mended else "InvalidAction")


def test_versions_go_with_their_table(catalog):
    catalog.create("t")
    catalog.call("update_table", TableInput=definition("t"))
    catalog.call("delete_table", Name="t")
    catalog.create("t")
    assert [each["VersionId"] for each in catalog.on("get_table_versions")["TableVersions"]] == ["0"]


def test_a_stale_version_is_refused(catalog):
    catalog.create("t")
    assert catalog.call("update_table", TableInput=definition("t"), VersionId="0") != STALE
    assert catalog.call("update_table", TableInput=definition("t"), VersionId="0") == STALE
    assert catalog.table()["VersionId"] == "1"


def test_of_many_writers_of_one_version_one_succeeds(catalog):
    catalog.create("t")
    with ThreadPoolExecutor(8) as pool:
        for version in range(10):
            writers = [
                pool.submit(catalog.call, "update_table", TableInput=definition("t"), VersionId=str(version))
                for _ in range(8)
            ]
            assert [writer.result() for writer in writers].count(STALE) == 7
    assert catalog.table()["VersionId"] == "10"
    versions = catalog.on("get_table_versions")["TableVersions"]
    assert [each["VersionId"] for each in versions] == [str(number) for number in range(10, -1, -1)]


def test_a_restart_keeps_versions_partitions_and_statistics(own: Endpoint, monkeypatch):
    import boto3

    def client():
        variables = own.environment()
        return boto3.client(
            "glue",
            endpoint_url=own.url,
            region_name=variables["AWS_DEFAULT_REGION"],
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )

    catalog = Catalog(client())
    catalog.partitioned(("2024-01-01", "1"))
    catalog.call("update_table", TableInput=definition("t", PartitionKeys=KEYS, Description="new"))
    before = catalog.on("get_table_versions")["TableVersions"]
    own.stop()
    own.start()
    catalog.glue = client()
    assert catalog.on("get_table_versions")["TableVersions"] == before
    assert [each["VersionId"] for each in before] == ["1", "0"]
    assert catalog.values(Expression="n = 1") == [("2024-01-01", "1")]


# --- partitions ---------------------------------------------------------------------------------------------------

NULL = "__HIVE_DEFAULT_PARTITION__"
DAYS = [("2024-01-01", "9"), ("2024-01-02", "10"), ("2024-02-01", "100"), ("2024-03-01", NULL)]


@pytest.mark.parametrize(
    ("expression", "selected"),
    [
        ("n >= 10", [1, 2]),
        ("dt = '2024-01-01' or (DT = date '2024-02-01')", [0, 2]),
        ("n not between 10 and 50 and dt <> '2024-03-01'", [0, 2]),
        ("n in (9, 100, 7)", [0, 2]),
        ("n is null", [3]),
        ("not n is null and not (n = 10)", [0, 2]),
        ("\"dt\" > '2024-01-15' AND `n` != 100.5", [2]),
    ],
)
def test_an_expression_selects_partitions(both, expression, selected):
    catalog, is_mended = both
    catalog.partitioned(*DAYS)
    assert (catalog.values(Expression=expression) == [DAYS[index] for index in selected]) is is_mended


@pytest.mark.parametrize(
    "expression",
    [
        "n",
        "n =",
        "n = 1 and",
        "(n = 1",
        "n = 'one'",
        "n = null",
        "dt = 2024-01-01",
        "dt = '2024-13-01'",
        "day = '2024-01-01'",
        "n like '1%'",
        "n = 1; drop",
        "1 = 1",
        "upper(dt) = 'A'",
        "(" * 600 + "n = 1" + ")" * 600,
        "n = 1" + " or n = 1" * 300,
    ],
)
def test_a_wrong_expression_is_an_error_and_not_every_partition(both, expression):
    catalog, is_mended = both
    catalog.partitioned(*DAYS)
    assert (catalog.values(Expression=expression) == INVALID) is is_mended


def test_a_value_that_is_none_of_its_type_fails_the_filter(catalog):
    """Seen on AWS: https://github.com/aws/aws-sdk/issues/670."""
    catalog.partitioned(("2024-01-01", "null"))
    assert catalog.values(Expression="n >= 0") == "InvalidStateException"
    assert catalog.values() == [("2024-01-01", "null")]


def test_partitions_come_in_pages_and_segments(both):
    catalog, is_mended = both
    partitions = [("2024-01-01", str(number)) for number in range(30)]
    catalog.partitioned(*partitions)
    assert (len(catalog.values(MaxResults=7)) == 7) is is_mended
    segments = [catalog.values(Segment={"SegmentNumber": number, "TotalSegments": 3}) for number in range(3)]
    assert (sorted(values for segment in segments for values in segment) == sorted(partitions)) is is_mended
    if is_mended:
        assert all(segments)
        pages = catalog.glue.get_paginator("get_partitions").paginate(
            DatabaseName=catalog.database, TableName="t", Expression="n > 4", PaginationConfig={"PageSize": 7}
        )
        listed = [tuple(each["Values"]) for page in pages for each in page["Partitions"]]
        assert listed == sorted(partitions[5:])
        assert catalog.values(Segment={"SegmentNumber": 3, "TotalSegments": 3}) == INVALID


def test_a_partition_has_parameters_and_its_columns_can_be_left_out(both):
    catalog, is_mended = both
    catalog.partitioned(*DAYS[:1])
    (partition,) = catalog.on("get_partitions")["Partitions"]
    assert (partition.get("Parameters") == {}) is is_mended
    assert partition["StorageDescriptor"]["Columns"] == COLUMNS
    (short,) = catalog.on("get_partitions", ExcludeColumnSchema=True)["Partitions"]
    assert ("Columns" not in short["StorageDescriptor"]) is is_mended
    one = catalog.on("get_partition", PartitionValues=list(DAYS[0]))["Partition"]
    assert (one.get("Parameters") == {}) is is_mended
    many = catalog.on("batch_get_partition", PartitionsToGet=[{"Values": list(DAYS[0])}, {"Values": ["x", "1"]}])
    assert (many["Partitions"][0].get("Parameters") == {}) is is_mended
    assert many["UnprocessedKeys"] == [{"Values": ["x", "1"]}]


def test_partitions_of_a_missing_table_or_of_too_few_values(both):
    catalog, is_mended = both
    assert (catalog.on("create_partition", PartitionInput={"Values": ["1"]}) == MISSING) is is_mended
    assert (catalog.on("batch_create_partition", PartitionInputList=[{"Values": ["1"]}]) == MISSING) is is_mended
    assert (catalog.on("batch_get_partition", PartitionsToGet=[{"Values": ["1"]}]) == MISSING) is is_mended
    catalog.create("t", PartitionKeys=KEYS)
    assert (catalog.on("create_partition", PartitionInput={"Values": ["1"]}) == INVALID) is is_mended
    values = ["2024-01-01", "1"]
    assert (catalog.on("delete_partition", PartitionValues=values) == MISSING) is is_mended
    assert catalog.on("get_partition", PartitionValues=values) == MISSING


def test_partitions_are_created_once(catalog):
    catalog.partitioned(*DAYS[:2])
    assert catalog.on("create_partition", PartitionInput={"Values": list(DAYS[0])}) == EXISTS
    new = ["2024-05-01", "1"]
    inputs = [{"Values": list(DAYS[1])}, {"Values": new}, {"Values": new}]
    errors = catalog.on("batch_create_partition", PartitionInputList=inputs)["Errors"]
    assert [(error["PartitionValues"], error["ErrorDetail"]["ErrorCode"]) for error in errors] == [
        (list(DAYS[1]), EXISTS),
        (new, EXISTS),
    ]
    assert catalog.values() == [*DAYS[:2], tuple(new)]


def test_partitions_are_updated_and_moved(both):
    catalog, is_mended = both
    catalog.partitioned(*DAYS[:3])
    statistics = {
        "ColumnName": "id",
        "ColumnType": "bigint",
        "AnalyzedTime": 0,
        "StatisticsData": {
            "Type": "LONG",
            "LongColumnStatisticsData": {"NumberOfNulls": 1, "NumberOfDistinctValues": 2},
        },
    }
    catalog.on(
        "update_column_statistics_for_partition", PartitionValues=list(DAYS[0]), ColumnStatisticsList=[statistics]
    )
    moved = ["2024-09-01", "1"]
    entries = [
        {"PartitionValueList": list(DAYS[1]), "PartitionInput": {"Values": list(DAYS[2])}},
        {"PartitionValueList": ["2020-01-01", "1"], "PartitionInput": {"Values": ["2020-01-01", "1"]}},
        {"PartitionValueList": list(DAYS[0]), "PartitionInput": {"Values": moved, "Parameters": {"a": "1"}}},
    ]
    errors = catalog.on("batch_update_partition", Entries=entries)["Errors"]
    assert ([error["ErrorDetail"]["ErrorCode"] for error in errors] == [EXISTS, MISSING]) is is_mended
    assert (catalog.values() == [*DAYS[1:3], tuple(moved)]) is is_mended
    if is_mended:
        assert catalog.on("get_partition", PartitionValues=moved)["Partition"]["Parameters"] == {"a": "1"}
        found = catalog.on("get_column_statistics_for_partition", PartitionValues=moved, ColumnNames=["ID"])
        assert len(found["ColumnStatisticsList"]) == 1
        back = {"PartitionValueList": moved, "PartitionInput": {"Values": list(DAYS[0])}}
        assert isinstance(catalog.on("update_partition", **back), dict)
        assert catalog.values() == DAYS[:3]


def test_several_partitions_are_deleted_at_once(catalog):
    catalog.partitioned(*DAYS)
    wanted = [{"Values": list(DAYS[0])}, {"Values": ["2020-01-01", "1"]}, {"Values": list(DAYS[2])}]
    errors = catalog.on("batch_delete_partition", PartitionsToDelete=wanted)["Errors"]
    assert [(error["PartitionValues"], error["ErrorDetail"]["ErrorCode"]) for error in errors] == [
        (["2020-01-01", "1"], MISSING)
    ]
    assert catalog.values() == [DAYS[1], DAYS[3]]
    assert catalog.on("batch_delete_partition", PartitionsToDelete=[{"Values": list(DAYS[1])}] * 26) == INVALID


def test_indexes_and_statistics_are_found_by_names_in_any_case(both):
    catalog, is_mended = both
    table_input = definition("t", PartitionKeys=KEYS)
    index = {"IndexName": "by_day", "Keys": ["DT"]}
    catalog.call("create_table", TableInput=table_input, PartitionIndexes=[index])
    listed = catalog.call("get_partition_indexes", TableName="T")["PartitionIndexDescriptorList"]
    wanted = [{"IndexName": "by_day", "Keys": [{"Name": "dt", "Type": "date"}], "IndexStatus": "ACTIVE"}]
    assert (listed == wanted) is is_mended
    wrong = catalog.on("create_partition_index", PartitionIndex={"IndexName": "wrong", "Keys": ["id"]})
    assert (wrong == INVALID) is is_mended
    found = catalog.call("get_column_statistics_for_table", TableName="T", ColumnNames=["id"])
    assert (found != MISSING) is is_mended
    if is_mended:
        catalog.on("delete_partition_index", IndexName="by_day")
        assert catalog.on("get_partition_indexes")["PartitionIndexDescriptorList"] == []


@pytest.mark.parametrize("subject", ["table", "partition"])
def test_column_statistics_are_kept(both, subject):
    catalog, is_mended = both
    catalog.partitioned(DAYS[0])
    extra = {"PartitionValues": list(DAYS[0])} if subject == "partition" else {}
    data = {"Type": "LONG", "LongColumnStatisticsData": {"NumberOfNulls": 1, "NumberOfDistinctValues": 2}}
    told = {"ColumnName": "ID", "ColumnType": "bigint", "AnalyzedTime": 0, "StatisticsData": data}

    def call(verb, **arguments):
        return catalog.call(f"{verb}_column_statistics_for_{subject}", TableName="T", **extra, **arguments)

    assert (call("update", ColumnStatisticsList=[told]) != MISSING) is is_mended
    found = call("get", ColumnNames=["id"])
    assert (found != MISSING) is is_mended
    if is_mended:
        assert [each["StatisticsData"] for each in found["ColumnStatisticsList"]] == [data]
    assert (call("delete", ColumnName="Id") != MISSING) is is_mended
    if is_mended:
        assert call("get", ColumnNames=["id"])["ColumnStatisticsList"] == []
