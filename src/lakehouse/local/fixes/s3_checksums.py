"""S3 checksums: computed natively, present on every object, of the type that AWS names.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from awscrt import checksums
from ministack.services import s3

from lakehouse.local.fixes.s3_etags import etags_under
from lakehouse.local.received_body import DEFAULT_ALGORITHM
from lakehouse.local.registry import fixes

Json = dict[str, Any]
Headers = dict[str, str]
Answer = tuple[int, Headers, Any]

_S3 = "ministack.services.s3"
COMPOSITE = "COMPOSITE"
FULL_OBJECT = "FULL_OBJECT"


def type_of(values: Json) -> str:
    """The checksum type of an object's stored checksums.

    Args:
        values: Checksum by algorithm.

    Returns:
        ``COMPOSITE`` for a checksum of checksums, which carries the number of parts (``…-3``), else ``FULL_OBJECT``.
    """
    return COMPOSITE if any("-" in value for value in values.values()) else FULL_OBJECT


@fixes(
    "s3",
    "PutObject",
    replaces=f"{_S3}:_crc64nvme",
    signature="(body)",
    symptom="the checksum of 60 MB takes 13 s of Python and stalls every other request",
)
def crc64nvme(_original: Callable[..., Any]) -> Callable[..., Any]:
    """CRC64NVME by the AWS C runtime."""
    return checksums.crc64nvme  # type: ignore[no-any-return]


@fixes(
    "s3",
    "PutObject",
    replaces=f"{_S3}:_crc32c",
    signature="(body)",
    symptom="the checksum of 60 MB takes seconds of Python and stalls every other request",
)
def crc32c(_original: Callable[..., Any]) -> Callable[..., Any]:
    """CRC32C by the AWS C runtime."""
    return checksums.crc32c  # type: ignore[no-any-return]


@fixes(
    "s3",
    "PutObject",
    replaces=f"{_S3}:_resolve_object_checksums",
    signature="(body, headers)",
    symptom="an object uploaded without a checksum has none, where S3 computes CRC64NVME",
)
def resolve_object_checksums(original: Callable[..., Any]) -> Callable[..., Any]:
    """Every object has a checksum."""

    def replacement(body: bytes, headers: Headers) -> tuple[Json, Answer | None]:
        found, refusal = original(body, headers)
        if refusal is None and not found:
            found = {DEFAULT_ALGORITHM: s3._compute_s3_checksum(DEFAULT_ALGORITHM, body)}
        return found, refusal

    return replacement


@fixes(
    "s3",
    "PutObject",
    replaces=f"{_S3}:_put_object",
    signature="(bucket_name, key, body, headers)",
    symptom="the answer to an upload names no checksum",
)
def put_object(original: Callable[..., Any]) -> Callable[..., Any]:
    """The answer carries the checksum that was computed or verified."""

    def replacement(bucket_name: str, key: str, body: bytes, headers: Headers) -> Answer:
        encryption, _ = s3._resolve_sse_write_headers(headers, bucket_name)
        with etags_under(encryption or {}):
            status, answer, content = original(bucket_name, key, body, headers)
        if status == 200:
            stored = s3._buckets[bucket_name]["objects"][key]["checksums"]
            answer |= {f"x-amz-checksum-{name.lower()}": value for name, value in stored.items()}
            answer["x-amz-checksum-type"] = FULL_OBJECT
        return status, answer, content

    return replacement


@fixes(
    "s3",
    "HeadObject",
    replaces=f"{_S3}:_object_response_headers",
    signature="(obj, bucket_name='', key='', include_checksums=False)",
    symptom="after a restart a composite checksum is called a full-object one, and the encryption's default is missing",
)
def object_response_headers(original: Callable[..., Any]) -> Callable[..., Any]:
    """Checksum type from the checksum itself."""

    def replacement(obj: Json, bucket_name: str = "", key: str = "", include_checksums: bool = False) -> Headers:
        answer: Headers = original(obj, bucket_name, key, include_checksums)
        if "x-amz-checksum-type" in answer:
            answer["x-amz-checksum-type"] = type_of(obj["checksums"])
        return answer

    return replacement


@fixes(
    "s3",
    "GetObjectAttributes",
    replaces=f"{_S3}:_get_object_attributes",
    signature="(bucket_name, key, headers, query_params)",
    symptom="the full-object checksum of a multipart upload is called a composite one",
)
def get_object_attributes(original: Callable[..., Any]) -> Callable[..., Any]:
    """Checksum type from the checksum itself."""

    def replacement(bucket_name: str, key: str, headers: Headers, query_params: Json) -> Answer:
        status, answer, body = original(bucket_name, key, headers, query_params)
        if status == 200:
            # No checksum but a composite one holds a hyphen: base64 has none.
            composite = b"-" in body.partition(b"<Checksum>")[2].partition(b"<ChecksumType>")[0]
            body = body.replace(
                b"<ChecksumType>COMPOSITE<" if not composite else b"<ChecksumType>FULL_OBJECT<",
                b"<ChecksumType>FULL_OBJECT<" if not composite else b"<ChecksumType>COMPOSITE<",
            )
        return status, answer, body

    return replacement


@fixes(
    "s3",
    "PutObject",
    replaces=f"{_S3}:_bucket_default_sse_headers",
    signature="(bucket_name)",
    symptom="an answer does not say that a bucket key is used, nor that S3 encrypts by default",
)
def bucket_default_sse_headers(original: Callable[..., Any]) -> Callable[..., Any]:
    """The encryption that a write gets by its bucket's default."""

    def replacement(bucket_name: str) -> Headers:
        answer: Headers = original(bucket_name) or {"x-amz-server-side-encryption": "AES256"}
        configuration = s3._bucket_encryption.get(bucket_name) or ""
        text = configuration.decode() if isinstance(configuration, bytes) else str(configuration)
        if answer["x-amz-server-side-encryption"].startswith("aws:kms") and "<BucketKeyEnabled>true<" in text:
            answer["x-amz-server-side-encryption-bucket-key-enabled"] = "true"
        return answer

    return replacement
