# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name_prefix         = "lakehouse-test"
  kms_key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  artifacts_bucket    = { name = "artifacts-bucket", arn = "arn:aws:s3:::artifacts-bucket" }
  log_retention_days  = 30
  package_dir         = "../../testing/package"
  pipeline_runs_table = { name = "runs-table", arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/runs-table" }
  workgroup           = { name = "the-workgroup", arn = "arn:aws:athena:eu-central-1:123456789012:workgroup/the-workgroup" }
  query_results       = { bucket = { name = "results-bucket", arn = "arn:aws:s3:::results-bucket" }, prefix = "the-workgroup/" }
  curated             = { bucket = { name = "curated-bucket", arn = "arn:aws:s3:::curated-bucket" }, prefix = "curated-data/", database = "test_curated" }
  sources = {
    processed = { bucket = { name = "processed-bucket", arn = "arn:aws:s3:::processed-bucket" }, prefix = "processed-data/", database = "test_processed" }
  }
}

run "the_project_builds_a_zip_of_s3_named_by_its_content" {
  command = plan

  assert {
    condition = (
      aws_codebuild_project.dbt.name == "lakehouse-test-dbt" && aws_codebuild_project.dbt.artifacts[0].type == "NO_ARTIFACTS" &&
      one(aws_codebuild_project.dbt.source).type == "S3" &&
      can(regex("^artifacts-bucket/dbt/[0-9a-f]{16}/dbt_project\\.zip$", one(aws_codebuild_project.dbt.source).location))
    )
    error_message = "The project is another: ${jsonencode(aws_codebuild_project.dbt)}"
  }
}

run "one_build_at_a_time_within_an_hour" {
  command = plan

  assert {
    condition     = aws_codebuild_project.dbt.concurrent_build_limit == 1 && aws_codebuild_project.dbt.build_timeout == 60
    error_message = "The project is limited otherwise: ${jsonencode(aws_codebuild_project.dbt)}"
  }
}

run "dbt_is_told_where_to_read_and_to_write" {
  command = plan

  assert {
    condition = { for variable in one(aws_codebuild_project.dbt.environment).environment_variable : variable.name => variable.value } == {
      DBT_TARGET                     = "athena"
      DBT_ATHENA_CATALOG             = "awsdatacatalog"
      DBT_ATHENA_PROCESSED_SCHEMA    = "test_processed"
      DBT_ATHENA_REGION              = "eu-central-1"
      DBT_ATHENA_S3_DATA_DIR         = "s3://curated-bucket/curated-data/"
      DBT_ATHENA_S3_STAGING_DIR      = "s3://results-bucket/the-workgroup/"
      DBT_ATHENA_SCHEMA              = "test_curated"
      DBT_ATHENA_THREADS             = "4"
      DBT_ATHENA_WORKGROUP           = "the-workgroup"
      DBT_RESULTS_LOCATION           = "s3://artifacts-bucket/run-results/"
      DBT_SEND_ANONYMOUS_USAGE_STATS = "false"
      DO_NOT_TRACK                   = "1"
      LAKEHOUSE_PIPELINE_RUNS_TABLE  = "runs-table"
    }
    error_message = "The variables are ${jsonencode(one(aws_codebuild_project.dbt.environment).environment_variable)}."
  }
}

run "a_target_that_the_profile_has_not_is_refused" {
  command = plan

  variables {
    target = "prod"
  }

  expect_failures = [var.target]
}

run "the_log_is_encrypted_and_expires" {
  command = plan

  assert {
    condition = (
      aws_cloudwatch_log_group.dbt.name == "/aws/codebuild/lakehouse-test-dbt" && aws_cloudwatch_log_group.dbt.retention_in_days == 30 &&
      aws_cloudwatch_log_group.dbt.kms_key_id == var.kms_key_arn &&
      one(one(aws_codebuild_project.dbt.logs_config).cloudwatch_logs).group_name == aws_cloudwatch_log_group.dbt.name
    )
    error_message = "The log group is another: ${jsonencode(aws_cloudwatch_log_group.dbt)}"
  }
}

run "a_build_time_that_codebuild_would_refuse_is_refused" {
  command = plan

  variables {
    timeout_minutes = 3
  }

  expect_failures = [var.timeout_minutes]
}

run "the_layer_that_is_written_is_no_source" {
  command = plan

  variables {
    sources = { curated = { bucket = { name = "b", arn = "arn:aws:s3:::b" }, prefix = "a/", database = "d" } }
  }

  expect_failures = [var.sources]
}
