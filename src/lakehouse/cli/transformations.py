"""Commands about dbt: its documentation of the tables."""

from __future__ import annotations

import functools
import http.server
import shutil
from pathlib import Path

import click

from lakehouse.cli.deployment import Deployment, deployment
from lakehouse.cli.laptop import Steps
from lakehouse.settings import Workplace
from lakehouse.transformation import aws_access, dbt_environment, run_dbt

# What `dbt docs generate --static` writes: everything in one page, which needs no server of dbt's.
_PAGE = "static_index.html"


@click.command()
@click.option("--port", type=int, default=8080, show_default=True, help="The port to serve the page at.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the page to this file, and serve nothing.")
@click.pass_obj
def docs(workplace: Workplace, port: int, output: Path | None) -> None:
    """Make dbt's documentation of the tables (columns, tests, lineage) and serve it.

    Example: lakehouse docs --output tables.html
    """
    steps = Steps()
    target = deployment(workplace)
    with steps.step("Install dbt (once for each uv.lock)"):
        dbt = dbt_environment(workplace)
    with steps.step("Ask Athena about the tables, and write the page"):
        run_dbt(["docs", "generate", "--static"], _variables(workplace, target), dbt)
    page = dbt.scratch / _PAGE
    if output is not None:
        shutil.copyfile(page, output)
        steps.screen.print(f"Wrote {output}.", soft_wrap=True)
        return
    # A folder of its own: dbt's logs beside the page are nobody's business.
    served = dbt.scratch / "docs"
    served.mkdir(exist_ok=True)
    shutil.copyfile(page, served / "index.html")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        steps.screen.print(f"http://127.0.0.1:{server.server_port}/ until you press Ctrl-C", soft_wrap=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            steps.screen.print("Served no longer.")


def _variables(workplace: Workplace, target: Deployment) -> dict[str, str]:
    """What dbt reads: the deployment's own variables, and whose credentials it uses."""
    if target.is_local:
        from lakehouse.local.endpoint import Endpoint

        access = Endpoint(workplace.home).environment()
    else:
        access = aws_access()
    return {**target.dbt_environment, **access}


COMMANDS = (docs,)
