locals {
  # What a function can be allowed to do; locals.functions picks.
  permissions = {
    read_raw = {
      Sid      = "ReadRaw"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:GetObjectVersion"]
      Resource = ["${var.layers.raw.bucket.arn}/${var.layers.raw.prefix}*"]
    }
    # Without it S3 answers 403 instead of 404, and a vanished file could not be told from a forbidden one.
    find_raw = {
      Sid       = "FindRaw"
      Effect    = "Allow"
      Action    = ["s3:ListBucket"]
      Resource  = [var.layers.raw.bucket.arn]
      Condition = { StringLike = { "s3:prefix" = "${var.layers.raw.prefix}*" } }
    }
    list_raw = {
      Sid       = "ListRaw"
      Effect    = "Allow"
      Action    = ["s3:ListBucket", "s3:ListBucketVersions"]
      Resource  = [var.layers.raw.bucket.arn]
      Condition = { StringLike = { "s3:prefix" = "${var.layers.raw.prefix}*" } }
    }
    # A plan that is too long for a state is a list in S3.
    write_plans = {
      Sid      = "WritePlans"
      Effect   = "Allow"
      Action   = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject"]
      Resource = ["${var.plans_bucket.arn}/*"]
    }
    write_processed = {
      Sid    = "WriteProcessed"
      Effect = "Allow"
      # S3 wants s3:GetObject of whoever writes under If-Match.
      Action = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
      Resource = [
        "${var.layers.processed.bucket.arn}/${var.layers.processed.prefix}*",
        "${var.layers.quarantine.bucket.arn}/${var.layers.quarantine.prefix}*",
      ]
    }
    # An attempt before this one may have left an upload behind. S3 lets no prefix narrow this list.
    find_uploads = {
      Sid      = "FindUploads"
      Effect   = "Allow"
      Action   = ["s3:ListBucketMultipartUploads"]
      Resource = distinct([var.layers.processed.bucket.arn, var.layers.quarantine.bucket.arn])
    }
    look_up_files = {
      Sid      = "LookUpFiles"
      Effect   = "Allow"
      Action   = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"]
      Resource = [var.files_table.arn, "${var.files_table.arn}/index/*"]
    }
    record_files = {
      Sid      = "RecordFiles"
      Effect   = "Allow"
      Action   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      Resource = [var.files_table.arn]
    }
    # Before an upload that a dead run left behind is aborted: does another version of the same object run?
    find_other_versions = {
      Sid      = "FindOtherVersions"
      Effect   = "Allow"
      Action   = ["dynamodb:Query"]
      Resource = ["${var.files_table.arn}/index/key-created_at-index"]
    }
    guard_dependencies = {
      Sid      = "GuardDependencies"
      Effect   = "Allow"
      Action   = ["dynamodb:GetItem", "dynamodb:PutItem"]
      Resource = [var.circuits_table.arn]
    }
    start_conversions = {
      Sid      = "StartConversions"
      Effect   = "Allow"
      Action   = ["states:StartExecution"]
      Resource = [var.file_conversion_arn]
    }
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    receive_landed = {
      Sid      = "ReceiveLanded"
      Effect   = "Allow"
      Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
      Resource = [var.landed_queue.arn]
    }
    # The redrive policy of the queue names its dead letters.
    look_at_landed = {
      Sid      = "LookAtLanded"
      Effect   = "Allow"
      Action   = ["sqs:GetQueueAttributes"]
      Resource = [var.landed_queue.arn]
    }
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
    move_dead_letters = {
      Sid    = "MoveDeadLetters"
      Effect = "Allow"
      Action = [
        "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl",
        "sqs:ListMessageMoveTasks", "sqs:ReceiveMessage", "sqs:StartMessageMoveTask",
      ]
      Resource = [var.dead_letters_queue.arn]
    }
    # A file that waits, or is tried again, goes back as a new message.
    send_landed = {
      Sid      = "SendLanded"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = [var.landed_queue.arn]
    }
    # https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
    read_streams = {
      Sid      = "ReadStreams"
      Effect   = "Allow"
      Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
      Resource = values(var.alerting.streams)
    }
    find_streams = {
      Sid      = "FindStreams"
      Effect   = "Allow"
      Action   = ["dynamodb:ListStreams"]
      Resource = [for arn in values(var.alerting.streams) : "${split("/stream/", arn)[0]}/stream/*"]
    }
    remember_notifications = {
      Sid      = "RememberNotifications"
      Effect   = "Allow"
      Action   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
      Resource = [var.alerting.notifications_table.arn]
    }
    publish_alerts = {
      Sid      = "PublishAlerts"
      Effect   = "Allow"
      Action   = ["sns:Publish"]
      Resource = [for topic in values(var.alerting.topics) : topic.arn]
    }
    # Lambda sends what the function failed to tell as the function's role.
    keep_undelivered = {
      Sid      = "KeepUndelivered"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = [var.alerting.undelivered_queue.arn]
    }
    register_files = {
      Sid      = "RegisterFiles"
      Effect   = "Allow"
      Action   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
      Resource = [var.files_table.arn, "${var.files_table.arn}/index/*"]
    }
  }

  # What every function may do.
  _services = [for service in ["dynamodb", "lambda", "s3", "sns", "sqs"] : "${service}.${data.aws_region.current.name}.amazonaws.com"]
  _common = {
    for key in keys(local.functions) : key => [
      {
        Sid       = "UseKey"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = [var.kms_key_arn]
        Condition = { StringEquals = { "kms:ViaService" = local._services } }
      },
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${local._log_group}:/aws/lambda/${local.names[key]}:*"]
      },
      {
        # X-Ray knows no resources for these: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
        Sid      = "WriteTraces"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = ["*"]
      },
    ]
  }
  _log_group = join(":", [
    "arn", data.aws_partition.current.partition, "logs", data.aws_region.current.name,
    data.aws_caller_identity.current.account_id, "log-group",
  ])

  policies = {
    for key, function in local.functions : key => jsonencode({
      Version   = "2012-10-17"
      Statement = concat([for statement in function.statements : statement], [for statement in local._common[key] : statement])
    })
  }
}

resource "aws_iam_role" "this" {
  for_each = local.functions

  name        = local.names[each.key]
  description = "What the Lambda function ${each.key} may do"
  tags        = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AssumeByLambda"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = local.functions

  name   = "function"
  role   = aws_iam_role.this[each.key].name
  policy = local.policies[each.key]
}
