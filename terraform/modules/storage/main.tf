data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  tags       = merge(var.tags, { Component = "storage" })

  # The access logs' own bucket: S3 delivers logs only into buckets without KMS, and a bucket that logs into itself
  # never stops. https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
  _access_logs = {
    access_logs = { transitions = [], expiration_days = var.access_log_days }
  }

  buckets = {
    for key, bucket in merge(var.buckets, local._access_logs) : key => merge(bucket, {
      name = "${var.name_prefix}-${replace(key, "_", "-")}-${local.account_id}"
      arn  = "arn:${data.aws_partition.current.partition}:s3:::${var.name_prefix}-${replace(key, "_", "-")}-${local.account_id}"
    })
  }

  logged = { for key, bucket in local.buckets : key => bucket if key != "access_logs" }
}

resource "aws_s3_bucket" "this" {
  for_each = local.buckets

  bucket        = each.value.name
  force_destroy = var.force_destroy
  tags          = merge(local.tags, { Bucket = each.key })
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.buckets

  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    # One data key a bucket and a while instead of one an object: KMS is asked, and paid, a hundredth as often.
    bucket_key_enabled = each.key != "access_logs"

    apply_server_side_encryption_by_default {
      sse_algorithm     = each.key == "access_logs" ? "AES256" : "aws:kms"
      kms_master_key_id = each.key == "access_logs" ? null : var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_logging" "this" {
  for_each = local.logged

  bucket        = aws_s3_bucket.this[each.key].id
  target_bucket = aws_s3_bucket.this["access_logs"].id
  target_prefix = "${each.key}/"
}
