locals {
  _here      = "${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"
  _partition = data.aws_partition.current.partition
  _glue      = "arn:${local._partition}:glue:${local._here}"

  _tables = { for layer, place in merge(var.sources, { curated = var.curated }) : layer => [
    "${local._glue}:database/${place.database}", "${local._glue}:table/${place.database}/*",
  ] }

  # Reads nothing but these folders, each under its own bucket.
  _read_sources = [
    for layer, source in var.sources : {
      Sid      = "Read${title(layer)}"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = "${source.bucket.arn}/${source.prefix}*"
    }
  ]

  _list = [
    for layer, place in merge(var.sources, { curated = var.curated, results = var.query_results }) : {
      Sid       = "List${title(layer)}"
      Effect    = "Allow"
      Action    = ["s3:ListBucket"]
      Resource  = place.bucket.arn
      Condition = { StringLike = { "s3:prefix" = ["${place.prefix}*", trimsuffix(place.prefix, "/")] } }
    }
  ]

  statements = concat(local._read_sources, local._list, [
    {
      Sid      = "ReadProject"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:GetObjectVersion"]
      Resource = "${var.artifacts_bucket.arn}/dbt/*"
    },
    {
      Sid      = "PublishRunResults"
      Effect   = "Allow"
      Action   = ["s3:PutObject"]
      Resource = "${var.artifacts_bucket.arn}/${local.run_results_prefix}*"
    },
    {
      Sid      = "RecordTransformations"
      Effect   = "Allow"
      Action   = ["dynamodb:UpdateItem"]
      Resource = var.pipeline_runs_table.arn
    },
    {
      Sid    = "LocateBuckets"
      Effect = "Allow"
      Action = ["s3:GetBucketLocation"]
      Resource = distinct(concat(
        [var.artifacts_bucket.arn, var.curated.bucket.arn, var.query_results.bucket.arn], [for source in values(var.sources) : source.bucket.arn],
      ))
    },
    {
      # dbt replaces the tables that it made: their files with them.
      Sid      = "WriteCurated"
      Effect   = "Allow"
      Action   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
      Resource = "${var.curated.bucket.arn}/${var.curated.prefix}*"
    },
    {
      Sid      = "WriteQueryResults"
      Effect   = "Allow"
      Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
      Resource = "${var.query_results.bucket.arn}/${var.query_results.prefix}*"
    },
    {
      Sid    = "RunQueries"
      Effect = "Allow"
      Action = [
        "athena:GetQueryExecution", "athena:GetQueryResults", "athena:GetQueryResultsStream", "athena:GetWorkGroup",
        "athena:StartQueryExecution", "athena:StopQueryExecution",
      ]
      Resource = var.workgroup.arn
    },
    {
      Sid      = "ReadDataCatalog"
      Effect   = "Allow"
      Action   = ["athena:GetDataCatalog"]
      Resource = "arn:${local._partition}:athena:${local._here}:datacatalog/AwsDataCatalog"
    },
    {
      Sid    = "ReadTables"
      Effect = "Allow"
      Action = [
        "glue:BatchGetPartition", "glue:GetDatabase", "glue:GetDatabases", "glue:GetPartition", "glue:GetPartitions",
        "glue:GetTable", "glue:GetTables", "glue:GetTableVersions",
      ]
      # Athena looks at the default database whatever a query is about:
      # https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html
      Resource = concat(["${local._glue}:catalog", "${local._glue}:database/default"], flatten(values(local._tables)))
    },
    {
      Sid    = "WriteTables"
      Effect = "Allow"
      Action = [
        "glue:BatchCreatePartition", "glue:BatchDeletePartition", "glue:CreatePartition", "glue:CreateTable", "glue:DeletePartition",
        "glue:DeleteTable", "glue:DeleteTableVersion", "glue:UpdatePartition", "glue:UpdateTable",
      ]
      Resource = concat(["${local._glue}:catalog"], local._tables["curated"])
    },
    {
      Sid      = "UseKey"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = var.kms_key_arn
    },
    {
      Sid      = "WriteLogs"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.dbt.arn}:*"
    },
  ])
}

resource "aws_iam_role" "dbt" {
  name        = local.name
  description = "What a build of the dbt project may do"
  tags        = local.tags

  # Only for this project's builds: https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AssumeByCodeBuild"
      Effect    = "Allow"
      Principal = { Service = "codebuild.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = {
        "aws:SourceAccount" = data.aws_caller_identity.current.account_id
        "aws:SourceArn"     = "arn:${local._partition}:codebuild:${local._here}:project/${local.name}"
      } }
    }]
  })
}

resource "aws_iam_role_policy" "dbt" {
  name   = "transformation"
  role   = aws_iam_role.dbt.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}
