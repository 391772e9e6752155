# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name_prefix  = "lakehouse-test"
  kms_key_arn  = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  raw          = { bucket = { name = "raw-bucket", arn = "arn:aws:s3:::raw-bucket" }, prefix = "raw-data/" }
  function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:ingest:live"
}

run "a_message_is_hidden_for_as_long_as_the_caller_says" {
  command = plan

  variables {
    visibility_seconds = 300
  }

  assert {
    condition     = aws_sqs_queue.landed.visibility_timeout_seconds == 300
    error_message = "It is hidden for ${aws_sqs_queue.landed.visibility_timeout_seconds} seconds."
  }
}

run "a_message_that_is_hidden_for_too_short_is_refused" {
  command = plan

  variables {
    visibility_seconds = 59
  }

  expect_failures = [var.visibility_seconds]
}

run "both_queues_are_encrypted_and_dead_letters_outlive_the_others" {
  command = plan

  assert {
    condition     = aws_sqs_queue.landed.kms_master_key_id == var.kms_key_arn && aws_sqs_queue.dead_letters.kms_master_key_id == var.kms_key_arn
    error_message = "A queue is encrypted otherwise."
  }

  assert {
    condition     = aws_sqs_queue.dead_letters.message_retention_seconds > aws_sqs_queue.landed.message_retention_seconds
    error_message = "Dead letters are lost before the others."
  }
}

run "a_message_is_dead_after_five_receives" {
  command = apply

  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_policy.landed.redrive_policy).maxReceiveCount == 5
    error_message = "The policy is ${aws_sqs_queue_redrive_policy.landed.redrive_policy}."
  }
}

run "only_parquet_files_of_the_raw_folder_are_announced" {
  command = plan

  assert {
    condition = (
      [for queue in aws_s3_bucket_notification.raw.queue : [queue.filter_prefix, queue.filter_suffix, tolist(queue.events)]] ==
      [["raw-data/", ".parquet", tolist(["s3:ObjectCreated:*"])]] && aws_s3_bucket_notification.raw.eventbridge
    )
    error_message = "Something else is announced: ${jsonencode(aws_s3_bucket_notification.raw)}"
  }
}

run "messages_that_fail_come_again_alone_and_batches_are_limited" {
  command = plan

  assert {
    condition = (
      aws_lambda_event_source_mapping.landed.function_response_types == toset(["ReportBatchItemFailures"]) &&
      one(aws_lambda_event_source_mapping.landed.scaling_config).maximum_concurrency == 10
    )
    error_message = "The mapping is another: ${jsonencode(aws_lambda_event_source_mapping.landed)}"
  }
}

run "only_the_raw_bucket_sends_and_nobody_without_tls" {
  command = apply

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_sqs_queue_policy.this["landed"].policy).Statement :
      statement.Condition.ArnEquals["aws:SourceArn"] == "arn:aws:s3:::raw-bucket" && statement.Condition.StringEquals["aws:SourceAccount"] == "123456789012"
      if statement.Effect == "Allow"
    ])
    error_message = "Somebody else may send: ${aws_sqs_queue_policy.this["landed"].policy}"
  }

  assert {
    condition = alltrue([
      for policy in aws_sqs_queue_policy.this : jsondecode(policy.policy).Statement[0].Effect == "Deny" &&
      jsondecode(policy.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    ])
    error_message = "A queue takes messages without TLS."
  }
}

run "a_batch_of_more_than_ten_is_refused" {
  command = plan

  variables {
    batch_size = 11
  }

  expect_failures = [var.batch_size]
}
