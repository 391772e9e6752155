from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import boto3
import pytest

from lakehouse.errors import EmulatorMismatchError, LocalError, PortTakenError
from lakehouse.local.endpoint import Endpoint
from lakehouse.local.processes import is_alive, session_members


@pytest.fixture
def started(tmp_path):
    """Starts endpoints in folders of the test's own, and stops them all afterwards."""
    endpoints = []

    def start(name="home", port=0):
        endpoint = Endpoint(tmp_path / name, port)
        endpoints.append(endpoint)
        endpoint.home.mkdir(exist_ok=True)
        endpoint.start()
        return endpoint

    yield start
    for endpoint in endpoints:
        endpoint.stop()


def server_of(endpoint):
    return json.loads((endpoint.home / "endpoint.json").read_text())["pid"]


def client(endpoint, service):
    return boto3.client(
        service,
        endpoint_url=endpoint.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def test_a_started_endpoint_answers_and_a_stopped_one_does_not(started):
    endpoint = started()
    assert endpoint.is_up()
    assert client(endpoint, "sts").get_caller_identity()["Account"] == "000000000000"
    endpoint.stop()
    assert not endpoint.is_up()
    assert Endpoint.running(endpoint.home) is None


def test_starting_twice_is_starting_once(started):
    endpoint = started()
    first = server_of(endpoint)
    Endpoint(endpoint.home).start()
    assert server_of(endpoint) == first


def test_stopping_what_does_not_run_is_nothing(tmp_path):
    Endpoint(tmp_path / "never").stop()


def test_two_homes_run_side_by_side(started):
    one, other = started("one"), started("other")
    client(one, "s3").create_bucket(Bucket="only-here")
    assert one.port != other.port
    assert client(other, "s3").list_buckets()["Buckets"] == []


def test_a_taken_port_is_named_with_its_holder_and_the_way_out(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(PortTakenError) as caught:
            Endpoint(tmp_path / "home", port).start()
    told = str(caught.value)
    assert f"Port {port} is taken by" in told
    assert f"process {os.getpid()}" in told
    assert "--port" in told


def test_the_port_of_another_home_is_taken(started, tmp_path):
    running = started("one")
    with pytest.raises(PortTakenError):
        Endpoint(tmp_path / "other", running.port).start()
    assert running.is_up()


def test_a_server_that_was_killed_is_noticed_stopped_and_started_again(started):
    endpoint = started()
    os.kill(server_of(endpoint), signal.SIGKILL)
    wait_until(lambda: not endpoint.is_up())
    endpoint.stop()
    endpoint.start()
    assert endpoint.is_up()


def test_another_process_with_the_dead_servers_number_is_left_alone(started):
    endpoint = started()
    endpoint.stop()
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        (endpoint.home / "endpoint.json").write_text(json.dumps({"pid": stranger.pid, "port": endpoint.port}))
        endpoint.stop()
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_of_the_endpoint_is_left_behind(started, functions, end):
    endpoint = started()
    invoke = functions(client(endpoint, "iam"), client(endpoint, "lambda"))
    invoke("def handler(event, context): return event", {})
    server = server_of(endpoint)
    assert len(list(session_members(server))) == 2
    os.kill(server, end)
    wait_until(lambda: not is_alive(server))
    endpoint.stop()
    assert list(session_members(server)) == []


def test_processes_of_a_killed_endpoint_end_with_it(started, functions):
    endpoint = started()
    source = """
        import subprocess

        def handler(event, context):
            # In a group of its own, and not a child of the endpoint: as a Spark driver's Java machine is.
            return subprocess.Popen(["sleep", "600"], process_group=0).pid
    """
    (grandchild,) = functions(client(endpoint, "iam"), client(endpoint, "lambda"))(textwrap.dedent(source), {})
    server = server_of(endpoint)
    assert grandchild in list(session_members(server))
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: not list(session_members(server)))
    assert not is_alive(grandchild)


def test_an_endpoint_that_cannot_start_shows_the_end_of_its_log(tmp_path, monkeypatch):
    (tmp_path / "ministack.py").write_text("raise SystemExit('the emulator is broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    endpoint = Endpoint(tmp_path / "home", 0)
    with pytest.raises(LocalError) as caught:
        endpoint.start()
    assert "the emulator is broken" in str(caught.value)
    assert str(endpoint.log) in str(caught.value)


def test_an_emulator_without_a_replaced_symbol_is_refused_at_start(tmp_path, monkeypatch):
    changed_emulator(tmp_path, "services/s3.py", "def _read_body(", "def _read_the_body(")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EmulatorMismatchError, match=r"ministack\.services\.s3:_read_body: not found"):
        Endpoint(tmp_path / "home", 0).start()


def test_an_emulator_with_another_signature_is_refused_at_start(tmp_path, monkeypatch):
    changed_emulator(
        tmp_path, "services/glue.py", "def _create_crawler(data)", "def _create_crawler(data, dry_run=False)"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EmulatorMismatchError, match=r"found \(data, dry_run=False\), expected \(data\)"):
        Endpoint(tmp_path / "home", 0).start()


def test_the_server_does_not_import_the_command_line(tmp_path):
    code = "import sys, lakehouse.local.server; print([name for name in sys.modules if 'cli' in name.split('.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def changed_emulator(folder, path, before, after):
    """A copy of the installed emulator with one line changed, as another version of it would be."""
    installed = Path(importlib.util.find_spec("ministack").origin).parent
    for source in installed.rglob("*.py"):
        target = folder / "ministack" / source.relative_to(installed)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
    target = folder / "ministack" / path
    text = (installed / path).read_text()
    assert text.count(before) == 1
    target.unlink()
    target.write_text(text.replace(before, after))


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
