"""What Terraform wrote is what Terraform reads: beside each fix, what the bare emulator forgets."""

from __future__ import annotations

import json
import uuid

import pytest

TAGS = {"Component": "catalog"}
DEFINITION = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})


@pytest.fixture
def name():
    return f"thing-{uuid.uuid4().hex[:8]}"


@pytest.fixture(params=["endpoint", "bare emulator"])
def emulator(request, aws, bare_aws):
    """Both: what is mended here must be broken there."""
    return (aws, True) if request.param == "endpoint" else (bare_aws, False)


def arn(kind, name):
    return f"arn:aws:glue:us-east-1:000000000000:{kind}/{name}"


def test_a_crawler_keeps_its_tags_and_gets_glues_defaults(emulator, name, function_role):
    clients, is_mended = emulator
    glue = clients("glue")
    role = function_role(clients("iam"), name)
    glue.create_crawler(
        Name=name,
        Role=role,
        DatabaseName="raw",
        Targets={"S3Targets": [{"Path": "s3://bucket/raw"}]},
        SchemaChangePolicy={"UpdateBehavior": "LOG"},
        Tags=TAGS,
    )
    crawler = glue.get_crawler(Name=name)["Crawler"]
    assert (glue.get_tags(ResourceArn=arn("crawler", name))["Tags"] == TAGS) is is_mended
    assert (crawler.get("RecrawlPolicy") == {"RecrawlBehavior": "CRAWL_EVERYTHING"}) is is_mended
    assert (crawler.get("LineageConfiguration") == {"CrawlerLineageSettings": "DISABLE"}) is is_mended
    policy = {"UpdateBehavior": "LOG", "DeleteBehavior": "DEPRECATE_IN_DATABASE"}
    assert (crawler["SchemaChangePolicy"] == policy) is is_mended


def test_a_changed_crawler_keeps_glues_defaults(emulator, name, function_role):
    clients, is_mended = emulator
    glue = clients("glue")
    role = function_role(clients("iam"), name)
    glue.create_crawler(Name=name, Role=role, Targets={"S3Targets": [{"Path": "s3://bucket/raw"}]})
    glue.update_crawler(Name=name, SchemaChangePolicy={"DeleteBehavior": "LOG"})
    policy = glue.get_crawler(Name=name)["Crawler"]["SchemaChangePolicy"]
    assert (policy == {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "LOG"}) is is_mended


def test_a_job_keeps_its_tags_and_its_limit_of_runs(emulator, name, function_role):
    clients, is_mended = emulator
    glue = clients("glue")
    glue.create_job(
        Name=name,
        Role=function_role(clients("iam"), name),
        Command={"Name": "glueetl", "ScriptLocation": "s3://bucket/script.py"},
        ExecutionProperty={"MaxConcurrentRuns": 7},
        Tags=TAGS,
    )
    job = glue.get_job(JobName=name)["Job"]
    assert (glue.get_tags(ResourceArn=arn("job", name))["Tags"] == TAGS) is is_mended
    assert (job.get("ExecutionProperty") == {"MaxConcurrentRuns": 7}) is is_mended


def test_a_connection_keeps_its_tags(emulator, name):
    clients, is_mended = emulator
    glue = clients("glue")
    connection = {"Name": name, "ConnectionType": "NETWORK", "ConnectionProperties": {}}
    glue.create_connection(ConnectionInput=connection, Tags=TAGS)
    assert (glue.get_tags(ResourceArn=arn("connection", name))["Tags"] == TAGS) is is_mended


def test_a_state_machine_keeps_its_tracing(emulator, name, function_role):
    clients, is_mended = emulator
    states = clients("stepfunctions")
    machine = states.create_state_machine(
        name=name,
        definition=DEFINITION,
        roleArn=function_role(clients("iam"), name),
        tracingConfiguration={"enabled": True},
    )["stateMachineArn"]
    described = states.describe_state_machine(stateMachineArn=machine)
    assert (described.get("tracingConfiguration") == {"enabled": True}) is is_mended
    states.update_state_machine(stateMachineArn=machine, tracingConfiguration={"enabled": False})
    described = states.describe_state_machine(stateMachineArn=machine)
    assert (described.get("tracingConfiguration") == {"enabled": False}) is is_mended
