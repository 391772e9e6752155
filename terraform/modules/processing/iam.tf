locals {
  _partition = data.aws_partition.current.partition
  _logs      = "arn:${local._partition}:logs:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:log-group"

  statements = [
    {
      Sid      = "ReadArtifacts"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = "${var.artifacts_bucket.arn}/glue/parquet_to_json/*"
    },
    {
      Sid      = "ReadRaw"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:GetObjectVersion"]
      Resource = "${var.layers.raw.bucket.arn}/${var.layers.raw.prefix}*"
    },
    {
      # Without it S3 answers 403 instead of 404, and a vanished file could not be told from a forbidden one.
      Sid       = "FindRaw"
      Effect    = "Allow"
      Action    = ["s3:ListBucket"]
      Resource  = var.layers.raw.bucket.arn
      Condition = { StringLike = { "s3:prefix" = "${var.layers.raw.prefix}*" } }
    },
    {
      Sid    = "WriteProcessed"
      Effect = "Allow"
      # S3 wants s3:GetObject of whoever writes under If-Match.
      Action = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
      Resource = [
        "${var.layers.processed.bucket.arn}/${var.layers.processed.prefix}*",
        "${var.layers.quarantine.bucket.arn}/${var.layers.quarantine.prefix}*",
      ]
    },
    {
      # An attempt before this one may have left an upload behind. S3 lets no prefix narrow this list.
      Sid      = "FindUploads"
      Effect   = "Allow"
      Action   = ["s3:ListBucketMultipartUploads"]
      Resource = distinct([var.layers.processed.bucket.arn, var.layers.quarantine.bucket.arn])
    },
    {
      Sid      = "RecordFiles"
      Effect   = "Allow"
      Action   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      Resource = var.files_table.arn
    },
    {
      # Before an upload that a dead run left behind is aborted: does another version of the same object run?
      Sid      = "FindOtherVersions"
      Effect   = "Allow"
      Action   = ["dynamodb:Query"]
      Resource = "${var.files_table.arn}/index/key-created_at-index"
    },
    {
      # Objects, the table, and the bookmarks and logs of the security configuration.
      Sid      = "UseKey"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
      Resource = var.kms_key_arn
    },
    {
      Sid      = "WriteLogs"
      Effect   = "Allow"
      Action   = ["logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${local._logs}:/aws-glue/jobs/*"
    },
    {
      # CloudWatch metrics know no resources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
      Sid       = "PublishMetrics"
      Effect    = "Allow"
      Action    = ["cloudwatch:PutMetricData"]
      Resource  = "*"
      Condition = { StringEquals = { "cloudwatch:namespace" = ["Glue"] } }
    },
  ]
}

resource "aws_iam_role" "parquet_to_json" {
  name        = local.job_name
  description = "What the Glue job parquet_to_json may do"
  tags        = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AssumeByGlue"
      Effect    = "Allow"
      Principal = { Service = "glue.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "parquet_to_json" {
  name   = "conversion"
  role   = aws_iam_role.parquet_to_json.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}
