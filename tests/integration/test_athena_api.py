"""Athena's API of statements, as boto3 sees it: what is refused, how statements end, what results look like."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import time
import uuid
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from endpoint_kill import kill

from lakehouse.local.endpoint import Endpoint
from lakehouse.local.processes import is_alive, session_members

# Takes minutes, and little memory.
LONG = (
    "SELECT count(*) FROM UNNEST(sequence(1, 10000)) a(x) CROSS JOIN UNNEST(sequence(1, 10000)) b(y) "
    "CROSS JOIN UNNEST(sequence(1, 10000)) c(z) WHERE (x * y + z) % 1000003 = 7"
)


def status_of(pid):
    """What Linux says of a process, from its state on; None where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def workers(endpoint):
    """The engine's processes: children of the endpoint's fork server."""
    leader = json.loads((endpoint.home / "endpoint.json").read_text())["pid"]
    parents = {}
    for pid in session_members(leader):
        status = status_of(pid)
        if status is not None and status[0] != "Z":
            parents[pid] = int(status[1])
    servers = {pid for pid, parent in parents.items() if parent == leader}
    return {pid for pid, parent in parents.items() if parent in servers}


def busy_worker(endpoint):
    """One that executes a statement now: those that wait for one use no time from here on, whatever they used."""
    at_first = {pid: cpu_seconds(pid) for pid in workers(endpoint)}
    found = []

    def is_found():
        found[:] = [pid for pid, before in at_first.items() if cpu_seconds(pid) - before > 0.3]
        return bool(found)

    until(is_found, 60)
    return found[0]


def cpu_seconds(pid):
    status = status_of(pid)
    return 0 if status is None else sum(map(int, status[11:13])) / os.sysconf("SC_CLK_TCK")


def saved_state(endpoint, number):
    """A statement's state in the endpoint's last checkpoint."""
    path = endpoint.home / "state" / "athena.json"
    records = json.loads(path.read_text())["payload"]["_executions"]["data"] if path.exists() else {}
    return next((one["Status"]["State"] for one in records.values() if one["QueryExecutionId"] == number), None)


def clients(endpoint):
    variables = endpoint.environment()
    session = boto3.Session(
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_DEFAULT_REGION"],
    )
    config = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
    return lambda service: session.client(service, endpoint_url=endpoint.url, config=config)


def refusal(call, *arguments, **options):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **options)
    assert caught.value.response["Error"]["Code"] == "InvalidRequestException"
    return caught.value.response["Error"]["Message"]


def until(condition, seconds=20):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


@pytest.fixture
def group(sql):
    """Makes a workgroup."""

    def made(**configuration):
        name = f"group_{uuid.uuid4().hex[:8]}"
        sql.athena.create_work_group(Name=name, Configuration=configuration)
        return name

    return made


# --- at the door ------------------------------------------------------------------------------------------------------


def test_what_is_refused_at_the_door(sql, group):
    assert "empty" in refusal(sql.start, " -- nothing\n /* at all */ ;")
    assert "262144" in refusal(sql.start, "SELECT 1 -- " + "x" * 262_144)
    assert "is not found" in refusal(sql.start, "SELECT 1", WorkGroup="nobody")
    disabled = group()
    sql.athena.update_work_group(WorkGroup=disabled, State="DISABLED")
    assert "is disabled" in refusal(sql.start, "SELECT 1", WorkGroup=disabled)
    assert "No output location provided" in refusal(sql.start, "SELECT 1", ResultConfiguration={})
    for location in ("s3://no-such-bucket-anywhere/x/", "folder/x"):
        assert refusal(sql.start, "SELECT 1", ResultConfiguration={"OutputLocation": location})
    unknown = str(uuid.uuid4())
    for call in (sql.athena.get_query_execution, sql.athena.get_query_results, sql.athena.stop_query_execution):
        assert "was not found" in refusal(call, QueryExecutionId=unknown)


def test_the_longest_statement_is_executed(sql):
    text = "SELECT 1 -- "
    assert sql.rows(text + "x" * (262_144 - len(text))) == [("1",)]


def test_a_token_starts_a_statement_once(sql):
    token = uuid.uuid4().hex
    first = sql.start("SELECT 1", ClientRequestToken=token)
    assert sql.start("SELECT 1", ClientRequestToken=token) == first
    assert "Idempotent" in refusal(sql.start, "SELECT 2", ClientRequestToken=token)


def test_values_of_a_prepared_statement_are_sent_beside_execute(sql, group):
    name = group(EnforceWorkGroupConfiguration=False)
    sql.athena.create_prepared_statement(
        StatementName="shown", WorkGroup=name, QueryStatement="SELECT ? AS t, ? + 1 AS n, '?' AS q -- ?"
    )
    sent = ["'it''s ?'", "41"]
    answered = sql.run("EXECUTE shown", WorkGroup=name, ExecutionParameters=sent)
    assert answered.rows == [("it's ?", "42", "?")]
    assert answered.names == ["t", "n", "q"]
    assert (answered.execution["Query"], answered.execution["ExecutionParameters"]) == ("EXECUTE shown", sent)
    # The same as those that the statement has.
    assert sql.rows("EXECUTE shown USING 'it''s ?', 41", WorkGroup=name) == answered.rows
    for wrong, told in ((sent[:1], "expected 2 but found 1"), ([*sent, "1"], "expected 2 but found 3")):
        assert told in sql.fails("EXECUTE shown", WorkGroup=name, ExecutionParameters=wrong)
    # A prepared statement is its workgroup's.
    assert "Prepared statement not found: shown" in sql.fails("EXECUTE shown", ExecutionParameters=sent)


def test_a_workgroup_decides_where_results_go_and_how_they_are_encrypted(sql, group, aws):
    key = aws("kms").create_key()["KeyMetadata"]["Arn"]
    encryption = {"EncryptionOption": "SSE_KMS", "KmsKey": key}
    place = f"s3://{sql.bucket}/of-the-group/"
    # Enforced is what a group is whose maker did not say.
    name = group(ResultConfiguration={"OutputLocation": place, "EncryptionConfiguration": encryption})
    execution = sql.run("SELECT 1 AS a", WorkGroup=name).execution
    assert execution["ResultConfiguration"]["OutputLocation"].startswith(place)
    assert execution["ResultConfiguration"]["EncryptionConfiguration"] == encryption
    made = sql.keys("of-the-group/")
    assert len(made) == 2
    for one in made:
        head = sql.s3.head_object(Bucket=sql.bucket, Key=one)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)
    free = group(
        EnforceWorkGroupConfiguration=False, ResultConfiguration={"OutputLocation": f"s3://{sql.bucket}/not-used/"}
    )
    execution = sql.run("SELECT 1 AS a", WorkGroup=free).execution
    assert "/results/" in execution["ResultConfiguration"]["OutputLocation"]


def test_a_statement_that_would_read_too_much_is_cancelled(sql, group, table):
    sql.run(
        f"CREATE TABLE {table} WITH (format = 'PARQUET', write_compression = 'NONE', external_location = "
        f"'{sql.location(table)}') AS SELECT x, cast(uuid() AS varchar) u "
        "FROM UNNEST(sequence(1, 1000)) t(x) CROSS JOIN UNNEST(sequence(1, 400)) s(y)"
    )
    name = group(BytesScannedCutoffPerQuery=10_000_000, EnforceWorkGroupConfiguration=False)
    assert sql.rows(f"SELECT count(*) FROM {table}", WorkGroup=name) == [("400000",)]
    execution = sql.ended(sql.start(f"SELECT max(u) FROM {table}", WorkGroup=name))
    assert execution["Status"]["State"] == "CANCELLED"
    assert "Bytes scanned limit was exceeded" in execution["Status"]["StateChangeReason"]


# --- how statements end -----------------------------------------------------------------------------------------------


@pytest.fixture
def long(sql):
    """Starts statements that take minutes, and ends those that still run."""
    started = []

    def start():
        started.append(sql.start(LONG))
        return started[-1]

    yield start
    for one in started:
        sql.athena.stop_query_execution(QueryExecutionId=one)
    for one in started:
        sql.ended(one)


@pytest.fixture
def states(sql):
    """The states of statements."""

    def found(*numbers):
        answer = sql.athena.batch_get_query_execution(QueryExecutionIds=list(numbers))
        by_number = {one["QueryExecutionId"]: one["Status"]["State"] for one in answer["QueryExecutions"]}
        return [by_number[one] for one in numbers]

    return found


def test_stopping_a_statement_ends_its_process(sql, endpoint, long, states):
    sql.run("SELECT 1")
    number = long()
    until(lambda: states(number) == ["RUNNING"])
    assert "has not yet finished" in refusal(sql.athena.get_query_results, QueryExecutionId=number)
    before = workers(endpoint)
    sql.athena.stop_query_execution(QueryExecutionId=number)
    execution = sql.ended(number)
    assert execution["Status"]["State"] == "CANCELLED"
    assert "CompletionDateTime" in execution["Status"]
    until(lambda: len({pid for pid in before if is_alive(pid)}) == len(before) - 1)
    assert sql.rows("SELECT 2") == [("2",)]
    # What has ended stays as it is.
    sql.athena.stop_query_execution(QueryExecutionId=number)
    assert states(number) == ["CANCELLED"]


def test_a_killed_process_fails_its_own_statement_only(sql, endpoint, long, states):
    numbers = [long(), long()]
    until(lambda: states(*numbers) == ["RUNNING"] * 2, 60)
    os.kill(busy_worker(endpoint), signal.SIGKILL)
    until(lambda: sorted(states(*numbers)) == ["FAILED", "RUNNING"], 60)
    assert sql.rows("SELECT 3") == [("3",)]
    failed = numbers[states(*numbers).index("FAILED")]
    assert "process ended" in sql.ended(failed)["Status"]["AthenaError"]["ErrorMessage"]


def test_a_process_that_died_idle_is_not_used(sql, endpoint):
    sql.run("SELECT 1")
    for pid in workers(endpoint):
        os.kill(pid, signal.SIGKILL)
    assert sql.rows("SELECT 4") == [("4",)]


@pytest.mark.e2e
def test_four_statements_run_at_a_time_and_others_wait(sql, long, states):
    numbers = [long() for _ in range(5)]
    until(lambda: sorted(states(*numbers)) == ["QUEUED"] + ["RUNNING"] * 4, 60)
    waiting = numbers[states(*numbers).index("QUEUED")]
    last = sql.start("SELECT 5")
    sql.athena.stop_query_execution(QueryExecutionId=waiting)
    assert sql.ended(waiting, 20)["Status"]["State"] == "CANCELLED"
    assert states(last) == ["QUEUED"]
    sql.athena.stop_query_execution(QueryExecutionId=next(one for one in numbers if one != waiting))
    execution = sql.ended(last)
    assert execution["Status"]["State"] == "SUCCEEDED"
    assert execution["Statistics"]["QueryQueueTimeInMillis"] > 100


@pytest.mark.e2e
def test_what_an_endpoint_that_ended_leaves(own, statements_of):
    sql = statements_of(clients(own))
    done = sql.run("SELECT 'kept' AS a").execution["QueryExecutionId"]
    number = sql.start(LONG)
    # A checkpoint follows within a moment, which is a long one where the machine is busy.
    until(lambda: (saved_state(own, done), saved_state(own, number)) == ("SUCCEEDED", "RUNNING"), 60)
    kill(own)
    again = Endpoint(own.home, 0)
    again.start()
    try:
        athena = clients(again)("athena")
        assert athena.list_query_executions()["QueryExecutionIds"] == [number, done]
        result = athena.get_query_results(QueryExecutionId=done)["ResultSet"]
        assert [row["Data"][0]["VarCharValue"] for row in result["Rows"]] == ["a", "kept"]
        for found in (
            athena.batch_get_query_execution(QueryExecutionIds=[number])["QueryExecutions"][0],
            athena.get_query_execution(QueryExecutionId=number)["QueryExecution"],
        ):
            assert found["Status"]["State"] == "FAILED"
            assert "endpoint ended" in found["Status"]["AthenaError"]["ErrorMessage"]
    finally:
        again.stop()


def test_changes_of_state_reach_a_queue(sql, aws):
    sqs, events = aws("sqs"), aws("events")
    name = f"athena-{uuid.uuid4().hex[:8]}"
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.athena"], "detail-type": ["Athena Query State Change"]}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])
    try:
        number = sql.run("SELECT 1").execution["QueryExecutionId"]
        failed = sql.start("SELECT nope")
        sql.ended(failed)
        found = {}

        def have_come():
            for one in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
                detail = json.loads(one["Body"])["detail"]
                key = (detail["queryExecutionId"], detail["previousState"], detail["currentState"])
                found[key] = detail
            return len(found) >= 4

        until(have_come)
    finally:
        events.remove_targets(Rule=name, Ids=["1"])
        events.delete_rule(Name=name)
    assert set(found) == {
        (number, "QUEUED", "RUNNING"),
        (number, "RUNNING", "SUCCEEDED"),
        (failed, "QUEUED", "RUNNING"),
        (failed, "RUNNING", "FAILED"),
    }
    detail = found[(failed, "RUNNING", "FAILED")]
    assert detail["workgroupName"] == "primary"
    assert detail["statementType"] == "DML"


# --- what is known of statements --------------------------------------------------------------------------------------


def test_fields_of_an_execution(sql, table):
    execution = sql.run("SELECT 1 AS a").execution
    number = execution["QueryExecutionId"]
    assert execution["Query"] == "SELECT 1 AS a"
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DML", "SELECT")
    assert execution["ResultConfiguration"]["OutputLocation"] == f"s3://{sql.bucket}/results/{number}.csv"
    assert execution["QueryExecutionContext"] == {"Database": sql.database}
    assert execution["WorkGroup"] == "primary"
    assert execution["EngineVersion"]["EffectiveEngineVersion"] == "Athena engine version 3"
    assert execution["Status"]["SubmissionDateTime"] <= execution["Status"]["CompletionDateTime"]
    assert {
        *("EngineExecutionTimeInMillis", "DataScannedInBytes", "TotalExecutionTimeInMillis"),
        *("QueryQueueTimeInMillis", "ServiceProcessingTimeInMillis"),
    } <= set(execution["Statistics"])

    execution = sql.run("SHOW DATABASES").execution
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DDL", "SHOW_DATABASES")
    assert execution["ResultConfiguration"]["OutputLocation"].endswith(f"{execution['QueryExecutionId']}.txt")

    made = sql.run(f"CREATE TABLE {table} WITH (format = 'JSON') AS SELECT 1 AS a UNION ALL SELECT 2")
    assert (made.execution["StatementType"], made.execution["SubstatementType"]) == ("DDL", "CREATE_TABLE_AS_SELECT")
    assert made.update_count == 2
    manifest = made.statistics["DataManifestLocation"]
    assert manifest == f"s3://{sql.bucket}/results/{made.execution['QueryExecutionId']}-manifest.csv"
    body = sql.s3.get_object(Bucket=sql.bucket, Key=manifest.split("/", 3)[3])["Body"].read().decode()
    for uri in body.split():
        sql.s3.head_object(Bucket=sql.bucket, Key=uri.split("/", 3)[3])


@pytest.mark.parametrize(
    ("text", "code", "category", "number"),
    [
        ("SELECT nope", "COLUMN_NOT_FOUND", 2, 1006),
        ("SELECT * FROM nope", "TABLE_NOT_FOUND", 2, 1301),
        ("SELEC 1", "SYNTAX_ERROR", 2, 1006),
        ("SELECT 1 / 0", "DIVISION_BY_ZERO", 2, 1006),
        ("GRANT SELECT ON t TO me", "NOT_SUPPORTED", 2, 1009),
    ],
)
def test_why_a_statement_failed(sql, text, code, category, number):
    execution = sql.ended(sql.start(text))
    error = execution["Status"]["AthenaError"]
    assert execution["Status"]["State"] == "FAILED"
    assert execution["Status"]["StateChangeReason"].startswith(f"{code}: ")
    assert error["ErrorMessage"] == execution["Status"]["StateChangeReason"]
    assert (error["ErrorCategory"], error["ErrorType"], error["Retryable"]) == (category, number, False)
    assert "did not finish successfully" in refusal(
        sql.athena.get_query_results, QueryExecutionId=execution["QueryExecutionId"]
    )


def test_scanned_bytes_are_counted(sql, table):
    sql.run(
        f"CREATE TABLE {table} WITH (format = 'PARQUET', write_compression = 'NONE', partitioned_by = ARRAY['p'], "
        f"external_location = '{sql.location(table)}') AS "
        "SELECT x, cast(uuid() AS varchar) AS u, x % 4 AS p FROM UNNEST(sequence(1, 10000)) t(x)"
    )

    def scanned(query):
        return sql.run(query).statistics["DataScannedInBytes"]

    wide, narrow = scanned(f"SELECT * FROM {table}"), scanned(f"SELECT sum(x) FROM {table}")
    pruned = scanned(f"SELECT sum(x) FROM {table} WHERE p = 1")
    assert 10000 * 36 < wide < 10000 * 60
    assert 10000 * 2 < narrow < wide / 3
    assert narrow / 5 < pruned < narrow / 3
    assert scanned(f"SELECT count(*) FROM {table}") == 0
    assert scanned("SELECT 1") == 0
    sql.run(
        f"CREATE TABLE {table}_i WITH (table_type = 'ICEBERG', is_external = false, location = "
        f"'{sql.location(table + '_i')}', partitioning = ARRAY['p']) AS SELECT * FROM {table}"
    )
    wide, narrow = scanned(f"SELECT * FROM {table}_i"), scanned(f"SELECT sum(x) FROM {table}_i")
    assert narrow < wide / 3
    assert narrow / 5 < scanned(f"SELECT sum(x) FROM {table}_i WHERE p = 1") < narrow / 3


def test_executions_are_listed_newest_first(sql, group):
    name = group()
    numbers = [sql.start(f"SELECT {one}", WorkGroup=name) for one in range(5)]
    for one in numbers:
        sql.ended(one)
    expected = numbers[::-1]
    assert sql.athena.list_query_executions(WorkGroup=name)["QueryExecutionIds"] == expected
    first = sql.athena.list_query_executions(WorkGroup=name, MaxResults=2)
    assert first["QueryExecutionIds"] == expected[:2]
    pages = sql.athena.get_paginator("list_query_executions").paginate(WorkGroup=name, PaginationConfig={"PageSize": 2})
    assert [one for page in pages for one in page["QueryExecutionIds"]] == expected
    found = sql.athena.batch_get_query_execution(QueryExecutionIds=[numbers[1], str(uuid.uuid4())])
    assert [one["Query"] for one in found["QueryExecutions"]] == ["SELECT 1"]
    assert len(found["UnprocessedQueryExecutionIds"]) == 1


# --- results ----------------------------------------------------------------------------------------------------------


def test_pages_of_a_result(sql):
    number = sql.run("SELECT x FROM UNNEST(sequence(1, 2500)) t(x) ORDER BY x").execution["QueryExecutionId"]

    def page(**options):
        answer = sql.athena.get_query_results(QueryExecutionId=number, **options)
        return [row["Data"][0]["VarCharValue"] for row in answer["ResultSet"]["Rows"]], answer.get("NextToken")

    first, token = page()
    assert first == ["x", *(str(one) for one in range(1, 1000))]
    second, token = page(NextToken=token)
    assert second == [str(one) for one in range(1000, 2000)]
    third, token = page(NextToken=token)
    assert third == [str(one) for one in range(2000, 2501)]
    assert token is None
    few, token = page(MaxResults=3)
    assert few == ["x", "1", "2"]
    assert page(MaxResults=2, NextToken=token)[0] == ["3", "4"]
    assert refusal(sql.athena.get_query_results, QueryExecutionId=number, NextToken="mine")
    with pytest.raises(ClientError):
        sql.athena.get_query_results(QueryExecutionId=number, MaxResults=1001)


TEXTS = ["", "a,b", 'say "hi"', '"', "two\nlines", "crlf\r\n", "tab\t", "ä€漢😀", " spaces ", "\\N", "NULL", "'", "\\"]


def test_texts_come_back_as_they_are(sql):
    listed = ", ".join("'" + text.replace("'", "''") + "'" for text in TEXTS)
    query = f"SELECT i, t, u FROM UNNEST(ARRAY[{listed}, NULL], sequence(1, {len(TEXTS) + 1})) x(t, i)"
    answered = sql.run(query.replace("SELECT i, t, u", "SELECT t, i, t AS u") + " ORDER BY i")
    assert answered.rows == [(text, str(index), text) for index, text in enumerate([*TEXTS, None], start=1)]
    key = answered.execution["ResultConfiguration"]["OutputLocation"].split("/", 3)[3]
    body = sql.s3.get_object(Bucket=sql.bucket, Key=key)["Body"].read().decode()
    assert body.startswith('"t","i","u"\n"","1",""\n')
    assert body.endswith(f',"{len(TEXTS) + 1}",\n')
    parsed = list(csv.reader(io.StringIO(body, newline="")))
    assert [row[0] for row in parsed[1:-1]] == TEXTS
    sql.s3.head_object(Bucket=sql.bucket, Key=f"{key}.metadata")


def test_a_single_null_is_a_row(sql):
    assert sql.rows("SELECT a FROM (VALUES 'x', NULL, '', NULL) t(a)") == [("x",), (None,), ("",), (None,)]


def test_names_of_columns_may_be_alike_or_strange(sql):
    answered = sql.run('SELECT 1 AS a, 2 AS a, 3 AS "B ""q""", 4')
    assert answered.names == ["a", "a", 'B "q"', "_col3"]
    assert answered.rows == [("1", "2", "3", "4")]


# Value, its text, Athena's type, precision and scale.
TYPES = [
    ("true", "true", "boolean", 0, 0),
    ("tinyint '1'", "1", "tinyint", 3, 0),
    ("smallint '-2'", "-2", "smallint", 5, 0),
    ("3", "3", "integer", 10, 0),
    ("bigint '9223372036854775807'", "9223372036854775807", "bigint", 19, 0),
    ("real '1.5'", "1.5", "float", 17, 0),
    ("1e0", "1.0", "double", 17, 0),
    ("1e10", "1.0E10", "double", 17, 0),
    ("infinity()", "Infinity", "double", 17, 0),
    ("nan()", "NaN", "double", 17, 0),
    ("decimal '12.50'", "12.50", "decimal", 4, 2),
    ("cast('x' AS varchar)", "x", "varchar", 2147483647, 0),
    ("'abc'", "abc", "varchar", 3, 0),
    ("cast('x' AS char(3))", "x  ", "char", 3, 0),
    ("date '2024-02-29'", "2024-02-29", "date", 0, 0),
    ("time '01:02:03'", "01:02:03.000", "time", 3, 0),
    ("timestamp '2024-01-02 03:04:05'", "2024-01-02 03:04:05.000", "timestamp", 3, 0),
    ("timestamp '2024-01-02 03:04:05.123456'", "2024-01-02 03:04:05.123456", "timestamp", 6, 0),
    (
        "timestamp '2024-01-02 03:04:05 Europe/Berlin'",
        "2024-01-02 03:04:05.000 Europe/Berlin",
        "timestamp with time zone",
        3,
        0,
    ),
    ("x'6162ff'", "61 62 ff", "varbinary", 1073741824, 0),
    ("interval '1' day", "1 00:00:00.000", "interval day to second", 0, 0),
    ("interval '14' month", "1-2", "interval year to month", 0, 0),
    ("json '{\"a\": 1}'", '{"a":1}', "json", 0, 0),
    ("ARRAY[1, NULL]", "[1, null]", "array", 0, 0),
    ("MAP(ARRAY['k'], ARRAY[1.5e0])", "{k=1.5}", "map", 0, 0),
    ("CAST(ROW(1, 'x', NULL) AS ROW(a int, b varchar, c int))", "{a=1, b=x, c=null}", "row", 0, 0),
    ("NULL", None, "unknown", 0, 0),
]


@pytest.mark.parametrize(("value", "text", "kind", "precision", "scale"), TYPES)
def test_every_type_has_its_text_and_description(sql, value, text, kind, precision, scale):
    answered = sql.run(f"SELECT {value} AS c")
    (column,) = answered.columns
    assert answered.rows == [(text,)]
    assert (column["Type"], column["Precision"], column["Scale"]) == (kind, precision, scale)
    assert (column["Name"], column["Label"], column["Nullable"]) == ("c", "c", "UNKNOWN")
    assert column["CaseSensitive"] is (kind in {"varchar", "char"})


def test_explain_shows_a_plan(sql):
    answered = sql.athena.get_query_results(
        QueryExecutionId=sql.ended(sql.start("EXPLAIN SELECT 1 AS a"))["QueryExecutionId"]
    )
    assert answered["ResultSet"]["ResultSetMetadata"]["ColumnInfo"][0]["Name"] == "Query Plan"
    assert answered["ResultSet"]["Rows"]


def test_a_result_whose_object_is_gone_is_told(sql):
    number = sql.run("SELECT 1").execution["QueryExecutionId"]
    sql.s3.delete_object(Bucket=sql.bucket, Key=f"results/{number}.csv")
    assert "not found" in refusal(sql.athena.get_query_results, QueryExecutionId=number)


def test_a_table_that_is_damaged_fails_by_name(sql, table):
    sql.put(f"{table}/one", b"this is no parquet")
    sql.run(f"CREATE EXTERNAL TABLE {table} (a int) STORED AS PARQUET LOCATION '{sql.location(table)}'")
    assert sql.fails(f"SELECT * FROM {table}").startswith("HIVE_BAD_DATA")
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1, 2]}), sink)
    sql.put(f"{table}/one", sink.getvalue().to_pybytes())
    assert sql.rows(f"SELECT sum(a) FROM {table}") == [("3",)]
