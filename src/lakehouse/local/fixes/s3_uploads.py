"""S3 multipart uploads: parts on disk, S3's limits, full-object checksums.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from xml.etree.ElementTree import Element, SubElement

from awscrt import checksums
from defusedxml.ElementTree import ParseError, fromstring  # type: ignore[import-untyped]
from ministack.core.responses import now_iso
from ministack.services import s3

from lakehouse.local.fixes.s3_checksums import COMPOSITE, DEFAULT_ALGORITHM, FULL_OBJECT
from lakehouse.local.place import current
from lakehouse.local.registry import fixes

Json = dict[str, Any]
Headers = dict[str, str]
Answer = tuple[int, Headers, Any]

_S3 = "ministack.services.s3"
# Every part but the last: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_SMALLEST_PART_BYTES = 5 * 1024**2
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
_MOST_TAGS = 10
_COPY_BYTES = 8 * 1024**2
_ALLOWED_TYPES = {
    "CRC64NVME": (FULL_OBJECT,),
    "CRC32": (COMPOSITE, FULL_OBJECT),
    "CRC32C": (COMPOSITE, FULL_OBJECT),
    "SHA1": (COMPOSITE,),
    "SHA256": (COMPOSITE,),
}
_COMBINE: dict[str, tuple[Callable[[int, int, int], int], int]] = {
    "CRC64NVME": (checksums.combine_crc64nvme, 8),
    "CRC32": (checksums.combine_crc32, 4),
    "CRC32C": (checksums.combine_crc32c, 4),
}


def _folder(upload_id: str) -> Path:
    return current().uploads / upload_id


@fixes(
    "s3",
    "CreateMultipartUpload",
    replaces=f"{_S3}:_create_multipart_upload",
    signature="(bucket_name, key, headers)",
    symptom="ChecksumType=FULL_OBJECT is ignored: the object gets a checksum of checksums; the object's tags are "
    "ignored, so that terraform plan shows them as drift",
)
def create_multipart_upload(original: Callable[..., Any]) -> Callable[..., Any]:
    """Tags, algorithm and type of the checksum are kept, and refused where S3 does."""

    def replacement(bucket_name: str, key: str, headers: Headers) -> Answer:
        asked = (headers.get("x-amz-checksum-algorithm") or headers.get("x-amz-sdk-checksum-algorithm") or "").upper()
        allowed = _ALLOWED_TYPES.get(asked or DEFAULT_ALGORITHM, (COMPOSITE,))
        kind = headers.get("x-amz-checksum-type", allowed[0]).upper()
        if kind not in allowed:
            message = (
                f"The {kind} checksum type cannot be used with the {asked or DEFAULT_ALGORITHM} checksum algorithm."
            )
            refused: Answer = s3._error("InvalidRequest", message, 400, f"/{bucket_name}/{key}")
            return refused
        tags = {
            name: values[0]
            for name, values in parse_qs(headers.get("x-amz-tagging", ""), keep_blank_values=True).items()
        }
        if len(tags) > _MOST_TAGS:
            many: Answer = s3._error("BadRequest", f"Object tags cannot be greater than {_MOST_TAGS}", 400)
            return many
        before = set(s3._multipart_uploads)
        status, answer, body = original(bucket_name, key, headers)
        if status == 200:
            (upload_id,) = set(s3._multipart_uploads) - before
            upload = s3._multipart_uploads[upload_id]
            upload["checksum_algorithm"] = asked or DEFAULT_ALGORITHM
            upload["checksum_type"] = kind
            upload["tags"] = tags
            if asked:
                answer["x-amz-checksum-type"] = kind
        return status, answer, body

    return replacement


@fixes(
    "s3",
    "UploadPart",
    replaces=f"{_S3}:_upload_part",
    signature="(bucket_name, key, body, query_params, headers)",
    symptom="the parts of an upload stay in memory until it is completed",
)
def upload_part(original: Callable[..., Any]) -> Callable[..., Any]:
    """A part goes to disk as soon as it was checked."""

    def replacement(bucket_name: str, key: str, body: bytes, query_params: Json, headers: Headers) -> Answer:
        answer: Answer = original(bucket_name, key, body, query_params, headers)
        if answer[0] == 200:
            _store_part(s3._qp(query_params, "uploadId"), int(s3._qp(query_params, "partNumber")))
        return answer

    return replacement


@fixes(
    "s3",
    "UploadPartCopy",
    replaces=f"{_S3}:_upload_part_copy",
    signature="(bucket_name, dest_key, query_params, headers)",
    symptom="a copied part stays in memory and has no checksum",
)
def upload_part_copy(original: Callable[..., Any]) -> Callable[..., Any]:
    """A copied part is stored and checked like a sent one."""

    def replacement(bucket_name: str, dest_key: str, query_params: Json, headers: Headers) -> Answer:
        answer: Answer = original(bucket_name, dest_key, query_params, headers)
        if answer[0] == 200:
            _store_part(s3._qp(query_params, "uploadId"), int(s3._qp(query_params, "partNumber", "1")))
        return answer

    return replacement


def _store_part(upload_id: str, number: int) -> None:
    upload = s3._multipart_uploads[upload_id]
    part = upload["parts"][number]
    body = part.pop("body")
    algorithm = upload["checksum_algorithm"]
    found = part.setdefault("checksums", {})
    if algorithm not in found:
        found[algorithm] = s3._compute_s3_checksum(algorithm, body)
    folder = _folder(upload_id)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = folder / f"{number}.partial"
    partial.write_bytes(body)
    partial.replace(folder / str(number))


@fixes(
    "s3",
    "AbortMultipartUpload",
    replaces=f"{_S3}:_abort_multipart_upload",
    signature="(bucket_name, key, query_params)",
    symptom="the parts of an aborted upload stay in memory until the answer is sent; on disk they would stay for good",
)
def abort_multipart_upload(original: Callable[..., Any]) -> Callable[..., Any]:
    """The parts go with the upload."""

    def replacement(bucket_name: str, key: str, query_params: Json) -> Answer:
        answer: Answer = original(bucket_name, key, query_params)
        folder = _folder(s3._qp(query_params, "uploadId"))
        if answer[0] == 204 and folder.is_dir():
            shutil.rmtree(folder)
        return answer

    return replacement


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
        answer: Answer
        if s3._ensure_bucket(bucket_name) is None:
            answer = s3._no_such_bucket(bucket_name)
        elif (done := s3._completed_multipart_uploads.get(upload_id)) is not None and done["key"] == key:
            # The same completion again, after a lost answer: S3 gives the same answer.
            answer = done["response"]
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
        "body": _join(upload_id, [number for number, _ in parts]),
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
    shutil.rmtree(_folder(upload_id))
    s3._fire_s3_event_async(
        bucket_name,
        key,
        "s3:ObjectCreated:CompleteMultipartUpload",
        size=record["size"],
        etag=etag,
        version_id=version_id,
    )
    headers = {"Content-Type": "application/xml", **s3._stored_sse_headers(record)}
    if version_id:
        headers["x-amz-version-id"] = version_id
    location = f"http://{sent.get('host', '')}/{bucket_name}/{key}"
    answer = (200, headers, s3._xml_body(_result(bucket_name, key, location, record)))
    s3._completed_multipart_uploads[upload_id] = {"key": key, "response": answer}
    return answer


def _join(upload_id: str, numbers: list[int]) -> Path:
    """Append the parts to the first one; each is removed once it is copied."""
    first, *others = (_folder(upload_id) / str(number) for number in numbers)
    joined = first.rename(first.with_name("object"))
    with joined.open("ab") as target:
        for path in others:
            with path.open("rb") as source:
                shutil.copyfileobj(source, target, _COPY_BYTES)
            path.unlink()
    return joined


def _result(bucket_name: str, key: str, location: str, record: Json) -> Element:
    root = Element("CompleteMultipartUploadResult", xmlns=s3.S3_NS)
    ((algorithm, checksum),) = record["checksums"].items()
    fields = {
        "Location": location,
        "Bucket": bucket_name,
        "Key": key,
        "ETag": record["etag"],
        f"Checksum{algorithm}": checksum,
        "ChecksumType": record["checksum_type"],
    }
    for name, value in fields.items():
        SubElement(root, name).text = value
    return root
