"""S3 multipart uploads: their parts are on disk, and they outlive the endpoint's process, as on S3.

Completing one is in ``s3_completion``.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from ministack.core.responses import get_account_id
from ministack.services import s3

from lakehouse.local.fixes.s3_checksums import COMPOSITE, FULL_OBJECT
from lakehouse.local.fixes.s3_etags import etags_under
from lakehouse.local.object_files import metadata_of
from lakehouse.local.place import current
from lakehouse.local.received_body import DEFAULT_ALGORITHM, Head, Slot
from lakehouse.local.registry import fixes
from lakehouse.local.upload_folder import UploadFolder

Json = dict[str, Any]
Headers = dict[str, str]
Answer = tuple[int, Headers, Any]

_S3 = "ministack.services.s3"
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
_MOST_TAGS = 10
_ALLOWED_TYPES = {
    "CRC64NVME": (FULL_OBJECT,),
    "CRC32": (COMPOSITE, FULL_OBJECT),
    "CRC32C": (COMPOSITE, FULL_OBJECT),
    "SHA1": (COMPOSITE,),
    "SHA256": (COMPOSITE,),
}


def slot_of(head: Head) -> Slot | None:
    """Where a part that is about to come can be written at once.

    Args:
        head: The head of its request.

    Returns:
        The place; None where it is no part of an upload in progress, or does not fit.
    """
    upload_id, number = head.part or ("", 0)
    # Whose upload it is, is not known before the request is authenticated.
    uploads = (upload for (_, name), upload in s3._multipart_uploads._data.items() if name == upload_id)
    return next((upload["folder"].slot(number, head.size) for upload in uploads), None)


def restore() -> None:
    """Take up the uploads that were in progress when the endpoint ended.

    One that was published, but not forgotten before a kill, is forgotten now.
    """
    for path in current().uploads.glob("*"):
        folder = UploadFolder(path)
        upload = folder.read()
        if upload is None or is_published(path.name, upload):
            folder.remove()
        else:
            s3._multipart_uploads._data[upload["account"], path.name] = {**upload, "folder": folder}


def is_published(upload_id: str, upload: Json) -> bool:
    """Whether the current object of an upload's key was made by it.

    Args:
        upload_id: The upload.
        upload: Its ``account``, ``bucket`` and ``key``.

    Returns:
        True where it was.
    """
    path = s3._object_disk_path(upload["bucket"], upload["key"], upload["account"])
    try:
        metadata = json.loads(metadata_of(Path(path)).read_bytes())
    except FileNotFoundError:
        return False
    return bool(metadata.get("upload_id") == upload_id)


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
            upload["account"] = get_account_id()
            folder = UploadFolder(current().uploads / upload_id)
            folder.begin({name: value for name, value in upload.items() if name != "parts"})
            upload["folder"] = folder
            if asked:
                answer["x-amz-checksum-type"] = kind
        return status, answer, body

    return replacement


@fixes(
    "s3",
    "UploadPart",
    replaces=f"{_S3}:_upload_part",
    signature="(bucket_name, key, body, query_params, headers)",
    symptom="the parts of an upload stay in memory until it is completed, and are lost with the process",
)
def upload_part(original: Callable[..., Any]) -> Callable[..., Any]:
    """A part goes to disk as soon as it was checked."""

    def replacement(bucket_name: str, key: str, body: bytes, query_params: Json, headers: Headers) -> Answer:
        upload_id = s3._qp(query_params, "uploadId")
        with etags_under(s3._stored_sse_headers(s3._multipart_uploads.get(upload_id) or {})):
            answer: Answer = original(bucket_name, key, body, query_params, headers)
        if answer[0] == 200:
            _store_part(upload_id, int(s3._qp(query_params, "partNumber")))
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
    upload["folder"].add_part(number, part, body)
