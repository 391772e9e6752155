# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name_prefix             = "lakehouse-test"
  kms_key_arn             = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  abort_upload_days       = 2
  noncurrent_version_days = 11
  access_log_days         = 99
  buckets = {
    raw            = { transitions = [{ after_days = 30, storage_class = "STANDARD_IA" }, { after_days = 90, storage_class = "GLACIER_IR" }] }
    athena_results = { expiration_days = 7 }
  }
}

run "unfinished_uploads_and_old_versions_go_in_every_bucket" {
  command = plan

  assert {
    condition = alltrue([
      for lifecycle in aws_s3_bucket_lifecycle_configuration.this :
      [for rule in lifecycle.rule : rule.abort_incomplete_multipart_upload[0].days_after_initiation if rule.id == "abort-incomplete-uploads"] == [2]
    ])
    error_message = "Unfinished uploads stay: ${jsonencode(aws_s3_bucket_lifecycle_configuration.this)}"
  }

  assert {
    condition = alltrue([
      for lifecycle in aws_s3_bucket_lifecycle_configuration.this :
      [for rule in lifecycle.rule : rule.noncurrent_version_expiration[0].noncurrent_days if rule.id == "expire-noncurrent-versions"] == [11]
    ])
    error_message = "Old versions stay: ${jsonencode(aws_s3_bucket_lifecycle_configuration.this)}"
  }
}

run "objects_cool_down_as_asked" {
  command = plan

  assert {
    condition = {
      for transition in flatten([for rule in aws_s3_bucket_lifecycle_configuration.this["raw"].rule : rule.transition if rule.id == "cool-down"]) : transition.storage_class => transition.days
    } == { STANDARD_IA = 30, GLACIER_IR = 90 }
    error_message = "Objects of raw move otherwise: ${jsonencode(aws_s3_bucket_lifecycle_configuration.this["raw"].rule)}"
  }

  assert {
    condition     = !contains([for rule in aws_s3_bucket_lifecycle_configuration.this["athena_results"].rule : rule.id], "cool-down")
    error_message = "Athena's results move to another class before they expire."
  }
}

run "results_and_access_logs_expire_and_data_does_not" {
  command = plan

  assert {
    condition = {
      for key, lifecycle in aws_s3_bucket_lifecycle_configuration.this : key => [for rule in lifecycle.rule : rule.expiration[0].days if rule.id == "expire"]
    } == { raw = [], athena_results = [7], access_logs = [99] }
    error_message = "Objects expire otherwise: ${jsonencode(aws_s3_bucket_lifecycle_configuration.this)}"
  }
}

run "a_storage_class_that_s3_does_not_know_is_refused" {
  command = plan

  variables {
    buckets = { raw = { transitions = [{ after_days = 30, storage_class = "ICEBOX" }] } }
  }

  expect_failures = [var.buckets]
}

run "infrequent_access_before_thirty_days_is_refused" {
  command = plan

  variables {
    buckets = { raw = { transitions = [{ after_days = 7, storage_class = "STANDARD_IA" }] } }
  }

  expect_failures = [var.buckets]
}
