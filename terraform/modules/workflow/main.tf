data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  tags = merge(var.tags, { Component = "workflow" })

  names = { for key in ["lakehouse_pipeline", "file_conversion"] : key => "${var.name_prefix}-${replace(key, "_", "-")}" }

  _states = "arn:${data.aws_partition.current.partition}:states:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"

  # Put together from names, because the pipeline and its role refer to each other's machines.
  arns = { for key, name in local.names : key => "${local._states}:stateMachine:${name}" }

  definitions = {
    file_conversion = templatefile("${path.module}/file_conversion.json", {
      convert_file_arn   = var.functions["convert_file"].arn
      files_table        = var.files_table.name
      job_name           = var.job.name
      record_failure_arn = var.functions["record_failure"].arn
      register_file_arn  = var.functions["register_file"].arn
    })
    lakehouse_pipeline = templatefile("${path.module}/state_machine.json", {
      curated_crawler_name           = var.crawlers.curated.name
      dbt_project_name               = var.dbt_project.name
      raw_crawler_name               = var.crawlers.raw.name
      file_conversion_arn            = local.arns.file_conversion
      file_conversion_executions_arn = "${local._states}:execution:${local.names.file_conversion}"
      files_table                    = var.files_table.name
      pipeline_runs_table            = var.pipeline_runs_table.name
      plan_files_arn                 = var.functions["plan_files"].arn
      plans_bucket_name              = var.plans_bucket.name
      record_failure_arn             = var.functions["record_failure"].arn
    })
  }
}

resource "aws_sfn_state_machine" "this" {
  for_each = local.definitions

  name       = local.names[each.key]
  role_arn   = aws_iam_role.this[each.key].arn
  type       = "STANDARD" # exactly once by execution name, for up to a year
  definition = each.value
  tags       = local.tags

  logging_configuration {
    include_execution_data = true
    level                  = "ALL"
    log_destination        = "${aws_cloudwatch_log_group.this[each.key].arn}:*"
  }

  tracing_configuration {
    enabled = true
  }

  # Step Functions checks at creation that the role may deliver logs.
  depends_on = [aws_iam_role_policy.this]
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.names

  # Under this prefix log delivery needs no resource policy of ours for each group.
  # https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html
  name              = "/aws/vendedlogs/states/${each.value}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
  tags              = local.tags
}
