data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  tags = merge(var.tags, { Component = "maintenance" })

  name = "${var.name_prefix}-table-maintenance"
}

resource "aws_sfn_state_machine" "this" {
  name     = local.name
  role_arn = aws_iam_role.machine.arn
  type     = "STANDARD"
  tags     = local.tags

  definition = templatefile("${path.module}/table_maintenance.json", {
    database_name  = var.curated.database
    workgroup_name = var.workgroup.name
  })

  logging_configuration {
    include_execution_data = true
    level                  = "ALL"
    log_destination        = "${aws_cloudwatch_log_group.this.arn}:*"
  }

  tracing_configuration {
    enabled = true
  }

  # Step Functions checks at creation that the role may deliver logs.
  depends_on = [aws_iam_role_policy.machine]
}

resource "aws_cloudwatch_log_group" "this" {
  # Under this prefix log delivery needs no resource policy of ours for each group.
  # https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html
  name              = "/aws/vendedlogs/states/${local.name}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
  tags              = local.tags
}

resource "aws_scheduler_schedule" "this" {
  for_each = toset(var.schedule == null ? [] : [var.schedule])

  name                = local.name
  description         = "Compacts the curated tables and expires their snapshots"
  kms_key_arn         = var.kms_key_arn
  schedule_expression = each.value

  flexible_time_window {
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = 30
  }

  target {
    arn      = aws_sfn_state_machine.this.arn
    role_arn = aws_iam_role.schedule[each.value].arn
    input    = jsonencode({})

    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 5
    }
  }
}
