locals {
  _alarms = join(":", [
    "arn", data.aws_partition.current.partition, "cloudwatch", data.aws_region.current.name,
    data.aws_caller_identity.current.account_id, "alarm", "${var.name_prefix}-*",
  ])

  topic_policies = {
    for severity in local.severities : severity => jsonencode({
      Version = "2012-10-17"
      Statement = concat(
        [
          {
            Sid       = "DenyWithoutTls"
            Effect    = "Deny"
            Principal = "*"
            Action    = ["sns:Publish"]
            Resource  = aws_sns_topic.this[severity].arn
            Condition = { Bool = { "aws:SecureTransport" = "false" } }
          },
          {
            Sid       = "PublishByFunction"
            Effect    = "Allow"
            Principal = { AWS = var.function.role_arn }
            Action    = ["sns:Publish"]
            Resource  = aws_sns_topic.this[severity].arn
          },
        ],
        # No alarm tells what is only good to know.
        [
          for statement in [{
            # https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
            Sid       = "PublishByAlarms"
            Effect    = "Allow"
            Principal = { Service = "cloudwatch.amazonaws.com" }
            Action    = ["sns:Publish"]
            Resource  = aws_sns_topic.this[severity].arn
            Condition = {
              ArnLike      = { "aws:SourceArn" = local._alarms }
              StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
            }
          }] : statement if severity != "info"
        ],
      )
    })
  }
}

resource "aws_sns_topic_policy" "this" {
  for_each = local.topic_policies

  arn    = aws_sns_topic.this[each.key].arn
  policy = each.value
}

# Lambda sends to it as the function's role, whose own policy allows it.
resource "aws_sqs_queue_policy" "undelivered" {
  queue_url = aws_sqs_queue.undelivered.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "DenyWithoutTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = ["sqs:DeleteMessage", "sqs:ReceiveMessage", "sqs:SendMessage"]
      Resource  = aws_sqs_queue.undelivered.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
