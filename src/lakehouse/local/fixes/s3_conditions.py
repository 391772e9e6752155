"""S3 conditional writes: what S3 refuses to judge is refused here too.

The emulator itself judges the conditions, in the same step of its event loop that publishes: of several requests at a
time, one wins.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import s3

from lakehouse.local.registry import fixes

Json = dict[str, Any]
Headers = dict[str, str]
Answer = tuple[int, Headers, Any]


@fixes(
    "s3",
    "PutObject",
    replaces="ministack.services.s3:_check_put_preconditions",
    signature="(headers, existing_obj)",
    symptom="a write under an If-None-Match with an ETag, or together with an If-Match, succeeds",
)
def check_put_preconditions(original: Callable[..., Answer | None]) -> Callable[..., Answer | None]:
    """``If-None-Match`` says ``*`` and stands alone, or the write (a completed upload too) is refused.

    Seen on AWS: https://github.com/aws/aws-sdk-ruby/issues/3144, https://github.com/versity/versitygw/pull/1727
    """

    def replacement(headers: Headers, existing_obj: Json | None) -> Answer | None:
        absent = headers.get("if-none-match", "*").strip()
        if absent == "*" and not {"if-match", "if-none-match"} <= headers.keys():
            return original(headers, existing_obj)
        refused: Answer = s3._error(
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
            501,
            extra={"Header": "If-None-Match"},
        )
        return refused

    return replacement
