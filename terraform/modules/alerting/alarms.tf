# They tell through CloudWatch, not through the function: also of the function's own failures.

locals {
  alarms = {
    dead_letters = {
      name     = "ingestion-dead-letters"
      queue    = var.queues.dead_letters.name
      metric   = "ApproximateNumberOfMessagesVisible"
      most     = 0
      severity = "critical"
      description = join(" ", [
        "What: messages about landed files failed too often and are dead letters. Next: lakehouse failed shows them and",
        "why; when the cause is mended, lakehouse redrive sends them back.",
      ])
    }
    delay = {
      name     = "ingestion-delay"
      queue    = var.queues.landed.name
      metric   = "ApproximateAgeOfOldestMessage"
      most     = var.oldest_message_seconds
      severity = "warning"
      description = join(" ", [
        "What: landed files wait in the queue for longer than ${var.oldest_message_seconds} seconds. Next: the log of the",
        "ingest function says what holds them up; lakehouse files shows how far each one is.",
      ])
    }
    undelivered = {
      name     = "undelivered-alerts"
      queue    = aws_sqs_queue.undelivered.name
      metric   = "ApproximateNumberOfMessagesVisible"
      most     = 0
      severity = "critical"
      description = join(" ", [
        "What: alerts could not be sent. Next: the log of the notify function says why; until it is mended, lakehouse",
        "files --failed and lakehouse runs show what failed. Then purge the queue ${var.name_prefix}-undelivered-alerts.",
      ])
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "queue" {
  for_each = local.alarms

  alarm_name          = "${var.name_prefix}-${each.value.name}"
  alarm_description   = each.value.description
  namespace           = "AWS/SQS"
  metric_name         = each.value.metric
  dimensions          = { QueueName = each.value.queue }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.most
  # SQS publishes nothing of a queue that nobody used for six hours.
  treat_missing_data = "notBreaching"
  alarm_actions      = [aws_sns_topic.this[each.value.severity].arn]
  ok_actions         = [aws_sns_topic.this[each.value.severity].arn]
  tags               = local.tags
}
