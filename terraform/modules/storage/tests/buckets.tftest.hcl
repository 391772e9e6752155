# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name_prefix = "lakehouse-test"
  kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  buckets = {
    raw            = { transitions = [{ after_days = 30, storage_class = "STANDARD_IA" }, { after_days = 90, storage_class = "GLACIER_IR" }] }
    athena_results = { expiration_days = 7 }
    artifacts      = {}
  }
}

run "names_carry_the_prefix_and_the_account_in_kebab_case" {
  command = plan

  assert {
    condition = { for key, bucket in output.buckets : key => bucket.name } == {
      raw            = "lakehouse-test-raw-123456789012"
      athena_results = "lakehouse-test-athena-results-123456789012"
      artifacts      = "lakehouse-test-artifacts-123456789012"
      access_logs    = "lakehouse-test-access-logs-123456789012"
    }
    error_message = "The buckets are ${jsonencode(output.buckets)}."
  }
}

run "every_bucket_is_versioned" {
  command = plan

  assert {
    condition     = alltrue([for key in keys(output.buckets) : aws_s3_bucket_versioning.this[key].versioning_configuration[0].status == "Enabled"])
    error_message = "A bucket is not versioned: ${jsonencode(aws_s3_bucket_versioning.this)}"
  }
}

run "every_bucket_is_closed_to_the_public" {
  command = plan

  assert {
    condition = alltrue([
      for key in keys(output.buckets) : alltrue([
        aws_s3_bucket_public_access_block.this[key].block_public_acls,
        aws_s3_bucket_public_access_block.this[key].block_public_policy,
        aws_s3_bucket_public_access_block.this[key].ignore_public_acls,
        aws_s3_bucket_public_access_block.this[key].restrict_public_buckets,
      ])
    ])
    error_message = "A bucket can become public: ${jsonencode(aws_s3_bucket_public_access_block.this)}"
  }
}

run "objects_belong_to_the_buckets_owner" {
  command = plan

  assert {
    condition     = alltrue([for key in keys(output.buckets) : aws_s3_bucket_ownership_controls.this[key].rule[0].object_ownership == "BucketOwnerEnforced"])
    error_message = "A bucket has ACLs: ${jsonencode(aws_s3_bucket_ownership_controls.this)}"
  }
}

run "every_bucket_but_the_access_logs_is_encrypted_by_our_key_with_a_bucket_key" {
  command = plan

  assert {
    condition = alltrue([
      for key in ["raw", "athena_results", "artifacts"] : alltrue([
        for rule in aws_s3_bucket_server_side_encryption_configuration.this[key].rule : rule.bucket_key_enabled &&
        rule.apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms" &&
        rule.apply_server_side_encryption_by_default[0].kms_master_key_id == var.kms_key_arn
      ])
    ])
    error_message = "A bucket is encrypted otherwise: ${jsonencode(aws_s3_bucket_server_side_encryption_configuration.this)}"
  }

  assert {
    # S3 delivers no access logs into a bucket with KMS.
    condition = [
      for rule in aws_s3_bucket_server_side_encryption_configuration.this["access_logs"].rule : rule.apply_server_side_encryption_by_default[0].sse_algorithm
    ] == ["AES256"]
    error_message = "The access logs are encrypted otherwise: ${jsonencode(aws_s3_bucket_server_side_encryption_configuration.this["access_logs"])}"
  }
}

run "every_bucket_but_the_access_logs_writes_access_logs_under_its_own_prefix" {
  command = plan

  assert {
    condition     = { for key, logging in aws_s3_bucket_logging.this : key => logging.target_prefix } == { raw = "raw/", athena_results = "athena_results/", artifacts = "artifacts/" }
    error_message = "The access logs go to ${jsonencode({ for key, logging in aws_s3_bucket_logging.this : key => logging.target_prefix })}."
  }
}

run "no_object_is_deleted_with_its_bucket_unless_asked" {
  command = plan

  assert {
    condition     = !anytrue([for bucket in aws_s3_bucket.this : bucket.force_destroy])
    error_message = "A bucket would be emptied on destroy."
  }
}

run "a_short_name_in_another_style_is_refused" {
  command = plan

  variables {
    buckets = { "athena-results" = {} }
  }

  expect_failures = [var.buckets]
}

run "a_second_bucket_for_access_logs_is_refused" {
  command = plan

  variables {
    buckets = { access_logs = {} }
  }

  expect_failures = [var.buckets]
}
