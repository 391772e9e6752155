"""Completing a multipart upload: S3's checks, full-object checksums, one step from parts to object.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import reduce
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from awscrt import checksums
from defusedxml.ElementTree import ParseError, fromstring  # type: ignore[import-untyped]
from ministack.core.responses import get_account_id, now_iso
from ministack.services import s3

from lakehouse.local.fixes.s3_checksums import COMPOSITE, type_of
from lakehouse.local.fixes.s3_uploads import is_published
from lakehouse.local.registry import fixes
from lakehouse.local.upload_folder import UploadFolder

Json = dict[str, Any]
Headers = dict[str, str]
Answer = tuple[int, Headers, Any]

_S3 = "ministack.services.s3"
# Every part but the last: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_SMALLEST_PART_BYTES = 5 * 1024**2
_COMBINE: dict[str, tuple[Callable[[int, int, int], int], int]] = {
    "CRC64NVME": (checksums.combine_crc64nvme, 8),
    "CRC32": (checksums.combine_crc32, 4),
    "CRC32C": (checksums.combine_crc32c, 4),
}


class _RefusedError(Exception):
    """A completion that S3 refuses; carries its answer."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.message, self.status = code, message, status


@fixes(
    "s3",
    "CompleteMultipartUpload",
    replaces=f"{_S3}:_complete_multipart_upload",
    signature="(bucket_name, key, body, query_params, headers=None)",
    symptom="parts under 5 MiB are accepted, full-object checksums ignored, and the object is joined in memory",
)
def complete_multipart_upload(_original: Callable[..., Any]) -> Callable[..., Any]:
    """Checked as S3 checks, joined on disk."""

    def replacement(
        bucket_name: str, key: str, body: bytes, query_params: Json, headers: Headers | None = None
    ) -> Answer:
        sent = headers or {}
        upload_id = s3._qp(query_params, "uploadId")
        target = {"account": get_account_id(), "bucket": bucket_name, "key": key}
        answer: Answer
        if s3._ensure_bucket(bucket_name) is None:
            answer = s3._no_such_bucket(bucket_name)
        elif (done := s3._completed_multipart_uploads.get(upload_id)) is not None and done["key"] == key:
            # The same completion again, after a lost answer: S3 gives the same answer.
            answer = done["response"]
        elif upload_id not in s3._multipart_uploads and is_published(upload_id, target):
            # The same, where the endpoint was killed in between.
            answer = _answer(bucket_name, key, s3._buckets[bucket_name]["objects"][key], sent)
        else:
            try:
                answer = _complete(bucket_name, key, upload_id, body, sent)
            except _RefusedError as error:
                answer = s3._error(error.code, error.message, error.status, f"/{bucket_name}/{key}")
        return answer

    return replacement


def _complete(bucket_name: str, key: str, upload_id: str, body: bytes, sent: Headers) -> Answer:
    upload = s3._multipart_uploads.get(upload_id)
    if upload is None or (upload["bucket"], upload["key"]) != (bucket_name, key):
        raise _RefusedError("NoSuchUpload", "The specified multipart upload does not exist.", 404)
    refused: Answer | None = s3._check_sse_c_part(sent, upload) or s3._check_put_preconditions(
        sent, s3._buckets[bucket_name]["objects"].get(key)
    )
    if refused is not None:
        return refused
    parts = _listed_parts(body, upload)
    checksum = _checksum(parts, upload, sent)
    _check_size(parts, sent)
    return _publish(bucket_name, key, upload_id, parts, checksum, sent)


def _listed_parts(body: bytes, upload: Json) -> list[tuple[int, Json]]:
    """The parts that a completion lists, each compared with what was uploaded."""
    listed = _parse(body)
    numbers = [number for number, _, _ in listed]
    if numbers != sorted(set(numbers)):
        raise _RefusedError(
            "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number."
        )
    algorithm = upload["checksum_algorithm"]
    for number, etag, sent in listed:
        part = upload["parts"].get(number)
        is_known = part is not None and (not etag or etag.strip('"') == part["etag"].strip('"'))
        if not is_known or any(part["checksums"].get(name) != value for name, value in sent.items()):
            raise _RefusedError(
                "InvalidPart",
                "One or more of the specified parts could not be found. The part may not have been uploaded, or the "
                f"specified entity tag may not match the part's entity tag. Part number: {number}",
            )
        if upload["checksum_type"] == COMPOSITE and algorithm not in sent:
            raise _RefusedError(
                "InvalidRequest",
                f"The upload was created using a {algorithm.lower()} checksum. The complete request must include the "
                f"checksum for each part. It was missing for part {number} in the request.",
            )
    parts = [(number, upload["parts"][number]) for number in numbers]
    if any(part["size"] < _SMALLEST_PART_BYTES for _, part in parts[:-1]):
        raise _RefusedError("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
    return parts


def _parse(body: bytes) -> list[tuple[int, str, dict[str, str]]]:
    malformed = _RefusedError(
        "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"
    )
    try:
        root = fromstring(body)
    except ParseError as error:
        raise malformed from error
    listed = []
    for element in root:
        fields: dict[str, str] = {child.tag.rpartition("}")[2]: child.text or "" for child in element}
        if not fields.get("PartNumber", "").isdigit():
            raise malformed
        sent = {
            name.removeprefix("Checksum").upper(): value
            for name, value in fields.items()
            if name.startswith("Checksum")
        }
        listed.append((int(fields["PartNumber"]), fields.get("ETag", ""), sent))
    if not listed:
        raise malformed
    return listed


def _checksum(parts: list[tuple[int, Json]], upload: Json, sent: Headers) -> str:
    """The object's checksum, compared with the one the client computed."""
    algorithm, kind = upload["checksum_algorithm"], upload["checksum_type"]
    if (sent.get("x-amz-checksum-type") or kind).upper() != kind:
        raise _RefusedError(
            "InvalidRequest", f"The upload was created with checksum type {kind}, the completion names another."
        )
    values = [part["checksums"][algorithm] for _, part in parts]
    if kind == COMPOSITE:
        found = str(s3._composite_checksum(algorithm, values))
    else:
        found = _combined(algorithm, values, [part["size"] for _, part in parts])
    expected = sent.get(f"x-amz-checksum-{algorithm.lower()}")
    if expected and expected != found:
        raise _RefusedError("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")
    return found


def _combined(algorithm: str, values: list[str], sizes: list[int]) -> str:
    """The checksum of all bytes, out of the parts' checksums: no byte is read again."""
    combine, width = _COMBINE[algorithm]
    numbers = [int.from_bytes(base64.b64decode(value), "big") for value in values]
    whole = reduce(lambda left, right: combine(left, *right), zip(numbers[1:], sizes[1:], strict=True), numbers[0])
    return base64.b64encode(whole.to_bytes(width, "big")).decode()


def _check_size(parts: list[tuple[int, Json]], sent: Headers) -> None:
    declared = sent.get("x-amz-mp-object-size")
    found = sum(part["size"] for _, part in parts)
    if declared is not None and declared != str(found):
        raise _RefusedError(
            "InvalidRequest",
            f"The provided 'x-amz-mp-object-size' header value {declared} does not match what was computed: {found}",
        )


def _publish(
    bucket_name: str, key: str, upload_id: str, parts: list[tuple[int, Json]], checksum: str, sent: Headers
) -> Answer:
    """Make the object out of its parts, in one step for everybody else."""
    bucket, upload = s3._buckets[bucket_name], s3._multipart_uploads[upload_id]
    algorithm = upload["checksum_algorithm"]
    digests = b"".join(bytes.fromhex(part["etag"].strip('"')) for _, part in parts)
    etag = f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"'
    record: Json = {
        "body": _joined(upload, parts),
        "content_type": upload["content_type"],
        "content_encoding": upload.get("content_encoding"),
        "etag": etag,
        "last_modified": now_iso(),
        "size": sum(part["size"] for _, part in parts),
        "metadata": upload["metadata"],
        "preserved_headers": upload["preserved_headers"],
        "storage_class": upload["storage_class"],
        "parts": [{"PartNumber": number, "Size": part["size"]} for number, part in parts],
        "checksums": {algorithm: checksum},
        "checksum_type": upload["checksum_type"],
        "upload_id": upload_id,
    }
    prior = bucket["objects"].get(key)
    bucket["objects"][key] = record
    if bucket_name in s3._bucket_replication:
        record["body"] = record["body"].read_bytes()
        s3._maybe_replicate(bucket_name, key, record, record["body"])
    version_id = s3._record_object_version(bucket_name, key, prior, record, None)
    s3._object_tags[(bucket_name, key, record.get("version_id"))] = upload["tags"]
    s3._persist_object(bucket_name, key, record)
    del s3._multipart_uploads[upload_id]
    s3._fire_s3_event_async(
        bucket_name,
        key,
        "s3:ObjectCreated:CompleteMultipartUpload",
        size=record["size"],
        etag=etag,
        version_id=version_id,
    )
    answer = _answer(bucket_name, key, record, sent)
    s3._completed_multipart_uploads[upload_id] = {"key": key, "response": answer}
    return answer


def _answer(bucket_name: str, key: str, record: Json, sent: Headers) -> Answer:
    headers = {"Content-Type": "application/xml", **s3._stored_sse_headers(record)}
    if record.get("version_id"):
        headers["x-amz-version-id"] = record["version_id"]
    location = f"http://{sent.get('host', '')}/{bucket_name}/{key}"
    return 200, headers, s3._xml_body(_result(bucket_name, key, location, record))


def _joined(upload: Json, parts: list[tuple[int, Json]]) -> Path:
    """The file that was joined beforehand, unless a part was sent again meanwhile."""
    folder: UploadFolder = upload["folder"]
    joined_parts, joined = upload.pop("joined", (None, None))
    return joined if joined_parts == parts else folder.join(parts, upload["parts"])


@fixes(
    "s3",
    "CompleteMultipartUpload",
    replaces=f"{_S3}:handle_request",
    signature="(method, path, headers, body, query_params, signed_path=None, enforce_bucket_region=True, "
    "internal=False, access_point_region=None, access_point=None)",
    symptom="every other request waits while parts are joined: ranged reads take 0.5 s and more",
)
def handle_request(original: Callable[..., Awaitable[Answer]]) -> Callable[..., Awaitable[Answer]]:
    """Parts are joined by a thread before, and their files deleted by one after the upload ends."""

    async def replacement(
        method: str, path: str, headers: Headers, body: bytes, query_params: Json, *arguments: Any, **options: Any
    ) -> Answer:
        upload_id = s3._qp(query_params, "uploadId")
        upload = s3._multipart_uploads.get(upload_id) if upload_id else None
        if upload is not None and method == "POST":
            await _join_beforehand(upload, body)
        answer = await original(method, path, headers, body, query_params, *arguments, **options)
        if upload is not None and upload_id not in s3._multipart_uploads:
            await asyncio.to_thread(upload["folder"].remove)
        return answer

    return replacement


async def _join_beforehand(upload: Json, body: bytes) -> None:
    try:
        parts = _listed_parts(body, upload)
    except _RefusedError:
        return
    # Where somebody else completed it at the same time and was faster, the answer is theirs.
    with suppress(FileNotFoundError):
        joined = await asyncio.to_thread(upload["folder"].join, parts, upload["parts"])
        upload["joined"] = (parts, joined)


def _result(bucket_name: str, key: str, location: str, record: Json) -> Element:
    root = Element("CompleteMultipartUploadResult", xmlns=s3.S3_NS)
    ((algorithm, checksum),) = record["checksums"].items()
    fields = {
        "Location": location,
        "Bucket": bucket_name,
        "Key": key,
        "ETag": record["etag"],
        f"Checksum{algorithm}": checksum,
        "ChecksumType": type_of(record["checksums"]),
    }
    for name, value in fields.items():
        SubElement(root, name).text = value
    return root
