locals {
  _here      = "${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"
  _glue      = "arn:${data.aws_partition.current.partition}:glue:${local._here}"
  _log_group = "arn:${data.aws_partition.current.partition}:logs:${local._here}:log-group:/aws-glue/crawlers-role"

  policies = {
    for key, layer in var.layers : key => jsonencode({
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "ReadLayer"
          Effect   = "Allow"
          Action   = ["s3:GetObject"]
          Resource = "${layer.bucket.arn}/${layer.prefix}*"
        },
        {
          Sid       = "ListLayer"
          Effect    = "Allow"
          Action    = ["s3:ListBucket"]
          Resource  = layer.bucket.arn
          Condition = { StringLike = { "s3:prefix" = ["${layer.prefix}*", trimsuffix(layer.prefix, "/")] } }
        },
        {
          Sid      = "LocateBucket"
          Effect   = "Allow"
          Action   = ["s3:GetBucketLocation"]
          Resource = layer.bucket.arn
        },
        {
          Sid    = "WriteCatalog"
          Effect = "Allow"
          Action = [
            "glue:BatchCreatePartition", "glue:BatchGetPartition", "glue:BatchUpdatePartition", "glue:CreatePartition",
            "glue:CreateTable", "glue:GetDatabase", "glue:GetPartition", "glue:GetPartitions", "glue:GetTable",
            "glue:GetTables", "glue:UpdatePartition", "glue:UpdateTable",
          ]
          Resource = [
            "${local._glue}:catalog",
            "${local._glue}:database/${local.crawlers[key].database}",
            "${local._glue}:table/${local.crawlers[key].database}/*",
          ]
        },
        {
          Sid      = "UseKey"
          Effect   = "Allow"
          Action   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
          Resource = var.kms_key_arn
        },
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = "${local._log_group}/${local.crawlers[key].name}-crawler-${var.security_configuration}:*"
        },
      ]
    }) if layer.format != "declared"
  }
}

# One role a crawler: the crawler of one layer cannot read another.
resource "aws_iam_role" "this" {
  for_each = local.crawlers

  name        = "${each.value.name}-crawler"
  description = "What the crawler of the ${each.key} layer may do"
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

resource "aws_iam_role_policy" "this" {
  for_each = local.crawlers

  name   = "crawl"
  role   = aws_iam_role.this[each.key].name
  policy = local.policies[each.key]
}
