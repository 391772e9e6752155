data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  tags = merge(var.tags, { Component = "functions" })

  # Memory also buys processors: 1,769 MB are one, and the conversion uses two.
  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
  functions = {
    redrive = {
      description     = "Sends dead letters back to the queue of the files that landed, once their cause is mended"
      memory_mb       = 512
      timeout_seconds = 900 # SQS moves them, and it waits for the end of that
      statements      = [local.permissions.look_at_landed, local.permissions.send_landed, local.permissions.move_dead_letters]
    }
    register_file = {
      description     = "Registers a file of the raw layer and decides how it is converted"
      memory_mb       = 1024
      timeout_seconds = 120
      statements      = [local.permissions.read_raw, local.permissions.find_raw, local.permissions.register_files]
    }
    convert_file = {
      description     = "Converts one small parquet file of the raw layer into one JSON object of the processed layer"
      memory_mb       = 3008
      scratch_mb      = 2048 # Polars is unpacked there
      timeout_seconds = 900
      statements = [
        local.permissions.read_raw, local.permissions.find_raw, local.permissions.write_processed,
        local.permissions.find_uploads, local.permissions.record_files, local.permissions.find_other_versions,
      ]
    }
    ingest = {
      description = "Takes in what landed: registers each file and starts its conversion"
      memory_mb   = 1024
      # A message is not delivered again while the function may still work on it.
      # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
      timeout_seconds = floor(var.landed_queue.visibility_seconds / 6)
      statements = [
        local.permissions.read_raw, local.permissions.find_raw, local.permissions.register_files,
        local.permissions.guard_dependencies, local.permissions.start_conversions, local.permissions.receive_landed,
        local.permissions.send_landed,
      ]
    }
    plan_files = {
      description     = "Lists what landed in the raw layer and is not converted yet"
      memory_mb       = 1769 # a whole processor: most of a plan is reading answers
      timeout_seconds = 900
      statements      = [local.permissions.list_raw, local.permissions.look_up_files, local.permissions.write_plans]
    }
    record_failure = {
      description     = "Records why a file could not be converted"
      memory_mb       = 512
      timeout_seconds = 60
      statements = [
        local.permissions.register_files, local.permissions.guard_dependencies, local.permissions.send_landed,
      ]
    }
    notify = {
      description = "Tells people what failed and what ended, each thing once"
      memory_mb   = 512
      # Half of the minute for which another one that began to tell the same is waited for.
      timeout_seconds = 30
      statements = [
        local.permissions.read_streams, local.permissions.find_streams, local.permissions.remember_notifications,
        local.permissions.publish_alerts, local.permissions.keep_undelivered,
      ]
    }
  }

  names = { for key in keys(local.functions) : key => "${var.name_prefix}-${replace(key, "_", "-")}" }
}

resource "aws_s3_object" "package" {
  bucket = var.artifacts_bucket.name
  # The content's hash is part of the key: a change of code is a change of the functions.
  key    = "functions/${substr(filesha256("${var.package_dir}/functions.zip"), 0, 16)}/functions.zip"
  source = "${var.package_dir}/functions.zip"
  tags   = local.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_lambda_function" "this" {
  for_each = local.functions

  function_name = local.names[each.key]
  description   = each.value.description
  role          = aws_iam_role.this[each.key].arn
  handler       = "lakehouse.functions.${each.key}.handler"
  runtime       = "python3.11"
  architectures = ["x86_64"]
  s3_bucket     = aws_s3_object.package.bucket
  s3_key        = aws_s3_object.package.key
  memory_size   = each.value.memory_mb
  publish       = true
  timeout       = each.value.timeout_seconds
  kms_key_arn   = var.kms_key_arn
  tags          = merge(local.tags, { Function = each.key })

  environment {
    variables = merge(var.settings, {
      POWERTOOLS_SERVICE_NAME      = each.key
      POWERTOOLS_METRICS_NAMESPACE = var.name_prefix
      POWERTOOLS_LOG_LEVEL         = "INFO"
    })
  }

  ephemeral_storage {
    size = try(each.value.scratch_mb, 512)
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this[each.key].name
  }

  tracing_config {
    mode = "Active"
  }

  # Lambda checks at creation that the role lets it write logs and traces.
  depends_on = [aws_iam_role_policy.this]
}

# What events invoke: it moves to another version on purpose, not because code was uploaded.
resource "aws_lambda_alias" "live" {
  for_each = aws_lambda_function.this

  name             = "live"
  description      = "The version in use"
  function_name    = each.value.function_name
  function_version = each.value.version
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.functions

  name              = "/aws/lambda/${local.names[each.key]}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
  tags              = local.tags
}
