data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  tags = merge(var.tags, { Component = "alerting" })

  severities = ["info", "warning", "critical"]
  subscriptions = merge([
    for severity, subscribers in var.subscriptions : {
      for one in subscribers : "${severity}/${one.protocol}/${one.endpoint}" => merge(one, { severity = severity })
    }
  ]...)
}

resource "aws_sns_topic" "this" {
  for_each = toset(local.severities)

  name              = "${var.name_prefix}-alerts-${each.key}"
  kms_master_key_id = var.kms_key_arn
  tags              = local.tags
}

resource "aws_sns_topic_subscription" "this" {
  for_each = local.subscriptions

  topic_arn = aws_sns_topic.this[each.value.severity].arn
  protocol  = each.value.protocol
  endpoint  = each.value.endpoint
}

# What the function could not tell, however often it tried: kept as it is, and an alarm tells that it is there. Not the
# ingestion's dead letters: those are sent back to the queue of landed files.
resource "aws_sqs_queue" "undelivered" {
  name                      = "${var.name_prefix}-undelivered-alerts"
  kms_master_key_id         = var.kms_key_arn
  message_retention_seconds = 1209600 # fourteen days, the longest
  tags                      = local.tags
}
