"""Fixtures shared by all tests."""

from __future__ import annotations

import functools
import os
import re
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


# Fixtures that take a minute to make: with several processes (``-n 2``) the files that use one run in one of them.
_EXPENSIVE = ("laptop", "spark")


@functools.cache
def _share_of(file: str) -> str:
    """What runs in one process: a file, or all the files that use an expensive fixture."""
    text = (_ROOT / file).read_text(encoding="utf-8")
    return next((name for name in _EXPENSIVE if re.search(rf"\(.*\b{name}\b.*\)( -> .*)?:$", text, re.MULTILINE)), file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs minutes comes first, so that no process is left with it at the end."""
    shares = {item: _share_of(item.path.relative_to(_ROOT).as_posix()) for item in items}
    long = {shares[item] for item in items if item.get_closest_marker("e2e")}
    items.sort(key=lambda item: (shares[item] not in _EXPENSIVE, shares[item] not in long))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hands out shares, in the order of the tests."""
    from xdist.scheduler import LoadScopeScheduling

    class Shares(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _share_of(nodeid.partition("::")[0])

    config.option.loadscopereorder = False
    return Shares(config, log)


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
