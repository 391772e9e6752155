# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name_prefix = "lakehouse-test"
  kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  buckets     = { raw = {}, processed = {} }
}

run "every_bucket_refuses_requests_without_tls" {
  command = plan

  assert {
    condition = alltrue([
      for key, bucket in output.buckets : length([
        for statement in jsondecode(aws_s3_bucket_policy.this[key].policy).Statement : statement
        if statement.Sid == "DenyPlainHttp" && statement.Effect == "Deny" && statement.Condition == { Bool = { "aws:SecureTransport" = "false" } } &&
        statement.Resource == [bucket.arn, "${bucket.arn}/*"]
      ]) == 1
    ])
    error_message = "A bucket answers without TLS: ${jsonencode({ for key, policy in aws_s3_bucket_policy.this : key => policy.policy })}"
  }
}

run "uploads_with_another_key_or_algorithm_are_refused" {
  command = plan

  assert {
    condition = alltrue([
      for key in ["raw", "processed"] : [
        for statement in jsondecode(aws_s3_bucket_policy.this[key].policy).Statement : statement.Sid if statement.Effect == "Deny"
      ] == ["DenyPlainHttp", "DenyOtherEncryption", "DenyOtherKeys"]
    ])
    error_message = "The denials are others: ${jsonencode({ for key, policy in aws_s3_bucket_policy.this : key => policy.policy })}"
  }

  assert {
    condition = [
      for statement in jsondecode(aws_s3_bucket_policy.this["raw"].policy).Statement :
      statement.Condition.StringNotEquals["s3:x-amz-server-side-encryption-aws-kms-key-id"] if statement.Sid == "DenyOtherKeys"
    ] == [var.kms_key_arn]
    error_message = "Another key is let in: ${aws_s3_bucket_policy.this["raw"].policy}"
  }
}

run "only_s3_may_deliver_logs_and_only_for_these_buckets" {
  command = plan

  assert {
    condition = [
      for statement in jsondecode(aws_s3_bucket_policy.this["access_logs"].policy).Statement : statement if statement.Effect == "Allow"
      ] == [{
        Sid       = "ReceiveAccessLogs"
        Effect    = "Allow"
        Principal = { Service = "logging.s3.amazonaws.com" }
        Action    = "s3:PutObject"
        Resource  = "arn:aws:s3:::lakehouse-test-access-logs-123456789012/*"
        Condition = {
          ArnLike      = { "aws:SourceArn" = ["arn:aws:s3:::lakehouse-test-processed-123456789012", "arn:aws:s3:::lakehouse-test-raw-123456789012"] }
          StringEquals = { "aws:SourceAccount" = "123456789012" }
        }
    }]
    error_message = "Something else is allowed: ${aws_s3_bucket_policy.this["access_logs"].policy}"
  }
}
