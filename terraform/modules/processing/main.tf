data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  tags = merge(var.tags, { Component = "processing" })

  job_name = "${var.name_prefix}-parquet-to-json"
}

resource "aws_glue_security_configuration" "this" {
  name = var.name_prefix

  encryption_configuration {
    cloudwatch_encryption {
      cloudwatch_encryption_mode = "SSE-KMS"
      kms_key_arn                = var.kms_key_arn
    }

    job_bookmarks_encryption {
      job_bookmarks_encryption_mode = "CSE-KMS"
      kms_key_arn                   = var.kms_key_arn
    }

    s3_encryption {
      s3_encryption_mode = "SSE-KMS"
      kms_key_arn        = var.kms_key_arn
    }
  }
}

resource "aws_glue_job" "parquet_to_json" {
  name                   = local.job_name
  description            = "Converts one parquet file of the raw layer into one JSON object of the processed layer"
  role_arn               = aws_iam_role.parquet_to_json.arn
  glue_version           = "5.1" # Spark 3.5.6, Python 3.11: the laptop runs the same
  worker_type            = var.workers.type
  number_of_workers      = var.workers.maximum
  timeout                = var.timeout_minutes
  max_retries            = var.max_retries
  security_configuration = aws_glue_security_configuration.this.name
  tags                   = local.tags

  command {
    name            = "glueetl"
    python_version  = "3"
    script_location = "s3://${var.artifacts_bucket.name}/${aws_s3_object.artifacts["script"].key}"
  }

  default_arguments = merge(local.arguments, { for name, value in var.settings : "--${name}" => value })

  execution_property {
    max_concurrent_runs = var.max_concurrent_runs
  }

  # A run that starts before its role may do anything fails.
  depends_on = [aws_iam_role_policy.parquet_to_json, aws_cloudwatch_log_group.parquet_to_json]
}

locals {
  # https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
  arguments = {
    "--enable-auto-scaling"              = "true" # number_of_workers is the upper limit then
    "--enable-continuous-cloudwatch-log" = "true"
    "--enable-continuous-log-filter"     = "true"
    "--enable-metrics"                   = "true"
    "--enable-observability-metrics"     = "true"
    "--job-bookmark-option"              = "job-bookmark-disable" # the file records know what is converted

    # All wheels in one zip, which pip takes as its only index: nothing is fetched from a package index when a job starts.
    # https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-python-libraries.html
    "--additional-python-modules"       = "s3://${var.artifacts_bucket.name}/${aws_s3_object.artifacts["wheels"].key}"
    "--python-modules-installer-option" = "--no-index"
  }
}
