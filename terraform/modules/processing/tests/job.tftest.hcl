# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name_prefix        = "lakehouse-test"
  kms_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  artifacts_bucket   = { name = "artifacts-bucket", arn = "arn:aws:s3:::artifacts-bucket" }
  files_table        = { name = "files-table", arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/files-table" }
  log_retention_days = 30
  package_dir        = "../../testing/package"
  settings           = { LAKEHOUSE_PROJECT = "lakehouse", LAKEHOUSE_RAW_BUCKET = "raw-bucket" }
  layers = {
    raw        = { bucket = { name = "raw-bucket", arn = "arn:aws:s3:::raw-bucket" }, prefix = "raw-data/" }
    processed  = { bucket = { name = "processed-bucket", arn = "arn:aws:s3:::processed-bucket" }, prefix = "processed-data/" }
    quarantine = { bucket = { name = "processed-bucket", arn = "arn:aws:s3:::processed-bucket" }, prefix = "quarantine/" }
  }
}

run "the_job_has_the_figures_of_the_design" {
  command = plan

  assert {
    condition = [
      aws_glue_job.parquet_to_json.glue_version, aws_glue_job.parquet_to_json.worker_type, aws_glue_job.parquet_to_json.number_of_workers,
      aws_glue_job.parquet_to_json.timeout, aws_glue_job.parquet_to_json.max_retries,
    ] == ["5.1", "G.1X", 10, 60, 0]
    error_message = "The job is sized otherwise: ${jsonencode(aws_glue_job.parquet_to_json)}"
  }

  assert {
    condition     = aws_glue_job.parquet_to_json.default_arguments["--enable-auto-scaling"] == "true"
    error_message = "The job does not scale: ${jsonencode(aws_glue_job.parquet_to_json.default_arguments)}"
  }
}

run "the_job_logs_as_it_runs_and_publishes_metrics" {
  command = plan

  assert {
    condition = alltrue([
      for argument in ["--enable-continuous-cloudwatch-log", "--enable-metrics", "--enable-observability-metrics"] : aws_glue_job.parquet_to_json.default_arguments[argument] == "true"
    ])
    error_message = "The arguments are ${jsonencode(aws_glue_job.parquet_to_json.default_arguments)}."
  }

  assert {
    condition = { for key, group in aws_cloudwatch_log_group.parquet_to_json : key => [group.name, group.retention_in_days, group.kms_key_id] } == {
      error  = ["/aws-glue/jobs/lakehouse-test-role/lakehouse-test-parquet-to-json/error", 30, var.kms_key_arn]
      output = ["/aws-glue/jobs/lakehouse-test-role/lakehouse-test-parquet-to-json/output", 30, var.kms_key_arn]
    }
    error_message = "The log groups are others: ${jsonencode(aws_cloudwatch_log_group.parquet_to_json)}"
  }
}

run "the_job_gets_every_setting_as_an_argument" {
  command = plan

  assert {
    condition     = alltrue([for name, value in var.settings : aws_glue_job.parquet_to_json.default_arguments["--${name}"] == value])
    error_message = "The arguments are ${jsonencode(aws_glue_job.parquet_to_json.default_arguments)}."
  }
}

run "the_job_installs_its_wheels_from_one_zip_and_no_index" {
  command = plan

  assert {
    condition     = can(regex("^s3://artifacts-bucket/glue/parquet_to_json/[0-9a-f]{16}/parquet_to_json\\.gluewheels\\.zip$", aws_glue_job.parquet_to_json.default_arguments["--additional-python-modules"]))
    error_message = "The wheels come from ${aws_glue_job.parquet_to_json.default_arguments["--additional-python-modules"]}."
  }

  assert {
    condition     = aws_glue_job.parquet_to_json.default_arguments["--python-modules-installer-option"] == "--no-index"
    error_message = "A package index is asked: ${jsonencode(aws_glue_job.parquet_to_json.default_arguments)}"
  }
}

run "the_artifacts_keys_follow_their_content" {
  command = plan

  assert {
    condition     = strcontains(aws_s3_object.artifacts["script"].key, substr(filesha256("../../testing/package/parquet_to_json.py"), 0, 16))
    error_message = "The script lies at ${aws_s3_object.artifacts["script"].key}."
  }
}

run "logs_bookmarks_and_objects_are_encrypted_by_our_key" {
  command = plan

  assert {
    condition = [
      aws_glue_security_configuration.this.encryption_configuration[0].cloudwatch_encryption[0].cloudwatch_encryption_mode,
      aws_glue_security_configuration.this.encryption_configuration[0].cloudwatch_encryption[0].kms_key_arn,
      aws_glue_security_configuration.this.encryption_configuration[0].job_bookmarks_encryption[0].job_bookmarks_encryption_mode,
      aws_glue_security_configuration.this.encryption_configuration[0].job_bookmarks_encryption[0].kms_key_arn,
      aws_glue_security_configuration.this.encryption_configuration[0].s3_encryption[0].s3_encryption_mode,
      aws_glue_security_configuration.this.encryption_configuration[0].s3_encryption[0].kms_key_arn,
    ] == ["SSE-KMS", var.kms_key_arn, "CSE-KMS", var.kms_key_arn, "SSE-KMS", var.kms_key_arn]
    error_message = "Something is not encrypted: ${jsonencode(aws_glue_security_configuration.this.encryption_configuration)}"
  }

  assert {
    condition     = aws_glue_job.parquet_to_json.security_configuration == "lakehouse-test"
    error_message = "The job does not use the security configuration."
  }
}

run "the_role_reads_raw_and_writes_processed_and_quarantine" {
  command = plan

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.parquet_to_json.policy).Statement : statement.Sid => flatten([statement.Resource]) if contains(["ReadRaw", "WriteProcessed", "RecordFiles"], statement.Sid)
      } == {
      ReadRaw        = ["arn:aws:s3:::raw-bucket/raw-data/*"]
      WriteProcessed = ["arn:aws:s3:::processed-bucket/processed-data/*", "arn:aws:s3:::processed-bucket/quarantine/*"]
      RecordFiles    = ["arn:aws:dynamodb:eu-central-1:123456789012:table/files-table"]
    }
    error_message = "The role may do something else: ${aws_iam_role_policy.parquet_to_json.policy}"
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.parquet_to_json.policy, "s3:DeleteObject")
    error_message = "The job may delete objects: ${aws_iam_role_policy.parquet_to_json.policy}"
  }
}

run "a_worker_type_that_is_not_meant_for_spark_is_refused" {
  command = plan

  variables {
    workers = { type = "Z.2X" }
  }

  expect_failures = [var.workers]
}

run "a_job_without_an_executor_is_refused" {
  command = plan

  variables {
    workers = { maximum = 1 }
  }

  expect_failures = [var.workers]
}

run "a_retention_that_cloudwatch_does_not_know_is_refused" {
  command = plan

  variables {
    log_retention_days = 42
  }

  expect_failures = [var.log_retention_days]
}

run "a_setting_under_another_name_is_refused" {
  command = plan

  variables {
    settings = { RAW_BUCKET = "raw-bucket" }
  }

  expect_failures = [var.settings]
}
