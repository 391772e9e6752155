"""PyIceberg and awswrangler on the Data Catalog: nothing they commit is lost."""

from __future__ import annotations

import json
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor

import awswrangler
import boto3
import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError

ROWS = pa.table({"id": pa.array([1, 2], pa.int64())})
WRITERS, COMMITS = 4, 3


@pytest.fixture(scope="module")
def place(endpoint):
    """A bucket, and an AWS session with the endpoint's credentials."""
    variables = endpoint.environment()
    session = boto3.Session(
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_DEFAULT_REGION"],
    )
    bucket = f"clients-{uuid.uuid4().hex[:8]}"
    session.client("s3", endpoint_url=endpoint.url).create_bucket(Bucket=bucket)
    return bucket, session


@pytest.fixture
def database(place, endpoint):
    name = f"db_{uuid.uuid4().hex[:8]}"
    glue = place[1].client("glue", endpoint_url=endpoint.url)
    glue.create_database(DatabaseInput={"Name": name, "LocationUri": f"s3://{place[0]}/{name}"})
    return name


@pytest.fixture
def iceberg(place, endpoint):
    """Makes a Glue catalog of PyIceberg: a thread wants its own."""
    credentials = place[1].get_credentials()

    def catalog():
        return load_catalog(
            "glue",
            **{
                "type": "glue",
                "glue.endpoint": endpoint.url,
                "s3.endpoint": endpoint.url,
                "client.region": place[1].region_name,
                "client.access-key-id": credentials.access_key,
                "client.secret-access-key": credentials.secret_key,
            },
        )

    return catalog


def test_an_iceberg_table_is_created_appended_renamed_and_dropped(iceberg, database):
    catalog = iceberg()
    table = catalog.create_table((database, "sales"), ROWS.schema)
    table.append(ROWS)
    with pytest.raises(TableAlreadyExistsError):
        catalog.create_table((database, "SALES"), ROWS.schema)
    renamed = catalog.rename_table((database, "sales"), (database, "sales_old"))
    assert renamed.scan().to_arrow().num_rows == 2
    assert [name for _, name in catalog.list_tables(database)] == ["sales_old"]
    catalog.drop_table((database, "sales_old"))
    with pytest.raises(NoSuchTableError):
        catalog.load_table((database, "sales_old"))
    catalog.drop_namespace(database)


def test_no_commit_of_concurrent_writers_is_lost(iceberg, database):
    iceberg().create_table((database, "t"), ROWS.schema)

    def commit(_):
        table = iceberg().load_table((database, "t"))
        done = refused = 0
        while done < COMMITS:
            try:
                table.append(ROWS)
                done += 1
            except CommitFailedException:
                refused += 1
                table.refresh()
        return refused

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(commit, range(WRITERS)))
    table = iceberg().load_table((database, "t"))
    assert len(table.snapshots()) == WRITERS * COMMITS
    assert table.scan().to_arrow().num_rows == WRITERS * COMMITS * ROWS.num_rows


def test_awswrangler_writes_and_selects_partitions(place, endpoint, database):
    bucket, session = place
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL", endpoint.url)
        patched.setattr(awswrangler.config, "s3_endpoint_url", endpoint.url)
        patched.setattr(awswrangler.config, "glue_endpoint_url", endpoint.url)
        patched.setattr(awswrangler.config, "athena_endpoint_url", endpoint.url)
        frame = pa.table({"id": [1, 2, 3], "year": [2022, 2023, 2024]}).to_pandas()
        options = {
            "path": f"s3://{bucket}/{database}/t/",
            "dataset": True,
            "database": database,
            "table": "t",
            "partition_cols": ["year"],
            "boto3_session": session,
        }
        awswrangler.s3.to_parquet(frame, mode="overwrite", **options)
        awswrangler.s3.to_parquet(frame[2:], mode="overwrite_partitions", **options)
        catalog = awswrangler.catalog
        found = catalog.get_partitions(database, "t", expression="year >= 2023", boto3_session=session)
        assert sorted(found.values()) == [["2023"], ["2024"]]
        assert catalog.get_table_types(database, "t", boto3_session=session) == {"id": "bigint", "year": "bigint"}
        contained = catalog.get_tables(database=database, name_contains="t", boto3_session=session)
        assert [each["Name"] for each in contained] == ["t"]
        assert catalog.get_table_number_of_versions(database, "t", boto3_session=session) >= 1
        catalog.delete_partitions("t", database, [["2022"]], boto3_session=session)
        assert len(catalog.get_partitions(database, "t", boto3_session=session)) == 2
        workgroup = awswrangler.athena.get_work_group("primary", boto3_session=session)
        assert workgroup["WorkGroup"]["Configuration"]["EnforceWorkGroupConfiguration"] is False


@pytest.mark.parametrize("served", ["endpoint", "bare_emulator"])
def test_a_commit_through_the_iceberg_endpoint_is_a_version(request, served):
    endpoint = request.getfixturevalue(served)
    glue = request.getfixturevalue("aws" if served == "endpoint" else "bare_aws")("glue")
    name = f"db_{uuid.uuid4().hex[:8]}"
    glue.create_database(DatabaseInput={"Name": name})
    signed = "AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/glue/aws4_request, SignedHeaders=host, Signature=0"

    def post(path, **body):
        url = f"{endpoint.url}/iceberg/v1/catalogs/000000000000/namespaces/{name}/{path}"
        headers = {"Authorization": signed, "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)) as answer:
            return json.load(answer)

    field = {"id": 1, "name": "id", "type": "long", "required": False}
    post("tables", name="Sales", schema={"type": "struct", "schema-id": 0, "fields": [field]})
    names = [table["Name"] for table in glue.get_tables(DatabaseName=name)["TableList"]]
    assert names == (["sales"] if served == "endpoint" else ["Sales"])
    before = glue.get_table(DatabaseName=name, Name=names[0])["Table"]

    def commit(number):
        return post("tables/Sales", updates=[{"action": "set-properties", "updates": {f"p{number}": "1"}}])

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(commit, range(8)))
    after = glue.get_table(DatabaseName=name, Name=names[0])["Table"]
    assert before["Parameters"]["metadata_location"] != after["Parameters"]["metadata_location"]
    made = int(after["VersionId"]) - int(before["VersionId"])
    assert made == (8 if served == "endpoint" else 0)
    if served == "endpoint":
        assert len(commit(8)["metadata"]["properties"]) == 9
