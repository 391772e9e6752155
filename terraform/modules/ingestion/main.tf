data "aws_caller_identity" "current" {}

locals {
  tags = merge(var.tags, { Component = "ingestion" })

  name = "${var.name_prefix}-landed-files"
}

resource "aws_sqs_queue" "landed" {
  name                       = local.name
  kms_master_key_id          = var.kms_key_arn
  message_retention_seconds  = 345600 # four days: a long weekend
  receive_wait_time_seconds  = 20
  visibility_timeout_seconds = var.visibility_seconds
  tags                       = local.tags
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${local.name}-dead-letters"
  kms_master_key_id         = var.kms_key_arn
  message_retention_seconds = 1209600 # fourteen days, the longest
  tags                      = local.tags
}

# Each of the two policies names the other queue.
resource "aws_sqs_queue_redrive_policy" "landed" {
  queue_url = aws_sqs_queue.landed.id
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = var.most_receives
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.landed.arn]
  })
}

resource "aws_s3_bucket_notification" "raw" {
  bucket = var.raw.bucket.name
  # For whoever else wants to hear of it: rules on the default bus.
  eventbridge = true

  queue {
    id            = "landed-files"
    queue_arn     = aws_sqs_queue.landed.arn
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = var.raw.prefix
    filter_suffix = ".parquet"
  }

  # S3 sends a test message when it is configured.
  depends_on = [aws_sqs_queue_policy.this]
}

resource "aws_lambda_event_source_mapping" "landed" {
  event_source_arn        = aws_sqs_queue.landed.arn
  function_name           = var.function_arn
  batch_size              = var.batch_size
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = local.tags

  scaling_config {
    maximum_concurrency = var.most_concurrent
  }

  depends_on = [aws_sqs_queue_redrive_policy.landed]
}
