"""The commands of a build: one shell, CodeBuild's phase transitions, time limits, and what a buildspec may ask for."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from lakehouse.local.codebuild.buildspec import BuildspecError, parse
from lakehouse.local.codebuild.cache import LocalCache
from lakehouse.local.codebuild.phases import PhaseRunner
from lakehouse.local.codebuild.shell import Shell
from lakehouse.local.processes import is_alive


class Phases:
    """Remembers the phases."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.ends: list[tuple[str, str]] = []

    def begin(self, phase: str) -> None:
        self.names.append(phase)

    def end(self, status: str, code: str = "", message: str = "") -> None:
        self.ends.append((status, message))


class Build:
    """Runs a buildspec in a folder, and keeps what it printed."""

    def __init__(self, folder: Path, shell: str = "sh") -> None:
        self.lines: list[str] = []
        self.phases = Phases()
        for name in ("src", "scratch"):
            (folder / name).mkdir()
        variables = {"PATH": os.environ["PATH"], "CODEBUILD_BUILD_SUCCEEDING": "1"}
        self.shell = Shell(shell, folder / "src", variables, folder / "scratch", self.lines.extend)

    def run(self, text: str, seconds: float = 30) -> str:
        deadline = time.monotonic() + seconds
        status = PhaseRunner(parse(text), self.shell, self.phases, self.lines.extend, deadline).run()
        self.shell.close()
        return status

    @property
    def printed(self) -> list[str]:
        return [line for line in self.lines if not line.startswith("[Container]")]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return Build(tmp_path)


def _spec(**phases: list[str] | dict[str, object]) -> str:
    import yaml

    bodies = {name: body if isinstance(body, dict) else {"commands": body} for name, body in phases.items()}
    return yaml.safe_dump({"version": 0.2, "phases": bodies})


def test_all_commands_of_all_phases_run_in_one_shell(build: Build) -> None:
    spec = _spec(
        install=["mkdir below", "cd below", "plain=kept", "export exported=too"],
        build=['echo "$plain $exported ${PWD##*/}"', "greet() { echo hello $1; }"],
        post_build=["greet there"],
    )

    assert build.run(spec) == "SUCCEEDED"
    assert build.printed == ["kept too below", "hello there"]
    assert build.phases.names == ["INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD"]


def test_a_failed_build_phase_stops_its_commands_and_still_runs_post_build(build: Build) -> None:
    spec = _spec(build=["false", "echo not reached"], post_build=["echo succeeding $CODEBUILD_BUILD_SUCCEEDING"])

    assert build.run(spec) == "FAILED"
    assert build.printed == ["succeeding 0"]
    assert build.phases.ends[2] == ("FAILED", "Error while executing command: false. Reason: exit status 1")
    assert build.phases.ends[3] == ("SUCCEEDED", "")
    assert any(line.endswith("Phase complete: BUILD State: FAILED") for line in build.lines)


@pytest.mark.parametrize("phase", ["install", "pre_build"])
def test_a_failure_before_the_build_ends_the_commands(build: Build, phase: str) -> None:
    assert build.run(_spec(**{phase: ["exit 7"]}, post_build=["echo not reached"])) == "FAILED"
    assert build.printed == []
    assert build.phases.ends[-1] == ("FAILED", "Error while executing command: exit 7. Reason: exit status 7")


def test_finally_runs_after_a_failure_and_its_own_failure_counts(build: Build) -> None:
    spec = _spec(
        pre_build={"commands": ["false"], "finally": ["echo cleaned $CODEBUILD_BUILD_SUCCEEDING"]},
        build=["echo not reached"],
    )
    assert build.run(spec) == "FAILED"
    assert build.printed == ["cleaned 0"]


def test_on_failure_decides_what_follows(tmp_path: Path) -> None:
    aborted, continued = tmp_path / "aborted", tmp_path / "continued"
    for folder in (aborted, continued):
        folder.mkdir()
    first, second = Build(aborted), Build(continued)

    assert first.run(_spec(build={"commands": ["false"], "on-failure": "ABORT"}, post_build=["echo x"])) == "FAILED"
    assert second.run(_spec(install={"commands": ["false"], "on-failure": "CONTINUE"}, build=["echo y"])) == "FAILED"
    assert (first.printed, second.printed) == ([], ["y"])


def test_a_command_that_ends_the_shell_leaves_the_next_one_a_new_shell_with_the_same_variables(build: Build) -> None:
    spec = _spec(build=["export kept=yes", "mkdir below", "cd below", "exit 0", 'echo "$kept ${PWD##*/}"'])

    assert build.run(spec) == "SUCCEEDED"
    assert build.printed == ["yes below"]


def test_commands_of_several_lines_and_both_outputs_arrive_in_order(build: Build) -> None:
    spec = _spec(build=["for n in 1 2; do\n  echo out $n\n  echo err $n >&2\ndone\nprintf 'no line break'"])

    assert build.run(spec) == "SUCCEEDED"
    assert build.printed == ["out 1", "err 1", "out 2", "err 2", "no line break"]


def is_gone(pid: int) -> bool:
    """Whether a killed process ends; a busy machine takes a moment."""
    until = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not is_alive(pid)


def test_a_build_out_of_time_is_killed_with_what_it_started(build: Build, tmp_path: Path) -> None:
    spec = _spec(build=[f"sleep 300 & echo $! > '{tmp_path}/pid'; sleep 300"], post_build=["echo not reached"])

    assert build.run(spec, seconds=1) == "TIMED_OUT"
    assert build.phases.ends[-1] == ("TIMED_OUT", "Build has timed out.")
    assert build.printed == []
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_a_stop_kills_what_runs_and_starts_nothing_more(build: Build) -> None:
    threading.Timer(0.5, build.shell.stop).start()

    assert build.run(_spec(build=["sleep 300"], post_build=["echo not reached"])) == "STOPPED"
    assert build.printed == []


def test_the_default_shell_is_bash_in_posix_mode_as_on_amazon_linux(tmp_path: Path) -> None:
    posix, bash = tmp_path / "posix", tmp_path / "bash"
    for folder in (posix, bash):
        folder.mkdir()
    sh, other = Build(posix), Build(bash, "bash")
    spec = _spec(build=["shopt -qo posix && echo posix || echo plain"])

    assert (sh.run(spec), other.run(spec)) == ("SUCCEEDED", "SUCCEEDED")
    assert (sh.printed, other.printed) == (["posix"], ["plain"])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("version: 0.1\nphases: {build: {commands: [ls]}}", "version 0.1"),
        ("version: 0.2\nreports: {a: {}}\nphases: {build: {commands: [ls]}}", "reports"),
        ("version: 0.2\nproxy: {logs: yes}\nphases: {build: {commands: [ls]}}", "proxy"),
        ("version: 0.2\nartifacts: {files: [a]}\nphases: {build: {commands: [ls]}}", "artifacts"),
        ("version: 0.2\nenv: {parameter-store: {A: /a}}\nphases: {build: {commands: [ls]}}", "env/parameter-store"),
        ("version: 0.2\nenv: {secrets-manager: {A: a}}\nphases: {build: {commands: [ls]}}", "env/secrets-manager"),
        ("version: 0.2\nenv: {variables: {A: true}}\nphases: {build: {commands: [ls]}}", "env/variables/A"),
        ("version: 0.2\nphases: {install: {runtime-versions: {nodejs: 20}}}", "runtime-versions nodejs: 20"),
        ("version: 0.2\nphases: {install: {runtime-versions: {python: 3.12}}}", "runtime-versions python: 3.12"),
        ("version: 0.2\nphases: {build: {commands: [true]}}", "phases/build/commands is no list of texts"),
        ("version: 0.2\nphases: {build: {run-as: app, commands: [ls]}}", "phases/build/run-as"),
        ("version: 0.2\nphases: {build: {on-failure: RETRY, commands: [ls]}}", "phases/build/on-failure RETRY"),
        ("version: 0.2\nphases: {deploy: {commands: [ls]}}", "phases/deploy"),
        ("version: 0.2\ncache: {key: k, paths: [a]}\nphases: {build: {commands: [ls]}}", "cache/key"),
        ("version: 0.2\n", "no phases"),
        ("[1]", "no YAML mapping"),
        ("a: b: c", "no YAML"),
    ],
)
def test_what_a_buildspec_cannot_have_here_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(BuildspecError, match=named):
        parse(text)


def test_a_python_of_this_machine_is_a_runtime_version() -> None:
    assert parse("version: 0.2\nphases: {install: {runtime-versions: {python: 3.11}, commands: [ls]}}")


# --- the cache ----------------------------------------------------------------------------------------------------


def test_a_cached_folder_is_there_in_the_next_build(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"src{number}").mkdir()
    first, second = LocalCache(tmp_path / "cache"), LocalCache(tmp_path / "cache")

    first.link(tmp_path / "src1", (".venv/**/*",))
    (tmp_path / "src1" / ".venv" / "file").write_text("kept")
    first.release()
    second.link(tmp_path / "src2", (".venv/**/*",))
    second.release()

    assert (tmp_path / "src2" / ".venv" / "file").read_text() == "kept"


def test_the_source_wins_over_the_cache_and_two_builds_never_share_it(tmp_path: Path) -> None:
    (tmp_path / "src" / "given").mkdir(parents=True)
    first, second = LocalCache(tmp_path / "cache"), LocalCache(tmp_path / "cache")

    assert first.link(tmp_path / "src", ("given/*", "kept/*"))[0] == "given is in the source: its cache is not used"
    assert (tmp_path / "src" / "kept").is_symlink()
    assert "goes without" in second.link(tmp_path / "src", ("other/*",))[0]
    second.release()
    first.release()
    assert "Creating" in second.link(tmp_path / "src", ("other/*",))[0]
    second.release()


@pytest.mark.parametrize("path", ["/var/cache/**/*", "../x/*", "a*/b", "**/*"])
def test_a_cache_path_that_is_no_folder_of_the_source_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(BuildspecError, match="cache path"):
        LocalCache(tmp_path / "cache").link(tmp_path, (path,))
