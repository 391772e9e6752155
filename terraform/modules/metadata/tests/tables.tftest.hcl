# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name_prefix = "lakehouse-test"
  kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "the_tables_carry_the_prefix" {
  command = plan

  assert {
    condition = { for key, table in aws_dynamodb_table.this : key => table.name } == {
      files         = "lakehouse-test-etl-pipeline-metadata"
      pipeline_runs = "lakehouse-test-pipeline-runs"
      watermarks    = "lakehouse-test-watermarks"
      circuits      = "lakehouse-test-circuits"
      notifications = "lakehouse-test-notifications"
    }
    error_message = "The tables are ${jsonencode({ for key, table in aws_dynamodb_table.this : key => table.name })}."
  }
}

run "the_tables_have_the_keys_that_the_code_reads_by" {
  command = plan

  assert {
    condition = { for key, table in aws_dynamodb_table.this : key => join(" + ", compact([table.hash_key, table.range_key])) } == {
      files         = "file_id"
      pipeline_runs = "pipeline_name + execution_date"
      watermarks    = "source"
      circuits      = "dependency"
      notifications = "notification_id"
    }
    error_message = "The keys are ${jsonencode({ for key, table in aws_dynamodb_table.this : key => [table.hash_key, table.range_key] })}."
  }

  assert {
    condition = {
      for key, table in aws_dynamodb_table.this : key => { for index in table.global_secondary_index : index.name => [index.hash_key, index.range_key, index.projection_type] }
      } == {
      files = {
        "status-created_at-index"  = ["status", "created_at", "ALL"]
        "dataset-created_at-index" = ["dataset", "created_at", "ALL"]
        "key-created_at-index"     = ["key", "created_at", "ALL"]
      }
      pipeline_runs = {
        "status-start_time-index" = ["status", "start_time", "ALL"]
      }
      circuits      = {}
      notifications = {}
      watermarks    = {}
    }
    error_message = "The indexes are others: ${jsonencode({ for key, table in aws_dynamodb_table.this : key => table.global_secondary_index })}"
  }
}

run "every_table_is_recoverable_encrypted_and_paid_by_request" {
  command = plan

  assert {
    condition = alltrue([
      for table in aws_dynamodb_table.this : table.point_in_time_recovery[0].enabled && table.server_side_encryption[0].enabled &&
      table.server_side_encryption[0].kms_key_arn == var.kms_key_arn && table.billing_mode == "PAY_PER_REQUEST"
    ])
    error_message = "A table is kept otherwise: ${jsonencode(aws_dynamodb_table.this)}"
  }
}

run "only_history_expires" {
  command = plan

  assert {
    condition     = { for key, table in aws_dynamodb_table.this : key => [for ttl in table.ttl : ttl.attribute_name if ttl.enabled] } == { circuits = [], files = [], notifications = ["expires_at"], pipeline_runs = ["expires_at"], watermarks = [] }
    error_message = "Items expire otherwise: ${jsonencode({ for key, table in aws_dynamodb_table.this : key => table.ttl })}"
  }
}

run "changes_of_files_and_runs_are_streamed_as_they_are_after_the_change" {
  command = plan

  assert {
    condition = {
      for key, table in aws_dynamodb_table.this : key => table.stream_view_type if table.stream_enabled
    } == { files = "NEW_IMAGE", pipeline_runs = "NEW_IMAGE" }
    error_message = "The streams are others: ${jsonencode({ for key, table in aws_dynamodb_table.this : key => table.stream_view_type })}"
  }

  assert {
    condition     = toset(keys(output.streams)) == toset(["files", "pipeline_runs"])
    error_message = "The streams are ${jsonencode(keys(output.streams))}."
  }
}

run "tables_are_protected_against_deletion_unless_asked_otherwise" {
  command = plan

  assert {
    condition     = alltrue([for table in aws_dynamodb_table.this : table.deletion_protection_enabled])
    error_message = "A table can be deleted."
  }
}
