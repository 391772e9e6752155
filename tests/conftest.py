"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.loaders
import pytest
from botocore.config import Config
from hypothesis import settings

from lakehouse.local.endpoint import Endpoint

_ROOT = Path(__file__).resolve().parents[1]

ClientFactory = Callable[..., Any]

# No test asserts a time, so neither does Hypothesis.
settings.register_profile("timeless", deadline=None)
settings.load_profile("timeless")


# Fixtures that take a minute to make: whatever needs one runs in the process that has it.
_EXPENSIVE = ("laptop", "spark")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in its own hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several processes (``-n 2 --dist loadgroup``) each takes a file at a time, those that need minutes first."""

    def group_of(item: pytest.Item) -> str:
        fixtures = getattr(item, "fixturenames", ())
        return next((name for name in _EXPENSIVE if name in fixtures), str(item.path))

    groups = {item: group_of(item) for item in items}
    long = {groups[item] for item in items if item.get_closest_marker("e2e")}
    items.sort(key=lambda item: (groups[item] not in _EXPENSIVE, groups[item] not in long))
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session", autouse=True)
def _no_aws_account() -> Iterator[None]:
    """No test reaches the account, profile or endpoint of whoever runs the tests."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("AWS_", "LAKEHOUSE_"))]:
        del os.environ[name]
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session", autouse=True)
def _one_reader_of_aws_models() -> Iterator[None]:
    """The descriptions of AWS's services are read once; moto forgets the session, and they would be read a test."""
    loader = botocore.loaders.create_loader()
    loader.search_paths.append(str(Path(boto3.__file__).parent / "data"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("botocore.session.create_loader", lambda *_: loader)
        patched.setattr(boto3.Session, "_setup_loader", lambda self: setattr(self, "_loader", loader))
        yield


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The local AWS endpoint, empty at first, shared by the whole session: use names of your own."""
    running = Endpoint(tmp_path_factory.mktemp("endpoint"), port=0)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def aws(endpoint: Endpoint) -> ClientFactory:
    """Makes a boto3 client of a service against the endpoint."""
    return clients_of(endpoint)


@pytest.fixture(scope="session")
def bare_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The emulator without this project's executors and fixes: a fix is wanted as long as its symptom shows here."""
    bare = Endpoint(tmp_path_factory.mktemp("bare-emulator"), port=0, unpatched=True)
    bare.start()
    try:
        yield bare
    finally:
        bare.stop()


@pytest.fixture(scope="session")
def bare_aws(bare_emulator: Endpoint) -> ClientFactory:
    """Makes a boto3 client of a service against the bare emulator."""
    return clients_of(bare_emulator)


def clients_of(endpoint: Endpoint) -> ClientFactory:
    variables = endpoint.environment()
    session = boto3.Session(
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_DEFAULT_REGION"],
    )

    def client(service: str, **options: Any) -> Any:
        options.setdefault("config", Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}))
        return session.client(service, endpoint_url=endpoint.url, **options)

    return client


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real input files beside the checkout; tests that need it are skipped where it is not."""
    folder = _ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("No folder shared/data with real input files beside the checkout")
    return folder
