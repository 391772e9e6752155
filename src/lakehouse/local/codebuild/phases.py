"""The phases of a build's commands, one after the other, with CodeBuild's transitions.

A failed install or pre_build ends the commands; a failed build still runs post_build. ``on-failure`` changes that:
ABORT ends the commands, CONTINUE goes on. A build of which any phase failed has failed.

Source: https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details-phases.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from lakehouse.local.codebuild.buildspec import PHASES, Buildspec, Phase
from lakehouse.local.codebuild.shell import Shell, WriteLines

SUCCEEDED, FAILED, STOPPED, TIMED_OUT = "SUCCEEDED", "FAILED", "STOPPED", "TIMED_OUT"

_COMMAND_ERROR = "COMMAND_EXECUTION_ERROR"
# What follows a failure where the phase does not say ``on-failure``.
_GOES_ON_AFTER_FAILURE = frozenset({"build"})


class PhaseRecord(Protocol):
    """Where the phases of a build are written down."""

    def begin(self, phase: str) -> None:
        """A phase begins.

        Args:
            phase: Its name, as in ``POST_BUILD``.
        """

    def end(self, status: str, code: str = "", message: str = "") -> None:
        """The phase that began last ends.

        Args:
            status: Its end status.
            code: Why, in a word; empty for a success.
            message: Why, in a sentence; empty for a success.
        """


def stamped(text: str) -> str:
    """A line of the build environment itself in a build's log.

    Args:
        text: What it says.

    Returns:
        The line.
    """
    return f"[Container] {datetime.now(UTC):%Y/%m/%d %H:%M:%S.%f} {text}"


@dataclass
class PhaseRunner:
    """Runs the commands of a buildspec.

    Attributes:
        buildspec: The commands.
        shell: Where they run.
        record: Where the phases are written down.
        write: Takes lines for the build's log.
        deadline: When the build's time is over, on the monotonic clock.
    """

    buildspec: Buildspec
    shell: Shell
    record: PhaseRecord
    write: WriteLines
    deadline: float

    def run(self) -> str:
        """Run all phases.

        Returns:
            ``SUCCEEDED``, ``FAILED``, ``STOPPED`` or ``TIMED_OUT``.
        """
        outcome = SUCCEEDED
        for name in PHASES:
            phase = self.buildspec.phases[name]
            status = self._run_phase(name, phase)
            if status in (STOPPED, TIMED_OUT):
                return status
            if status == FAILED:
                outcome = FAILED
                goes_on = phase.on_failure == "CONTINUE" or (not phase.on_failure and name in _GOES_ON_AFTER_FAILURE)
                if not goes_on:
                    break
        return outcome

    def _run_phase(self, name: str, phase: Phase) -> str:
        self.record.begin(name.upper())
        self.write([stamped(f"Entering phase {name.upper()}")])
        status, message = self._run_commands(phase.commands)
        if phase.finally_commands and status in (SUCCEEDED, FAILED):
            # They see whether the commands before them have failed.
            self._tell(status)
            last, last_message = self._run_commands(phase.finally_commands)
            if last != SUCCEEDED:
                status, message = last, message or last_message
        self._tell(status)
        code = _COMMAND_ERROR if status == FAILED else ""
        self.record.end(status, code, message)
        self.write(
            [
                stamped(f"Phase complete: {name.upper()} State: {status}"),
                stamped(f"Phase context status code: {code} Message: {message}"),
            ]
        )
        return status

    def _run_commands(self, commands: tuple[str, ...]) -> tuple[str, str]:
        for command in commands:
            self.write([stamped(f"Running command {command}")])
            exit_status = self.shell.run(command, self.deadline)
            if exit_status is None:
                return self._interrupted()
            if exit_status:
                self.write([stamped(f"Command did not exit successfully {command} exit status {exit_status}")])
                return FAILED, f"Error while executing command: {command}. Reason: exit status {exit_status}"
        return SUCCEEDED, ""

    def _interrupted(self) -> tuple[str, str]:
        if self.shell.was_stopped:
            return STOPPED, "The build was stopped"
        return TIMED_OUT, "Build has timed out."

    def _tell(self, status: str) -> None:
        """Let the commands that follow know how it stands; once failed, a build does not succeed any more."""
        if status == FAILED:
            self.shell.run("export CODEBUILD_BUILD_SUCCEEDING=0", self.deadline)
