"""Runs dbt as its command line does, with less of what dbt-athena does again and again.

    python run_dbt.py build --target athena

dbt-athena opens an AWS session for each statement and each look at the catalog, and every session reads botocore's
descriptions of the services anew, megabytes of JSON. With the search for garbage that follows, this is two thirds of a
build's processor time. Here they are read once. What is sent to AWS is the same.
"""

from __future__ import annotations

import functools
import gc

import botocore.session
from dbt.cli.main import cli


def main() -> None:
    """Run the command that the arguments say; ends the process with dbt's exit code."""
    # Sessions only read what a loader has loaded, as the clients of one session share it.
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)
    # The modules and the project stay until the end: looking through them for garbage, over and over, finds none.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    cli()


if __name__ == "__main__":
    main()
