# What the function hears of: ends that are recorded, from the tables' streams; ends that are not, from EventBridge.

locals {
  # A file that failed, a run that ended. The filter spares an invocation for every step in between.
  _told = {
    files         = ["FAILED"]
    pipeline_runs = ["SUCCEEDED", "FAILED"]
  }

  # Step Functions itself ends these: no state of theirs is left to record it.
  _unrecorded = {
    killed = { statuses = ["ABORTED", "TIMED_OUT"], machines = values(var.state_machines) }
    failed = { statuses = ["FAILED"], machines = values(var.unrecorded_state_machines) }
  }
}

resource "aws_lambda_event_source_mapping" "this" {
  for_each = local._told

  event_source_arn                   = var.streams[each.key]
  function_name                      = var.function.alias_arn
  starting_position                  = "TRIM_HORIZON"
  batch_size                         = var.batch_size
  bisect_batch_on_function_error     = true
  function_response_types            = ["ReportBatchItemFailures"]
  maximum_record_age_in_seconds      = 21600 # six hours: later nobody is helped
  maximum_retry_attempts             = var.most_retries
  maximum_batching_window_in_seconds = 0
  tags                               = local.tags

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.undelivered.arn
    }
  }

  filter_criteria {
    filter {
      pattern = jsonencode({ dynamodb = { NewImage = { status = { S = each.value } } } })
    }
  }
}

resource "aws_cloudwatch_event_rule" "unrecorded" {
  for_each = local._unrecorded

  name        = "${var.name_prefix}-execution-${each.key}"
  description = "Executions that end as ${join(" or ", each.value.statuses)} and cannot record it"
  tags        = local.tags

  # https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
  event_pattern = jsonencode({
    source      = ["aws.states"]
    detail-type = ["Step Functions Execution Status Change"]
    detail      = { status = each.value.statuses, stateMachineArn = each.value.machines }
  })
}

resource "aws_cloudwatch_event_target" "unrecorded" {
  for_each = aws_cloudwatch_event_rule.unrecorded

  rule      = each.value.name
  target_id = "notify"
  arn       = var.function.alias_arn
}

resource "aws_lambda_permission" "unrecorded" {
  for_each = aws_cloudwatch_event_rule.unrecorded

  statement_id  = "execution-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = var.function.name
  qualifier     = var.function.alias
  principal     = "events.amazonaws.com"
  source_arn    = each.value.arn
}

# EventBridge's invocations are asynchronous: Lambda tries again twice, one and two minutes later.
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = var.function.name
  qualifier                    = var.function.alias
  maximum_event_age_in_seconds = 21600
  maximum_retry_attempts       = 2

  destination_config {
    on_failure {
      destination = aws_sqs_queue.undelivered.arn
    }
  }
}
