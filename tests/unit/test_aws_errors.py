"""What AWS answers, in our words: whether trying again may help decides the class."""

from __future__ import annotations

import io
import zlib

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from urllib3 import HTTPResponse

from lakehouse.aws_errors import client_config, error_code, translate
from lakehouse.convert import crc32
from lakehouse.convert.multipart import MultipartUpload
from lakehouse.errors import (
    AccessDeniedError,
    FileVanishedError,
    PermanentError,
    ServiceUnavailableError,
    ThrottledError,
    TransientError,
)


def answer(code: str, status: int = 400, tries: int = 0) -> ClientError:
    metadata = {"HTTPStatusCode": status, "RetryAttempts": tries}
    return ClientError({"Error": {"Code": code, "Message": "what AWS said"}, "ResponseMetadata": metadata}, "Operation")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (answer("SlowDown", 503), ThrottledError),
        (answer("ThrottlingException"), ThrottledError),
        (answer("ProvisionedThroughputExceededException"), ThrottledError),
        (answer("Unheard", 429), ThrottledError),
        (answer("InternalError", 500), ServiceUnavailableError),
        (answer("503", 503), ServiceUnavailableError),
        (answer("RequestTimeout", 400), ServiceUnavailableError),
        (answer("NoSuchKey", 404), FileVanishedError),
        (answer("NoSuchVersion", 404), FileVanishedError),
        (answer("AccessDeniedException"), AccessDeniedError),
        (answer("403", 403), AccessDeniedError),
        (answer("ExpiredToken"), AccessDeniedError),
        (answer("ResourceNotFoundException"), PermanentError),
        (answer("NoSuchBucket", 404), PermanentError),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), ServiceUnavailableError),
        (ConnectTimeoutError(endpoint_url="http://127.0.0.1:9"), ServiceUnavailableError),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1:9"), ServiceUnavailableError),
        (ConnectionClosedError(endpoint_url="http://127.0.0.1:9"), ServiceUnavailableError),
        (NoCredentialsError(), AccessDeniedError),
        (ParamValidationError(report="Missing required parameter"), PermanentError),
    ],
)
def test_every_error_of_botocore_becomes_one_of_ours(error: Exception, expected: type[Exception]) -> None:
    translated = translate(error, "reading s3://raw/a")  # type: ignore[arg-type]
    assert type(translated) is expected
    assert str(translated).startswith("Reading s3://raw/a failed: ")
    assert str(translated).endswith(".")


def test_the_message_holds_what_aws_said_and_how_often_it_was_asked() -> None:
    message = str(translate(answer("SlowDown", 503, tries=7), "Reading s3://raw/a"))
    assert "SlowDown (what AWS said) to 8 attempts" in message


def test_only_errors_that_may_pass_are_transient() -> None:
    assert isinstance(translate(answer("SlowDown", 503), "x"), TransientError)
    assert not isinstance(translate(answer("ValidationException"), "x"), TransientError)


def test_the_code_is_known_where_aws_answered() -> None:
    assert error_code(answer("NoSuchKey", 404)) == "NoSuchKey"
    assert error_code(NoCredentialsError()) == ""


def test_every_client_retries_in_the_same_way() -> None:
    config = client_config(read_timeout_seconds=5)
    assert config.retries == {"mode": "standard", "total_max_attempts": 8}
    assert config.read_timeout == 5


@pytest.mark.parametrize("url", ["https://s3.eu-central-1.amazonaws.com", "http://127.0.0.1:1"])
def test_the_bytes_of_a_part_are_protected_by_their_crc_and_not_hashed_once_more_for_the_signature(url: str) -> None:
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "eu-central-1"}
    client = boto3.client("s3", config=client_config(), endpoint_url=url, **keys)
    sent: list[dict[str, bytes]] = []

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        sent.append({name.lower(): value for name, value in request.headers.items()})
        return AWSResponse(request.url, 200, {}, HTTPResponse(io.BytesIO(), preload_content=False))

    client.meta.events.register("before-send.s3.UploadPart", answer)
    upload = MultipartUpload("bucket", "key", "id")
    upload.put(client, 1, b"bytes", 5, zlib.crc32(b"bytes"))
    assert sent[0]["x-amz-content-sha256"] == b"UNSIGNED-PAYLOAD"
    assert sent[0]["x-amz-checksum-crc32"] == crc32.base64_text(zlib.crc32(b"bytes")).encode()
