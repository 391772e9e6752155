output "buckets" {
  description = "Name and ARN of each bucket by short name, ready to be written to."
  value       = { for key, bucket in local.buckets : key => { name = bucket.name, arn = bucket.arn } }

  # An object that is uploaded before these stand would stay unencrypted by our key, or without a version. Not the
  # lifecycle: it takes S3 most of a minute to settle and nobody needs it to go on.
  depends_on = [
    aws_s3_bucket_policy.this,
    aws_s3_bucket_ownership_controls.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}
