"""Properties of the whole configuration, read from a mocked apply: names, least privilege, encryption."""

from __future__ import annotations

import json
import re

import pytest

pytestmark = pytest.mark.e2e

# Actions that AWS ties to no resource; each stands in the configuration with a link to the page that says so.
WITHOUT_RESOURCES = {
    "cloudwatch:PutMetricData",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}

# The argument that carries the name people see.
NAME_ARGUMENTS = {
    "aws_athena_workgroup": "name",
    "aws_codebuild_project": "name",
    "aws_dynamodb_table": "name",
    "aws_glue_catalog_database": "name",
    "aws_glue_crawler": "name",
    "aws_glue_job": "name",
    "aws_glue_security_configuration": "name",
    "aws_iam_role": "name",
    "aws_kms_alias": "name",
    "aws_lambda_function": "function_name",
    "aws_s3_bucket": "bucket",
    "aws_sfn_state_machine": "name",
}


@pytest.fixture(scope="module")
def resources(initialise):
    """Every managed resource of a mocked apply of the environment sandbox: (type, address, values)."""
    applied = initialise(".").run("test", "-json", "-verbose", "-filter=tests/outputs.tftest.hcl")
    messages = [json.loads(line) for line in applied.stdout.splitlines()]
    states = [message["test_state"] for message in messages if message["type"] == "test_state"]
    assert states, applied.stdout[-2000:]
    return [
        (resource["type"], resource["address"], resource["values"])
        for module in (states[0]["root_module"], *states[0]["root_module"]["child_modules"])
        for resource in module.get("resources", [])
        if resource["mode"] == "managed"
    ]


@pytest.fixture(scope="module")
def statements(resources):
    """Every statement of the roles' policies: (address, statement)."""
    return [
        (address, statement)
        for kind, address, values in resources
        if kind == "aws_iam_role_policy"
        for statement in json.loads(values["policy"])["Statement"]
    ]


def listed(value):
    return value if isinstance(value, list) else [value]


def test_the_mocked_apply_is_of_the_whole_configuration(resources):
    assert len(resources) > 80


def test_every_name_follows_the_convention(resources):
    names = {address: values[NAME_ARGUMENTS[kind]] for kind, address, values in resources if kind in NAME_ARGUMENTS}
    kebab = re.compile(r"(alias/)?lakehouse-sandbox(-[a-z0-9]+)*")
    snake = re.compile(r"lakehouse_sandbox(_[a-z0-9]+)*")
    wrong = {
        address: name
        for address, name in names.items()
        if not (snake if "catalog_database" in address else kebab).fullmatch(name)
    }

    assert wrong == {}


def test_names_within_aws_limits(resources):
    limits = {"aws_iam_role": 64, "aws_s3_bucket": 63, "aws_lambda_function": 64, "aws_sfn_state_machine": 80}
    too_long = {
        address: values[NAME_ARGUMENTS[kind]]
        for kind, address, values in resources
        if kind in limits and len(values[NAME_ARGUMENTS[kind]]) > limits[kind]
    }

    assert too_long == {}


def test_every_bucket_name_ends_in_the_account_id(resources):
    buckets = [values["bucket"] for kind, _, values in resources if kind == "aws_s3_bucket"]

    assert [name for name in buckets if not name.endswith("-123456789012")] == []


def test_no_statement_allows_a_wildcard_action(statements):
    wild = [
        (address, statement["Sid"])
        for address, statement in statements
        if statement["Effect"] == "Allow" and any("*" in action for action in listed(statement["Action"]))
    ]

    assert wild == []


def test_every_resource_is_allowed_only_where_aws_knows_none(statements):
    unbounded = {
        (address, action)
        for address, statement in statements
        if statement["Effect"] == "Allow" and "*" in listed(statement["Resource"])
        for action in listed(statement["Action"])
        if action not in WITHOUT_RESOURCES
    }

    assert unbounded == set()


def test_every_statement_says_what_it_is_for(statements):
    assert [address for address, statement in statements if not statement.get("Sid")] == []


def test_nobody_may_delete_data_but_dbt_its_tables_and_the_maintenance_their_old_files(statements):
    deletions = [
        (address, resource)
        for address, statement in statements
        for action in listed(statement["Action"])
        if re.match(r"(s3|dynamodb|glue):(Batch)?Delete", action)
        for resource in listed(statement["Resource"])
    ]

    dbt, maintenance = "module.transformation.aws_iam_role_policy.dbt", "module.maintenance.aws_iam_role_policy.machine"
    assert {address for address, _ in deletions} == {dbt, maintenance}
    assert {resource.partition(":")[2] for address, resource in deletions if address == maintenance} == {
        "aws:s3:::lakehouse-sandbox-curated-123456789012/curated-data/*"
    }
    assert {resource.partition(":")[2] for _, resource in deletions} == {
        "aws:s3:::lakehouse-sandbox-curated-123456789012/curated-data/*",
        "aws:glue:eu-central-1:123456789012:catalog",
        "aws:glue:eu-central-1:123456789012:database/lakehouse_sandbox_curated",
        "aws:glue:eu-central-1:123456789012:table/lakehouse_sandbox_curated/*",
    }


def test_every_role_is_for_one_service_of_aws(resources):
    for kind, address, values in resources:
        if kind == "aws_iam_role":
            trust = json.loads(values["assume_role_policy"])["Statement"]
            principals = [principal for statement in trust for principal in listed(statement["Principal"]["Service"])]
            assert len(principals) == 1, f"{address} is assumed by {principals}"
            assert principals[0].endswith(".amazonaws.com"), f"{address} is assumed by {principals}"


def test_every_log_group_is_encrypted_and_expires(resources):
    groups = [(address, values) for kind, address, values in resources if kind == "aws_cloudwatch_log_group"]

    assert [address for address, values in groups if not values["kms_key_id"] or not values["retention_in_days"]] == []


def test_resources_say_which_component_they_belong_to(resources):
    untagged = [
        address
        for _, address, values in resources
        if isinstance(values.get("tags"), dict) and "Component" not in values["tags"]
    ]

    assert untagged == []
