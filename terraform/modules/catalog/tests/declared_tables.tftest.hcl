# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name_prefix            = "lakehouse-test"
  kms_key_arn            = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_retention_days     = 30
  security_configuration = "lakehouse-test"
  layers = {
    processed = {
      bucket = { name = "processed-bucket", arn = "arn:aws:s3:::processed-bucket" }, prefix = "processed-data/", format = "declared"
      tables = jsondecode(file("../../testing/package/processed_tables.json"))
    }
  }
}

run "a_declared_table_lies_in_its_layers_folder_and_database" {
  command = plan

  assert {
    condition = (
      aws_glue_catalog_table.this["processed/trips"].database_name == "lakehouse_test_processed" &&
      one(aws_glue_catalog_table.this["processed/trips"].storage_descriptor).location == "s3://processed-bucket/processed-data/" &&
      aws_glue_catalog_table.this["processed/trips"].parameters["storage.location.template"] == "s3://processed-bucket/processed-data/$${landed_date}/trips/"
    )
    error_message = "The table is another: ${jsonencode(aws_glue_catalog_table.this)}"
  }

  assert {
    condition = (
      [for key in aws_glue_catalog_table.this["processed/trips"].partition_keys : [key.name, key.type]] == [["landed_date", "string"]] &&
      [for column in one(aws_glue_catalog_table.this["processed/trips"].storage_descriptor).columns : [column.name, column.type]] == [["fare", "double"]]
    )
    error_message = "The columns are others: ${jsonencode(aws_glue_catalog_table.this)}"
  }
}

run "a_declared_layer_has_no_crawler" {
  command = plan

  assert {
    condition     = length(aws_glue_crawler.this) == 0 && length(aws_iam_role.this) == 0
    error_message = "Something crawls it: ${jsonencode(aws_glue_crawler.this)}"
  }
}

run "a_declared_layer_without_tables_is_refused" {
  command = plan

  variables {
    layers = {
      processed = { bucket = { name = "processed-bucket", arn = "arn:aws:s3:::processed-bucket" }, prefix = "processed-data/", format = "declared" }
    }
  }

  expect_failures = [var.layers]
}
