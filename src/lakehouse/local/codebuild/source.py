"""The source of a build: a zip on S3, read with the project's role, unpacked into the build's folder."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from lakehouse.errors import PrerequisiteError
from lakehouse.local.codebuild.buildspec import BuildspecError
from lakehouse.local.place import Place

_DEFAULT_BUILDSPEC = "buildspec.yml"


def is_inline(buildspec: str) -> bool:
    """Whether a project's ``buildspec`` is the text itself rather than a file's path.

    Args:
        buildspec: The setting.

    Returns:
        True for a text.
    """
    return "\n" in buildspec or buildspec.lstrip().startswith(("{", "version"))


def download(place: Place, credentials: Mapping[str, str], source: Mapping[str, Any], version: str, to: Path) -> None:
    """Unpack a project's source.

    Args:
        place: The endpoint.
        credentials: The session of the project's role.
        source: The project's ``source``; ``S3`` or ``NO_SOURCE``.
        version: The object's version, empty for the latest.
        to: The folder to unpack into.

    Raises:
        PrerequisiteError: The object is not there, the role may not read it, or it is no zip.
    """
    if source["type"] == "NO_SOURCE":
        return
    bucket, _, key = str(source["location"]).removeprefix("arn:aws:s3:::").partition("/")
    session: Any = boto3.Session(
        aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=credentials["AWS_SESSION_TOKEN"],
        region_name=place.region,
    )
    client = session.client("s3", endpoint_url=place.url, config=Config(s3={"addressing_style": "path"}))
    options = {"VersionId": version} if version else {}
    try:
        content = client.get_object(Bucket=bucket, Key=key, **options)["Body"].read()
    except ClientError as error:
        # In CodeBuild's words: its own message for a missing object or permission is S3's.
        raise PrerequisiteError(f"Error while downloading s3://{bucket}/{key}: {error}") from error
    try:
        _unpack(content, to)
    except zipfile.BadZipFile as error:
        raise PrerequisiteError(f"s3://{bucket}/{key} is no zip archive: {error}") from error


def _unpack(content: bytes, to: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            written = Path(archive.extract(entry, to))
            if not entry.is_dir() and entry.external_attr >> 16 & 0o100:
                written.chmod(written.stat().st_mode | 0o111)


def buildspec_text(source: Path, setting: str) -> str:
    """The text of the buildspec.

    Args:
        source: The unpacked source.
        setting: The project's ``buildspec``: a text, a path in the source, or empty for the default path.

    Returns:
        The text.

    Raises:
        BuildspecError: There is no such file.
    """
    if is_inline(setting):
        return setting
    name = setting or _DEFAULT_BUILDSPEC
    file = source / name
    if not file.resolve().is_relative_to(source.resolve()) or not file.is_file():
        raise BuildspecError(f"YAML file does not exist: {name}")
    return file.read_text(encoding="utf-8")
