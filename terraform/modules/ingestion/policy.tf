locals {
  _queues = { landed = aws_sqs_queue.landed, dead_letters = aws_sqs_queue.dead_letters }

  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
  _from_s3 = {
    Sid       = "SendByRawBucket"
    Effect    = "Allow"
    Principal = { Service = "s3.amazonaws.com" }
    Action    = ["sqs:SendMessage"]
    Resource  = aws_sqs_queue.landed.arn
    Condition = {
      ArnEquals    = { "aws:SourceArn" = var.raw.bucket.arn }
      StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
    }
  }

  policies = {
    for key, queue in local._queues : key => jsonencode({
      Version = "2012-10-17"
      Statement = concat(
        [{
          Sid       = "DenyWithoutTls"
          Effect    = "Deny"
          Principal = "*"
          Action    = ["sqs:DeleteMessage", "sqs:ReceiveMessage", "sqs:SendMessage"]
          Resource  = queue.arn
          Condition = { Bool = { "aws:SecureTransport" = "false" } }
        }],
        [for statement in [local._from_s3] : statement if key == "landed"],
      )
    })
  }
}

resource "aws_sqs_queue_policy" "this" {
  for_each = local.policies

  queue_url = local._queues[each.key].id
  policy    = each.value
}
