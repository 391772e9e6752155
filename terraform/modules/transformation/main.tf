data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  tags = merge(var.tags, { Component = "transformation" })

  name = "${var.name_prefix}-dbt"

  # Where each build leaves dbt's run_results.json and manifest.json, in a folder of the build's id.
  run_results_prefix = "run-results/"

  # What dbt_project/ reads with env_var(): the only place where these names are chosen.
  environment = merge(
    {
      DBT_TARGET                     = var.target
      DBT_ATHENA_CATALOG             = "awsdatacatalog" # `database` in a dbt profile
      DBT_ATHENA_REGION              = data.aws_region.current.name
      DBT_ATHENA_S3_DATA_DIR         = "s3://${var.curated.bucket.name}/${var.curated.prefix}"
      DBT_ATHENA_S3_STAGING_DIR      = "s3://${var.query_results.bucket.name}/${var.query_results.prefix}"
      DBT_ATHENA_SCHEMA              = var.curated.database # `schema` in a dbt profile
      DBT_ATHENA_THREADS             = tostring(var.threads)
      DBT_ATHENA_WORKGROUP           = var.workgroup.name
      DBT_RESULTS_LOCATION           = "s3://${var.artifacts_bucket.name}/${local.run_results_prefix}"
      DBT_SEND_ANONYMOUS_USAGE_STATS = "false"
      DO_NOT_TRACK                   = "1"
      LAKEHOUSE_PIPELINE_RUNS_TABLE  = var.pipeline_runs_table.name
    },
    { for layer, source in var.sources : "DBT_ATHENA_${upper(layer)}_SCHEMA" => source.database },
  )
}

resource "aws_codebuild_project" "dbt" {
  name                   = local.name
  description            = "Runs dbt build on Athena: processed tables become the curated ones"
  build_timeout          = var.timeout_minutes
  concurrent_build_limit = 1 # two builds would write the same tables
  encryption_key         = var.kms_key_arn
  queued_timeout         = 30
  service_role           = aws_iam_role.dbt.arn
  tags                   = local.tags

  artifacts {
    type = "NO_ARTIFACTS"
  }

  # The environment with dbt's wheels, where a build finds one of an earlier build.
  cache {
    type  = "LOCAL"
    modes = ["LOCAL_CUSTOM_CACHE"]
  }

  environment {
    compute_type = "BUILD_GENERAL1_SMALL"
    image        = "aws/codebuild/amazonlinux-x86_64-standard:5.0" # Amazon Linux 2023
    type         = "LINUX_CONTAINER"

    dynamic "environment_variable" {
      for_each = local.environment

      content {
        name  = environment_variable.key
        value = environment_variable.value
      }
    }
  }

  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.dbt.name
    }
  }

  source {
    type     = "S3"
    location = "${aws_s3_object.source.bucket}/${aws_s3_object.source.key}"
  }

  # A build that starts before its role may do anything fails.
  depends_on = [aws_iam_role_policy.dbt]
}

resource "aws_s3_object" "source" {
  bucket = var.artifacts_bucket.name
  # The content's hash is part of the key: a change of a model is a change of the project.
  key    = "dbt/${substr(filesha256("${var.package_dir}/dbt_project.zip"), 0, 16)}/dbt_project.zip"
  source = "${var.package_dir}/dbt_project.zip"
  tags   = local.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "dbt" {
  name              = "/aws/codebuild/${local.name}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
  tags              = local.tags
}
