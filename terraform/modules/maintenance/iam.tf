locals {
  _here      = "${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"
  _partition = data.aws_partition.current.partition
  _glue      = "arn:${local._partition}:glue:${local._here}"

  statements = [
    {
      # https://docs.aws.amazon.com/step-functions/latest/dg/connect-athena.html
      Sid    = "RunQueries"
      Effect = "Allow"
      Action = ["athena:GetQueryExecution", "athena:GetWorkGroup", "athena:StartQueryExecution", "athena:StopQueryExecution"]
      Resource = [
        var.workgroup.arn,
      ]
    },
    {
      Sid      = "ReadDataCatalog"
      Effect   = "Allow"
      Action   = ["athena:GetDataCatalog"]
      Resource = ["arn:${local._partition}:athena:${local._here}:datacatalog/AwsDataCatalog"]
    },
    {
      Sid    = "CommitToTables"
      Effect = "Allow"
      Action = ["glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:UpdateTable"]
      Resource = [
        "${local._glue}:catalog",
        "${local._glue}:database/default", # Athena looks at it whatever a query is about
        "${local._glue}:database/${var.curated.database}",
        "${local._glue}:table/${var.curated.database}/*",
      ]
    },
    {
      Sid      = "RewriteFiles"
      Effect   = "Allow"
      Action   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
      Resource = ["${var.curated.bucket.arn}/${var.curated.prefix}*"]
    },
    {
      Sid      = "WriteQueryResults"
      Effect   = "Allow"
      Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
      Resource = ["${var.query_results.bucket.arn}/${var.query_results.prefix}*"]
    },
    {
      Sid      = "ListCurated"
      Effect   = "Allow"
      Action   = ["s3:ListBucket"]
      Resource = [var.curated.bucket.arn]
      Condition = { StringLike = {
        "s3:prefix" = ["${var.curated.prefix}*", trimsuffix(var.curated.prefix, "/")]
      } }
    },
    {
      Sid      = "LocateBuckets"
      Effect   = "Allow"
      Action   = ["s3:GetBucketLocation"]
      Resource = [var.curated.bucket.arn, var.query_results.bucket.arn]
    },
    {
      Sid      = "UseKey"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = [var.kms_key_arn]
    },
    {
      # Log delivery knows no resources: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
      Sid    = "DeliverLogs"
      Effect = "Allow"
      Action = [
        "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
      ]
      Resource = ["*"]
    },
    {
      # X-Ray knows no resources for these: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html
      Sid    = "WriteTraces"
      Effect = "Allow"
      Action = [
        "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments",
      ]
      Resource = ["*"]
    },
  ]
}

resource "aws_iam_role" "machine" {
  name        = local.name
  description = "What the state machine ${local.name} may do"
  tags        = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AssumeByStepFunctions"
      Effect    = "Allow"
      Principal = { Service = "states.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "machine" {
  name   = "maintenance"
  role   = aws_iam_role.machine.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

resource "aws_iam_role" "schedule" {
  for_each = toset(var.schedule == null ? [] : [var.schedule])

  name        = "${local.name}-schedule"
  description = "What the schedule of ${local.name} may do"
  tags        = local.tags

  # https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AssumeByScheduler"
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = {
        "aws:SourceAccount" = data.aws_caller_identity.current.account_id
        "aws:SourceArn"     = "arn:${local._partition}:scheduler:${local._here}:schedule-group/default"
      } }
    }]
  })
}

resource "aws_iam_role_policy" "schedule" {
  for_each = aws_iam_role.schedule

  name = "start"
  role = each.value.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "StartMaintenance"
        Effect   = "Allow"
        Action   = ["states:StartExecution"]
        Resource = [aws_sfn_state_machine.this.arn]
      },
      {
        Sid       = "UseKey"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = [var.kms_key_arn]
        Condition = { StringEquals = { "kms:ViaService" = ["scheduler.${data.aws_region.current.name}.amazonaws.com"] } }
      },
    ]
  })
}
