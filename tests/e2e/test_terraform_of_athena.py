"""Athena's and the catalog's resources as Terraform writes and reads them: one apply, one change, no drift."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.local.endpoint import Endpoint
from lakehouse.local.terraform_mirror import init_arguments

pytestmark = pytest.mark.e2e

CONFIGURATION = """
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  s3_use_path_style = true
}

variable "text" {
  default = "first"
}

resource "aws_kms_key" "results" {}

resource "aws_s3_bucket" "results" {
  bucket        = "terraform-of-athena"
  force_destroy = true
}

resource "aws_athena_workgroup" "full" {
  name          = "full"
  description   = var.text
  force_destroy = true

  configuration {
    bytes_scanned_cutoff_per_query     = var.text == "first" ? 10485760 : null
    enforce_workgroup_configuration    = var.text == "first"
    publish_cloudwatch_metrics_enabled = false
    requester_pays_enabled             = true

    engine_version {
      selected_engine_version = "Athena engine version 3"
    }

    result_configuration {
      expected_bucket_owner = "000000000000"
      output_location       = "s3://${aws_s3_bucket.results.bucket}/${var.text}/"

      acl_configuration {
        s3_acl_option = "BUCKET_OWNER_FULL_CONTROL"
      }

      encryption_configuration {
        encryption_option = "SSE_KMS"
        kms_key_arn       = aws_kms_key.results.arn
      }
    }
  }

  tags = { Component = "athena" }
}

resource "aws_athena_workgroup" "plain" {
  name = "plain"
}

resource "aws_athena_named_query" "count" {
  name        = "count"
  description = "how many"
  workgroup   = aws_athena_workgroup.full.id
  database    = aws_glue_catalog_database.sales.name
  query       = "select count(*) from t -- ${var.text}"
}

resource "aws_athena_prepared_statement" "pick" {
  name            = "pick"
  description     = "one row"
  workgroup       = aws_athena_workgroup.full.name
  query_statement = "select * from t where id = ? -- ${var.text}"
}

resource "aws_glue_catalog_database" "sales" {
  name         = "sales"
  description  = var.text
  location_uri = "s3://${aws_s3_bucket.results.bucket}/sales/"
  parameters   = { owner = "us" }
  tags         = { Component = "catalog" }
}

resource "aws_glue_catalog_table" "orders" {
  name          = "orders"
  database_name = aws_glue_catalog_database.sales.name
  description   = var.text
  owner         = "us"
  retention     = 7
  table_type    = "EXTERNAL_TABLE"
  parameters    = { classification = "parquet" }

  partition_keys {
    name = "dt"
    type = "date"
  }

  partition_index {
    index_name = "by_day"
    keys       = ["dt"]
  }

  storage_descriptor {
    location      = "s3://${aws_s3_bucket.results.bucket}/sales/orders/"
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
      parameters            = { "serialization.format" = "1" }
    }

    columns {
      name    = "id"
      type    = "bigint"
      comment = var.text
    }
  }
}

resource "aws_glue_catalog_table" "bare" {
  name          = "bare"
  database_name = aws_glue_catalog_database.sales.name
}

resource "aws_glue_partition" "day" {
  database_name    = aws_glue_catalog_database.sales.name
  table_name       = aws_glue_catalog_table.orders.name
  partition_values = ["2024-01-01"]
  parameters       = { rows = var.text }
}
"""


class Terraform:
    """The configuration above in a folder of its own."""

    def __init__(self, folder: Path, endpoint: Endpoint) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
        self.folder = folder
        self.environment = {**inherited, **endpoint.environment(), "TF_INPUT": "0"}
        (folder / "main.tf").write_text(CONFIGURATION)
        self("init", "-no-color", *init_arguments())

    def __call__(self, *arguments: str, fits: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(
            ["terraform", f"-chdir={self.folder}", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in fits, done.stderr
        return done.stdout

    def assert_no_drift(self, *variables: str) -> None:
        plan = self("plan", "-detailed-exitcode", "-no-color", *variables, fits=(0, 2))
        _refreshed, _, changes = plan.partition("Terraform used the selected providers")
        assert not changes, changes


@pytest.fixture
def terraform(own_endpoint: Endpoint, tmp_path: Path) -> Terraform:
    folder = tmp_path / "terraform"
    folder.mkdir()
    return Terraform(folder, own_endpoint)


@pytest.fixture
def own_endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    endpoint = Endpoint(tmp_path / "home", port=0)
    endpoint.home.mkdir()
    endpoint.start()
    yield endpoint
    endpoint.stop()


def test_what_was_applied_and_changed_shows_no_drift(terraform: Terraform) -> None:
    terraform("apply", "-auto-approve", "-no-color")
    terraform.assert_no_drift()
    change = "-var=text=second"
    assert "1 added, 5 changed, 1 destroyed" in terraform("apply", "-auto-approve", "-no-color", change)
    terraform.assert_no_drift(change)
    assert "Destroy complete!" in terraform("destroy", "-auto-approve", "-no-color", change)
