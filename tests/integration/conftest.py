from __future__ import annotations

import io
import json
import sys
import uuid
import zipfile

import pytest

from lakehouse.local.endpoint import Endpoint

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


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
