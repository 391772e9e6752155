"""dbt is killed while it replaces a table, and the next run finishes the replacement.

dbt-athena replaces an Iceberg table by two renames; between them there is no table. The project is a small one; what
finishes the replacement (dbt_project/macros, and what dbt_project.yml runs first) is the real one.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from request_proxy import Point, RequestProxy

from lakehouse.athena_queries import AthenaQueries
from lakehouse.errors import CommandError
from lakehouse.local.endpoint import Endpoint
from lakehouse.settings import Workplace
from lakehouse.transformation import DbtEnvironment, dbt_environment, run_dbt

pytestmark = pytest.mark.e2e

REAL = Workplace.from_environment().root / "dbt_project"
BUCKET, DATABASE = "dbt-replace", "dbt_replace"
RENAME = "StartQueryExecution rename"
# Each holds one row, the variable `number`; `counted` keeps those of earlier runs.
TABLES = ("replaced", "leftover", "backup_only", "cut_short", "two_new")
INCREMENTAL = "{{ config(materialized='incremental', incremental_strategy='merge', unique_key='number') }}\n"
SELECT = "select {{ var('number') }} as number"


@dataclass(frozen=True)
class Project:
    """A dbt project, whose requests go through a proxy."""

    variables: Mapping[str, str]
    dbt: DbtEnvironment
    proxy: RequestProxy
    clients: Callable[..., Any]

    def run(self, *arguments: str, number: int) -> None:
        """Run models with a value of the variable."""
        self.proxy.watch(None, lambda: False)
        run_dbt(["run", *arguments, "--vars", f"number: {number}"], self.variables, self.dbt)

    def run_until(self, point: Point, *arguments: str, number: int) -> None:
        """Run models, and kill dbt at a point."""
        self.proxy.watch(point, self._kill)
        with pytest.raises(CommandError, match=f"ended with -{signal.SIGKILL:d}"):
            run_dbt(["run", *arguments, "--vars", f"number: {number}"], self.variables, self.dbt)
        assert self.proxy.reached

    def _kill(self) -> bool:
        script = str(self.dbt.project / "run_dbt.py").encode()
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(FileNotFoundError, ProcessLookupError):
                if script in command.read_bytes().split(b"\0"):
                    os.kill(int(command.parent.name), signal.SIGKILL)
        return True

    def query(self, sql: str) -> list[str]:
        """The first column of a statement's rows."""
        queries = AthenaQueries(self.clients("athena"), BUCKET, DATABASE)
        return [row[0] for row in queries.rows(queries.run(sql))]

    def tables(self, name: str) -> dict[str, list[int]]:
        """The numbers in a model's table, and in everything that is called after it."""
        found = self.clients("glue").get_tables(DatabaseName=DATABASE)["TableList"]
        names = [one["Name"] for one in found if one["Name"].partition("__")[0] == name]
        return {one: sorted(int(value) for value in self.query(f"select number from {one}")) for one in names}

    def copy(self, name: str, copied: str) -> None:
        """A table of its own with the rows of another."""
        place = f"s3://{BUCKET}/copies/{copied}/"
        self.query(
            f"create table {copied} with (table_type = 'iceberg', is_external = false, location = '{place}') as "
            f"select * from {name}"
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project: its models, and of the real one what surrounds them."""
    folder = tmp_path_factory.mktemp("project")
    real = yaml.safe_load((REAL / "dbt_project.yml").read_text(encoding="utf-8"))
    marts = {name: value for name, value in real["models"]["lakehouse"]["marts"].items() if name != "+contract"}
    kept = {key: real[key] for key in ("name", "profile", "flags", "on-run-start")}
    (folder / "dbt_project.yml").write_text(yaml.safe_dump({**kept, "models": {"lakehouse": marts}}))
    shutil.copytree(REAL / "macros", folder / "macros")
    for name in ("profiles.yml", "run_dbt.py"):
        shutil.copy(REAL / name, folder)
    (folder / "models").mkdir()
    models = {**dict.fromkeys(TABLES, SELECT), "counted": INCREMENTAL + SELECT, "another": SELECT}
    for name, text in models.items():
        (folder / "models" / f"{name}.sql").write_text(text)
    return folder


@pytest.fixture(scope="module")
def project(endpoint: Endpoint, aws: Callable[..., Any], folder: Path) -> Iterator[Project]:
    aws("s3").create_bucket(Bucket=BUCKET)
    aws("glue").create_database(DatabaseInput={"Name": DATABASE})
    results = {"ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/results/"}}
    aws("athena").create_work_group(Name=BUCKET, Configuration=results)
    dbt = replace(dbt_environment(Workplace.from_environment()), project=folder, scratch=folder / "target")
    with RequestProxy(lambda: endpoint.port) as proxy:
        variables = {
            **endpoint.environment(),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}",
            "DBT_TARGET": "local",
            "DBT_ATHENA_REGION": endpoint.region,
            "DBT_ATHENA_S3_DATA_DIR": f"s3://{BUCKET}/curated-data/",
            "DBT_ATHENA_S3_STAGING_DIR": f"s3://{BUCKET}/results/",
            "DBT_ATHENA_SCHEMA": DATABASE,
            "DBT_ATHENA_WORKGROUP": BUCKET,
        }
        found = Project(variables, dbt, proxy, aws)
        found.run(number=1)
        yield found


def test_a_table_whose_replacement_was_interrupted_is_the_new_one_after_the_next_run(project: Project) -> None:
    project.run_until(Point(RENAME, 2, "before"), "--select", "replaced", number=2)
    assert project.tables("replaced") == {"replaced__bkp": [1], "replaced__ha": [2]}

    # Whatever is run.
    project.run("--select", "another", number=3)
    assert project.tables("replaced") == {"replaced": [2]}


def test_an_incremental_table_goes_on_from_its_interrupted_full_refresh(project: Project) -> None:
    project.run_until(Point(RENAME, 2, "before"), "--full-refresh", "--select", "counted", number=2)
    assert project.tables("counted") == {"counted__bkp": [1], "counted__dbt_tmp": [2]}

    project.run("--select", "counted", number=3)
    assert project.tables("counted") == {"counted": [2, 3]}


def test_leftovers_go_and_no_table_does(project: Project) -> None:
    # Killed after the second rename; the row tells the table from its backup.
    project.copy("leftover", "leftover__bkp")
    project.query("update leftover set number = 2")
    # No new table is there.
    project.query("alter table backup_only rename to backup_only__bkp")
    # A rename made the second name, and did not delete the first.
    glue = project.clients("glue")
    described = glue.get_table(DatabaseName=DATABASE, Name="cut_short")["Table"]
    kept = ("StorageDescriptor", "TableType", "Parameters")
    for name in ("cut_short__bkp", "cut_short__ha"):
        twin = {"Name": name, **{key: described[key] for key in kept}}
        glue.create_table(DatabaseName=DATABASE, TableInput=twin)
    # Nothing tells which of the new tables is whole.
    project.copy("two_new", "two_new__ha")
    project.copy("two_new", "two_new__dbt_tmp")
    project.query("update two_new set number = 2")
    project.query("alter table two_new rename to two_new__bkp")

    project.run("--select", "another", number=3)
    listed = project.proxy.seen["GetTables"]
    assert project.tables("leftover") == {"leftover": [2]}
    assert project.tables("backup_only") == {"backup_only": [1]}
    assert project.tables("cut_short") == {"cut_short": [1]}
    assert project.tables("two_new") == {"two_new": [2], "two_new__dbt_tmp": [1], "two_new__ha": [1]}
    # That was seen in the one list that dbt takes anyway.
    assert listed == 1
