locals {
  _everything = { for key, bucket in local.buckets : key => [bucket.arn, "${bucket.arn}/*"] }

  _deny_plain_http = {
    for key, resources in local._everything : key => {
      Sid       = "DenyPlainHttp"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = resources
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }
  }

  # An upload without these headers gets the bucket's default, which is right; one that asks for another encryption is
  # refused. Null = "false" reads: the header is there.
  _deny_other_encryption = {
    for key, bucket in local.logged : key => [
      {
        Sid       = "DenyOtherEncryption"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "${bucket.arn}/*"
        Condition = {
          Null            = { "s3:x-amz-server-side-encryption" = "false" }
          StringNotEquals = { "s3:x-amz-server-side-encryption" = "aws:kms" }
        }
      },
      {
        Sid       = "DenyOtherKeys"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "${bucket.arn}/*"
        Condition = {
          Null            = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = "false" }
          StringNotEquals = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = var.kms_key_arn }
        }
      },
    ]
  }

  _receive_logs = {
    access_logs = [{
      Sid       = "ReceiveAccessLogs"
      Effect    = "Allow"
      Principal = { Service = "logging.s3.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "${local.buckets["access_logs"].arn}/*"
      Condition = {
        ArnLike      = { "aws:SourceArn" = [for key, bucket in local.logged : bucket.arn] }
        StringEquals = { "aws:SourceAccount" = local.account_id }
      }
    }]
  }

  policies = {
    for key in keys(local.buckets) : key => jsonencode({
      Version = "2012-10-17"
      Statement = concat(
        [local._deny_plain_http[key]],
        [for statement in try(local._deny_other_encryption[key], []) : statement],
        [for statement in try(local._receive_logs[key], []) : statement],
      )
    })
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id
  policy = local.policies[each.key]

  # S3 refuses two changes to one bucket's access at the same time.
  depends_on = [aws_s3_bucket_public_access_block.this]
}
