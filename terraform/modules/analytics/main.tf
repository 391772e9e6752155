locals {
  tags = merge(var.tags, { Component = "analytics" })

  name = "${var.name_prefix}-analytics" # the names of its queries need no prefix: a workgroup is a namespace

  results = { bucket = var.results_bucket, prefix = "${local.name}/" }

  # Each is a file in queries/; the tables are those that dbt makes in the curated database.
  named_queries = {
    create_iceberg_table     = "Make a partitioned Iceberg table, and what its properties mean"
    daily_revenue            = "Revenue a day and borough, with the change against the week before"
    data_quality             = "Rules that every trip keeps, with the number of rows that break them"
    table_maintenance        = "Compact the small files of a table: run it before the vacuum"
    table_maintenance_vacuum = "Expire old snapshots of a table and remove what they alone refer to"
    time_travel              = "A table as it was yesterday, beside what it is now"
  }

  # Values come with the execution (ExecutionParameters, or EXECUTE … USING …) and never become part of the SQL text.
  prepared_statements = {
    events_of_user  = "Events of one user since a time: user_id, timestamp"
    revenue_by_zone = "Revenue of the pick-up zones between two days, both included: date, date"
    trips_of_day    = "Trips of one day: date"
  }
}

resource "aws_athena_workgroup" "this" {
  name          = local.name
  description   = "Queries of the curated layer; settings of clients are overridden"
  force_destroy = var.force_destroy
  tags          = local.tags

  configuration {
    bytes_scanned_cutoff_per_query     = var.scan_limit_gb * 1024 * 1024 * 1024
    enforce_workgroup_configuration    = true # a client can choose neither another place nor no encryption
    publish_cloudwatch_metrics_enabled = true

    engine_version {
      selected_engine_version = "Athena engine version 3"
    }

    result_configuration {
      output_location = "s3://${local.results.bucket.name}/${local.results.prefix}"

      encryption_configuration {
        encryption_option = "SSE_KMS"
        kms_key_arn       = var.kms_key_arn
      }
    }
  }
}

resource "aws_athena_named_query" "this" {
  for_each = local.named_queries

  name        = each.key
  description = each.value
  database    = var.database
  workgroup   = aws_athena_workgroup.this.id
  query       = templatefile("${path.module}/queries/${each.key}.sql", { location = "s3://${var.curated.bucket.name}/${var.curated.prefix}" })
}

resource "aws_athena_prepared_statement" "this" {
  for_each = local.prepared_statements

  name            = each.key
  description     = each.value
  workgroup       = aws_athena_workgroup.this.name
  query_statement = templatefile("${path.module}/statements/${each.key}.sql", { database = var.database })
}
