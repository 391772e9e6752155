# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name_prefix    = "lakehouse-test"
  kms_key_arn    = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  database       = "lakehouse_test_curated"
  results_bucket = { name = "results-bucket", arn = "arn:aws:s3:::results-bucket" }
  curated        = { bucket = { name = "curated-bucket", arn = "arn:aws:s3:::curated-bucket" }, prefix = "curated-data/" }
}

run "clients_cannot_change_where_results_go_and_how_they_are_encrypted" {
  command = plan

  assert {
    condition = (
      aws_athena_workgroup.this.configuration[0].enforce_workgroup_configuration &&
      aws_athena_workgroup.this.configuration[0].result_configuration[0].output_location == "s3://results-bucket/lakehouse-test-analytics/" &&
      aws_athena_workgroup.this.configuration[0].result_configuration[0].encryption_configuration[0].encryption_option == "SSE_KMS" &&
      aws_athena_workgroup.this.configuration[0].result_configuration[0].encryption_configuration[0].kms_key_arn == var.kms_key_arn
    )
    error_message = "The workgroup is configured otherwise: ${jsonencode(aws_athena_workgroup.this.configuration)}"
  }
}

run "a_query_is_cut_off_and_counted" {
  command = plan

  variables {
    scan_limit_gb = 2
  }

  assert {
    condition     = aws_athena_workgroup.this.configuration[0].bytes_scanned_cutoff_per_query == 2147483648 && aws_athena_workgroup.this.configuration[0].publish_cloudwatch_metrics_enabled
    error_message = "The workgroup is limited otherwise: ${jsonencode(aws_athena_workgroup.this.configuration)}"
  }
}

run "the_workgroup_says_where_its_results_are" {
  command = plan

  assert {
    condition     = output.results == { bucket = var.results_bucket, prefix = "lakehouse-test-analytics/" }
    error_message = "The results are at ${jsonencode(output.results)}."
  }
}

run "a_scan_limit_below_a_gigabyte_is_refused" {
  command = plan

  variables {
    scan_limit_gb = 0
  }

  expect_failures = [var.scan_limit_gb]
}

run "a_database_that_athena_would_want_in_quotes_is_refused" {
  command = plan

  variables {
    database = "lakehouse-test-curated"
  }

  expect_failures = [var.database]
}

run "a_folder_without_its_slash_is_refused" {
  command = plan

  variables {
    curated = { bucket = { name = "curated-bucket", arn = "arn:aws:s3:::curated-bucket" }, prefix = "curated-data" }
  }

  expect_failures = [var.curated]
}
