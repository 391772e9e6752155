locals {
  tags = merge(var.tags, { Component = "metadata" })

  # Keys and indexes as lakehouse.metadata reads and writes them.
  tables = {
    files = {
      name     = "${var.name_prefix}-etl-pipeline-metadata"
      hash_key = "file_id"
      indexes = {
        "status-created_at-index"  = { hash_key = "status", range_key = "created_at" }
        "dataset-created_at-index" = { hash_key = "dataset", range_key = "created_at" }
        "key-created_at-index"     = { hash_key = "key", range_key = "created_at" }
      }
      is_streamed = true
    }
    pipeline_runs = {
      name      = "${var.name_prefix}-pipeline-runs"
      hash_key  = "pipeline_name"
      range_key = "execution_date"
      indexes = {
        "status-start_time-index" = { hash_key = "status", range_key = "start_time" }
      }
      # The file records and watermarks are what makes a conversion happen once: they never expire. A run's record is
      # history.
      expires_by  = "expires_at"
      is_streamed = true
    }
    watermarks = {
      name     = "${var.name_prefix}-watermarks"
      hash_key = "source"
    }
    circuits = {
      name     = "${var.name_prefix}-circuits"
      hash_key = "dependency"
    }
    # What people were told; long after anything could be delivered again it may be forgotten.
    notifications = {
      name       = "${var.name_prefix}-notifications"
      hash_key   = "notification_id"
      expires_by = "expires_at"
    }
  }
}

resource "aws_dynamodb_table" "this" {
  for_each = local.tables

  name                        = each.value.name
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = var.deletion_protection
  hash_key                    = each.value.hash_key
  range_key                   = try(each.value.range_key, null)
  stream_enabled              = try(each.value.is_streamed, false)
  stream_view_type            = try(each.value.is_streamed, false) ? "NEW_IMAGE" : null
  tags                        = merge(local.tags, { Table = each.key })

  dynamic "attribute" {
    # Every key of the table and of its indexes, once. All are strings: timestamps are ISO-8601 and sort as text.
    for_each = toset(compact(flatten([
      each.value.hash_key,
      try(each.value.range_key, ""),
      [for index in values(try(each.value.indexes, {})) : [index.hash_key, index.range_key]],
    ])))

    content {
      name = attribute.value
      type = "S"
    }
  }

  dynamic "global_secondary_index" {
    for_each = try(each.value.indexes, {})

    content {
      name            = global_secondary_index.key
      hash_key        = global_secondary_index.value.hash_key
      range_key       = global_secondary_index.value.range_key
      projection_type = "ALL"
    }
  }

  dynamic "ttl" {
    for_each = compact([try(each.value.expires_by, "")])

    content {
      attribute_name = ttl.value
      enabled        = true
    }
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}
