from __future__ import annotations

import io
import json
import sys
import time
import uuid
import zipfile
from dataclasses import dataclass

import pytest

from lakehouse.local.endpoint import Endpoint

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


@dataclass
class Answered:
    """A statement that ended: its record, and all of its rows, null as None; queries have no head here."""

    execution: dict
    rows: list
    columns: list
    update_count: int | None

    @property
    def statistics(self):
        return self.execution["Statistics"]

    @property
    def names(self):
        return [column["Name"] for column in self.columns]


class StatementError(Exception):
    """A statement that did not succeed; its text is Athena's reason."""

    def __init__(self, execution):
        super().__init__(execution["Status"].get("StateChangeReason", ""))
        self.execution = execution
        self.error = execution["Status"].get("AthenaError", {})


class Statements:
    """Runs Athena's statements as boto3's users do."""

    def __init__(self, aws, database):
        self.athena, self.glue, self.s3 = aws("athena"), aws("glue"), aws("s3")
        self.database = database
        self.bucket = database.replace("_", "-")
        self.s3.create_bucket(Bucket=self.bucket)
        self.glue.create_database(DatabaseInput={"Name": database})

    def start(self, sql, **options):
        options.setdefault("QueryExecutionContext", {"Database": self.database})
        options.setdefault("ResultConfiguration", {"OutputLocation": f"s3://{self.bucket}/results/"})
        return self.athena.start_query_execution(QueryString=sql, **options)["QueryExecutionId"]

    def ended(self, number, seconds=60):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.athena.get_query_execution(QueryExecutionId=number)["QueryExecution"]
            if found["Status"]["State"] not in {"QUEUED", "RUNNING"}:
                return found
            time.sleep(0.05)
        raise TimeoutError(number)

    def run(self, sql, **options):
        execution = self.ended(self.start(sql, **options))
        if execution["Status"]["State"] != "SUCCEEDED":
            raise StatementError(execution)
        rows, answer, token = [], {}, {}
        while True:
            answer = self.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"], **token)
            rows += [[one.get("VarCharValue") for one in row["Data"]] for row in answer["ResultSet"]["Rows"]]
            if "NextToken" not in answer:
                break
            token = {"NextToken": answer["NextToken"]}
        columns = answer["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        if execution["StatementType"] == "DML" and rows:
            assert rows.pop(0) == [column["Name"] for column in columns]
        return Answered(execution, [tuple(row) for row in rows], columns, answer.get("UpdateCount"))

    def rows(self, sql, **options):
        return self.run(sql, **options).rows

    def fails(self, sql, **options):
        with pytest.raises(StatementError) as caught:
            self.run(sql, **options)
        return str(caught.value)

    def put(self, key, body):
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def keys(self, prefix):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", [])]

    def location(self, name):
        return f"s3://{self.bucket}/{name}/"


@pytest.fixture(scope="session")
def statements_of():
    """Makes the runner of Athena's statements for an endpoint's clients, with a database and a bucket of its own."""

    def made(aws, name="sql"):
        return Statements(aws, f"{name}_{uuid.uuid4().hex[:8]}")

    return made


@pytest.fixture(scope="module")
def sql(aws, statements_of):
    """Runs Athena's statements in a database of the module's own."""
    return statements_of(aws)


@pytest.fixture
def table():
    """A table's name of the test's own."""
    return f"t_{uuid.uuid4().hex[:8]}"


@pytest.fixture
def own(tmp_path):
    """An endpoint of the test's own."""
    endpoint = Endpoint(tmp_path / "home", 0)
    endpoint.home.mkdir()
    endpoint.start()
    yield endpoint
    endpoint.stop()


@pytest.fixture(scope="session")
def zipped():
    """Makes a deployment package of modules by name."""

    def package(**modules):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, source in modules.items():
                archive.writestr(f"{name}.py", source)
        return content.getvalue()

    return package


@pytest.fixture(scope="session")
def function_role():
    """Makes a role that Lambda may assume; returns its ARN."""

    def create(iam, name):
        return iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]

    return create


@pytest.fixture(scope="session")
def functions(zipped, function_role):
    """Makes a Lambda function of a source text and invokes it with the given events; returns the answers."""

    def invoke(iam, lambda_client, source, *events, **settings):
        name = f"function-{uuid.uuid4().hex[:8]}"
        role = function_role(iam, name)
        options = {"Runtime": "python3.11", "Handler": "app.handler", "Timeout": 30, **settings}
        options.setdefault("Code", {"ZipFile": zipped(app=source)})
        lambda_client.create_function(FunctionName=name, Role=role, **options)
        lambda_client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
        answers = []
        for event in events:
            answer = lambda_client.invoke(FunctionName=name, Payload=json.dumps(event))
            answers.append(json.loads(answer["Payload"].read()))
        invoke.name = name
        return answers

    def bound(iam, lambda_client):
        def call(source, *events, **settings):
            return invoke(iam, lambda_client, source, *events, **settings)

        call.name = lambda: invoke.name
        return call

    return bound


@pytest.fixture(scope="session")
def spark(endpoint):
    """A Spark session of two cores whose Python workers talk to the endpoint."""
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as environment:
        # Spark's Python workers make their own S3 clients from what the driver's environment was at its start.
        for name, value in {**endpoint.environment(), "PYSPARK_PYTHON": sys.executable}.items():
            environment.setenv(name, value)
        session = (
            SparkSession.builder.master("local[2]")
            .appName("tests")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.memory", "1g")
            .getOrCreate()
        )
    # Nothing else of the session may find the endpoint in its environment.
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
