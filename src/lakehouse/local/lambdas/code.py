"""A function's code: its zip on disk by content, unpacked once, never in memory and never in a checkpoint."""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import importlib.util
import logging
import shutil
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import lambda_svc

from lakehouse.local.place import Place, current
from lakehouse.local.registry import fixes

Json = dict[str, Any]

_log = logging.getLogger(__name__)
_unpacking = threading.Lock()
_LAMBDA = "ministack.services.lambda_svc"


@dataclass(frozen=True, slots=True)
class StoredCode:
    """A deployment package on disk, in place of its bytes.

    Attributes:
        sha256: Hex digest of the zip; its file's name.
        size_bytes: Size of the zip.
    """

    sha256: str
    size_bytes: int

    def __len__(self) -> int:
        """Size of the zip in bytes."""
        return self.size_bytes

    def __bool__(self) -> bool:
        """A package is there."""
        return True

    @property
    def path(self) -> Path:
        """The zip."""
        return Path(lambda_svc.CODE_BLOB_DIR) / f"{self.sha256}.zip"

    def unpacked(self) -> Path:
        """The folder of the package's files, shared by all functions with the same code.

        Returns:
            The folder; it is unpacked the first time.
        """
        folder = current().functions / "code" / self.sha256
        with _unpacking:
            if not folder.is_dir():
                partial = folder.with_suffix(".partial")
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(parents=True)
                with zipfile.ZipFile(self.path) as package:
                    package.extractall(partial)
                partial.rename(folder)
        return folder

    def unpack_early(self) -> None:
        """Unpack before anybody waits for it."""
        try:
            self.unpacked()
        except (OSError, zipfile.BadZipFile) as error:
            # Nobody asked for it yet: the first invocation meets the same error.
            _log.info("The package %s is not unpacked yet: %s", self.sha256, error)


def store(code: bytes) -> StoredCode:
    """Put a deployment package on disk.

    Args:
        code: The zip.

    Returns:
        What stands for it from then on.
    """
    return StoredCode(lambda_svc._write_code_blob(code), len(code))


def _store_in(function: Json | None) -> None:
    for record in (function or {}, *((function or {}).get("versions") or {}).values()):
        if isinstance(record.get("code_zip"), bytes):
            code = record["code_zip"] = store(record["code_zip"])
            threading.Thread(target=code.unpack_early, daemon=True).start()


@fixes(
    "lambda",
    "CreateFunction",
    replaces=f"{_LAMBDA}:_create_function",
    signature="(data)",
    symptom="a function whose code cannot be read from S3 is created and answers invocations with a made-up 200",
)
def create_function(original: Callable[..., Any]) -> Callable[..., Any]:
    """No function without code; the code goes to disk."""

    def replacement(data: Json) -> Any:
        code = data.get("Code") or {}
        if data.get("PackageType", "Zip") != "Zip" or "ImageUri" in code:
            return error_response_json(
                "InvalidParameterValueException",
                f"NotExecutedLocally: function {data.get('FunctionName')} is a container image; the laptop runs zip "
                "packages only. Deploy it as a zip.",
                400,
            )
        if "S3Bucket" in code:
            found = lambda_svc._fetch_code_from_s3(
                code["S3Bucket"], code.get("S3Key", ""), version_id=code.get("S3ObjectVersion")
            )
            if not found:
                return error_response_json(
                    "InvalidParameterValueException",
                    "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key "
                    f"does not exist: s3://{code['S3Bucket']}/{code.get('S3Key')}",
                    400,
                )
        answer = original(data)
        _store_in(lambda_svc._functions.get(data.get("FunctionName")))
        return answer

    return replacement


@fixes(
    "lambda",
    "UpdateFunctionCode",
    replaces=f"{_LAMBDA}:_update_code",
    signature="(name, data)",
    symptom="big packages stay in memory and make every checkpoint slow",
)
def update_code(original: Callable[..., Any]) -> Callable[..., Any]:
    """The new code goes to disk."""

    def replacement(name: str, data: Json) -> Any:
        answer = original(name, data)
        _store_in(lambda_svc._functions.get(name))
        return answer

    return replacement


@fixes(
    "lambda",
    "UpdateFunctionConfiguration",
    replaces=f"{_LAMBDA}:_unzipped_size",
    signature="(zip_data)",
    symptom="the package is unpacked in memory to be measured",
)
def unzipped_size(original: Callable[..., Any]) -> Callable[..., Any]:
    """Measured from the file."""

    def replacement(zip_data: bytes | StoredCode | None) -> int:
        if not isinstance(zip_data, StoredCode):
            return int(original(zip_data))
        with zipfile.ZipFile(zip_data.path) as package:
            return sum(entry.file_size for entry in package.infolist())

    return replacement


@fixes(
    "lambda",
    "GetFunction",
    replaces=f"{_LAMBDA}:serve_function_code",
    signature="(func_name, account_id=None, region=None)",
    symptom="packages are kept in memory to be downloaded",
)
def serve_function_code(original: Callable[..., Any]) -> Callable[..., Any]:
    """Served from the file."""

    def replacement(func_name: str, account_id: str | None = None, region: str | None = None) -> Any:
        status, headers, body = original(func_name, account_id, region)
        return status, headers, body.path.read_bytes() if isinstance(body, StoredCode) else body

    return replacement


@fixes(
    "lambda",
    "CreateFunction",
    replaces=f"{_LAMBDA}:_externalize_code_zip",
    signature="(func, referenced)",
    symptom="each checkpoint hashes every package",
)
def externalize_code_zip(_original: Callable[..., Any]) -> Callable[..., Any]:
    """A checkpoint holds the package's digest."""

    def replacement(func: Json, referenced: set[str]) -> None:
        _store_in(func)
        code = func.get("code_zip")
        if isinstance(code, StoredCode):
            func["code_zip"] = {"sha256": code.sha256, "size_bytes": code.size_bytes}
            referenced.add(code.sha256)

    return replacement


@fixes(
    "lambda",
    "CreateFunction",
    replaces=f"{_LAMBDA}:_internalize_code_zip",
    signature="(func, blobs)",
    symptom="after a restart every package is in memory",
)
def internalize_code_zip(_original: Callable[..., Any]) -> Callable[..., Any]:
    """A restored function finds its package by digest."""

    def replacement(func: Json, blobs: Json) -> None:  # noqa: ARG001 - ministack's signature
        code = func.get("code_zip")
        if isinstance(code, dict):
            func["code_zip"] = StoredCode(**code)

    return replacement


@fixes(
    "lambda",
    "CreateFunction",
    replaces=f"{_LAMBDA}:_prune_orphan_code_blobs",
    signature="(referenced)",
    symptom="a checkpoint deletes the package of a function that is created at that moment",
)
def prune_orphan_code_blobs(_original: Callable[..., Any]) -> Callable[..., Any]:
    """Nothing is deleted while functions come and go: ``remove_unused`` does it before the endpoint serves."""
    return lambda referenced: None  # noqa: ARG005 - ministack's signature


def remove_unused(place: Place) -> None:
    """Delete packages that no function has any more, and what function processes left when they were killed.

    Args:
        place: The endpoint, before it serves.
    """
    state = place.state / "lambda.json"
    used = state.read_text() if state.exists() else ""
    for package in Path(lambda_svc.CODE_BLOB_DIR).glob("*.zip"):
        if package.stem not in used:
            package.unlink()
    for folder in (place.functions / "code").glob("*"):
        if folder.name not in used:
            shutil.rmtree(folder)
    shutil.rmtree(place.functions / "work", ignore_errors=True)


# What the managed Python runtime brings: https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
_RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")


def runtime_packages() -> Path:
    """The folder of the packages that Lambda's own Python runtime brings, and of nothing else.

    Returns:
        A folder of links to this environment's boto3 and what it needs.
    """
    folder = current().functions / "runtime"
    folder.mkdir(parents=True, exist_ok=True)
    for name in _RUNTIME_PACKAGES:
        source = _location(name)
        link = folder / source.name
        if not link.is_symlink() or link.readlink() != source:
            link.unlink(missing_ok=True)
            link.symlink_to(source)
    return folder


def _location(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"The Lambda runtime's package {name} is not installed")
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin
