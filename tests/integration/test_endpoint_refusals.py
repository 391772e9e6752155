"""What nothing executes is refused by name, at once, whoever asks."""

from __future__ import annotations

import json
import time
import uuid

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lakehouse.local.coverage import ALL_OTHERS, rows

CALLS = [
    ("athena", "get_query_runtime_statistics", {"QueryExecutionId": "x"}, "athena GetQueryRuntimeStatistics"),
    ("glue", "start_trigger", {"Name": "x"}, "glue StartTrigger"),
    ("glue", "start_workflow_run", {"Name": "x"}, "glue StartWorkflowRun"),
    ("glue", "create_workflow", {"Name": "x"}, "glue CreateWorkflow"),
    (
        "dynamodb",
        "export_table_to_point_in_time",
        {"TableArn": "arn:aws:dynamodb:us-east-1:000000000000:table/abc", "S3Bucket": "abc"},
        "dynamodb ExportTableToPointInTime",
    ),
    ("s3", "restore_object", {"Bucket": "abc", "Key": "k", "RestoreRequest": {"Days": 1}}, "s3 RestoreObject"),
    ("secretsmanager", "rotate_secret", {"SecretId": "x"}, "secretsmanager RotateSecret"),
    ("iam", "generate_credential_report", {}, "iam GenerateCredentialReport"),
    ("sns", "create_platform_application", {"Name": "x", "Platform": "y", "Attributes": {}}, "sns CreatePlatform"),
    ("codebuild", "start_build_batch", {"projectName": "x"}, "codebuild StartBuildBatch"),
    ("sagemaker", "list_models", {}, "sagemaker ListModels"),
    ("batch", "submit_job", {"jobName": "a", "jobQueue": "b", "jobDefinition": "c"}, "batch "),
    ("emr", "list_clusters", {}, "elasticmapreduce ListClusters"),
    ("emr-serverless", "list_applications", {}, "emr-serverless "),
    ("ecs", "run_task", {"taskDefinition": "x"}, "ecs RunTask"),
    ("ec2", "describe_vpcs", {}, "ec2 "),
    ("redshift", "describe_clusters", {}, "redshift "),
    ("xray", "get_groups", {}, "xray "),
    ("lakeformation", "list_resources", {}, "lakeformation "),
    ("bedrock-runtime", "invoke_model", {"modelId": "x", "body": b"{}"}, "bedrock "),
]


@pytest.mark.parametrize(("service", "method", "arguments", "named"), CALLS)
def test_a_call_that_nothing_executes_is_refused_by_name(aws, service, method, arguments, named):
    # A client that retries would be seen here: its default is several attempts with a backoff.
    client = aws(service, config=Config(retries={"mode": "standard", "max_attempts": 5}))
    with pytest.raises(ClientError) as caught:
        getattr(client, method)(**arguments)
    error = caught.value.response
    assert error["Error"]["Code"] == "NotExecutedLocally"
    assert named in error["Error"]["Message"]
    assert error["ResponseMetadata"]["RetryAttempts"] == 0


def test_the_bare_emulator_pretends(bare_aws):
    glue = bare_aws("glue")
    glue.create_trigger(Name="nightly", Type="ON_DEMAND", Actions=[{"JobName": "no-such-job"}])
    assert glue.start_trigger(Name="nightly")["Name"] == "nightly"


@pytest.mark.parametrize(
    ("service", "method", "arguments"),
    [
        ("glue", "start_data_quality_rule_recommendation_run", {"DataSource": {}, "Role": "r"}),
        ("athena", "start_session", {"WorkGroup": "w", "EngineConfiguration": {"MaxConcurrentDpus": 2}}),
        ("kms", "list_key_rotations", {"KeyId": "x"}),
        ("logs", "create_export_task", {"logGroupName": "a", "fromTime": 1, "to": 2, "destination": "x"}),
        ("cloudwatch", "put_anomaly_detector", {}),
        ("sqs", "start_message_move_task", {"SourceArn": "a"}),
        ("ssm", "start_automation_execution", {"DocumentName": "x"}),
        ("dynamodb", "update_table_replica_auto_scaling", {"TableName": "abc"}),
        ("iam", "list_service_specific_credentials", {}),
        ("sns", "get_sms_attributes", {}),
    ],
)
def test_an_operation_that_nobody_knows_is_never_a_success(aws, service, method, arguments):
    config = Config(parameter_validation=False, retries={"max_attempts": 1})
    with pytest.raises(ClientError) as caught:
        getattr(aws(service, config=config), method)(**arguments)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in {400, 404}


def test_a_state_machines_task_is_refused_alike(aws, function_role):
    states, name = aws("stepfunctions"), f"machine-{uuid.uuid4().hex[:8]}"
    definition = {
        "StartAt": "Query",
        "States": {
            "Query": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:glue:startTrigger",
                "Parameters": {"Name": "nightly"},
                "End": True,
            }
        },
    }
    machine = states.create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=function_role(aws("iam"), name)
    )
    run = states.start_execution(stateMachineArn=machine["stateMachineArn"])
    deadline = time.monotonic() + 20
    while (found := states.describe_execution(executionArn=run["executionArn"]))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found["status"] == "FAILED"
    assert "NotExecutedLocally" in found["error"]
    assert "glue StartTrigger is not executed" in found["cause"]


def test_an_events_target_that_nothing_reaches_is_refused(aws):
    events = aws("events")
    events.put_rule(Name="rule", EventPattern='{"source": ["x"]}')
    with pytest.raises(ClientError, match="nothing on the laptop delivers to arn:aws:logs"):
        events.put_targets(
            Rule="rule", Targets=[{"Id": "1", "Arn": "arn:aws:logs:us-east-1:000000000000:log-group:events"}]
        )
    assert events.list_targets_by_rule(Rule="rule")["Targets"] == []


def test_an_e_mail_subscription_is_refused(aws):
    sns = aws("sns")
    topic = sns.create_topic(Name=f"topic-{uuid.uuid4().hex[:8]}")["TopicArn"]
    with pytest.raises(ClientError, match="delivers no email"):
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="someone@example.com")


def test_the_bare_emulator_accepts_targets_and_subscriptions_that_lead_nowhere(bare_aws):
    events, sns = bare_aws("events"), bare_aws("sns")
    events.put_rule(Name="rule", EventPattern='{"source": ["x"]}')
    target = {"Id": "1", "Arn": "arn:aws:codebuild:us-east-1:000000000000:project/build"}
    assert events.put_targets(Rule="rule", Targets=[target])["FailedEntryCount"] == 0
    topic = sns.create_topic(Name="topic")["TopicArn"]
    assert sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="someone@example.com")["SubscriptionArn"]


def test_the_coverage_says_what_is_executed_fixed_refused_and_kept_as_state():
    found = {(row.service, row.operation): row for row in rows()}
    assert found["glue", "StartJobRun"].kind == "executed"
    assert found["s3", "CompleteMultipartUpload"].kind == "fixed"
    assert found["athena", "StartQueryExecution"].kind == "executed"
    assert found["athena", "GetQueryRuntimeStatistics"].kind == "refused"
    assert found["iam", ALL_OTHERS].kind == "state only"
    assert all(row.note for row in rows() if row.kind in {"fixed", "refused"})
