"""ETags: the MD5 of what was sent, but not under a KMS key, where they tell nothing of the bytes.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ministack.services import s3

from lakehouse.local.received_body import Head, ReceivedBody
from lakehouse.local.registry import fixes

_S3 = "ministack.services.s3"
_MD5_BYTES = 16
_is_opaque: ContextVar[bool] = ContextVar("is_opaque", default=False)


def tells_nothing(sse_headers: Mapping[str, str]) -> bool:
    """Whether the ETag of an object with this encryption is opaque.

    Args:
        sse_headers: Its ``x-amz-server-side-encryption`` headers.

    Returns:
        True under a KMS key.
    """
    return sse_headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")


def needs_md5(head: Head) -> bool:
    """Whether somebody will ask for the MD5 of a body that is about to come.

    Args:
        head: The head of its request.

    Returns:
        False for a part of an upload under a KMS key, unless the client sent an MD5 to compare with.
    """
    if head.has_md5 or head.part is None:
        return True
    # Whose upload it is, is not known before the request is authenticated.
    uploads = (upload for (_, name), upload in s3._multipart_uploads._data.items() if name == head.part[0])
    return not any(tells_nothing(s3._stored_sse_headers(upload)) for upload in uploads)


@contextmanager
def etags_under(sse_headers: Mapping[str, str]) -> Iterator[None]:
    """Within it, ETags are made for objects with this encryption.

    Args:
        sse_headers: Their ``x-amz-server-side-encryption`` headers.
    """
    token = _is_opaque.set(tells_nothing(sse_headers))
    try:
        yield
    finally:
        _is_opaque.reset(token)


@fixes(
    "s3",
    "PutObject",
    replaces=f"{_S3}:md5_hash",
    signature="(data)",
    symptom="the ETag of a big body stalls every other request; under a KMS key it is the MD5 as well, so that what "
    "relies on that works here and not on AWS",
)
def md5_hash(original: Callable[..., str]) -> Callable[..., str]:
    """The digest that was computed while the body came in; under a KMS key, one that nobody can compute."""

    def replacement(data: Any) -> str:
        if _is_opaque.get():
            return secrets.token_hex(_MD5_BYTES)
        if isinstance(data, ReceivedBody) and data.md5 is not None:
            return data.md5.hex()
        return original(data)

    return replacement
