# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name_prefix = "lakehouse-test"
  kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  function = {
    alias     = "live"
    alias_arn = "arn:aws:lambda:eu-central-1:123456789012:function:notify:live"
    name      = "notify"
    role_arn  = "arn:aws:iam::123456789012:role/notify"
  }
  queues = { dead_letters = { name = "dead-letters" }, landed = { name = "landed-files" } }
  state_machines = {
    lakehouse_pipeline = "arn:aws:states:eu-central-1:123456789012:stateMachine:lakehouse-pipeline"
    table_maintenance  = "arn:aws:states:eu-central-1:123456789012:stateMachine:table-maintenance"
  }
  streams = {
    files         = "arn:aws:dynamodb:eu-central-1:123456789012:table/files/stream/2026-01-01T00:00:00.000"
    pipeline_runs = "arn:aws:dynamodb:eu-central-1:123456789012:table/runs/stream/2026-01-01T00:00:00.000"
  }
  unrecorded_state_machines = {
    table_maintenance = "arn:aws:states:eu-central-1:123456789012:stateMachine:table-maintenance"
  }
}

run "there_is_an_encrypted_topic_for_each_severity" {
  command = plan

  assert {
    condition = { for key, topic in aws_sns_topic.this : key => topic.name if topic.kms_master_key_id == var.kms_key_arn } == {
      info     = "lakehouse-test-alerts-info"
      warning  = "lakehouse-test-alerts-warning"
      critical = "lakehouse-test-alerts-critical"
    }
    error_message = "The topics are ${jsonencode(aws_sns_topic.this)}."
  }
}

run "only_the_function_and_alarms_of_this_environment_publish_and_nobody_without_tls" {
  command = apply

  assert {
    condition = alltrue(flatten([
      for policy in aws_sns_topic_policy.this : [
        for statement in jsondecode(policy.policy).Statement :
        try(statement.Principal.AWS, "") == var.function.role_arn ||
        try(statement.Condition.ArnLike["aws:SourceArn"], "") == "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:lakehouse-test-*"
        if statement.Effect == "Allow"
      ]
    ]))
    error_message = "Somebody else publishes: ${jsonencode(aws_sns_topic_policy.this)}"
  }

  assert {
    condition = alltrue([
      for policy in aws_sns_topic_policy.this : jsondecode(policy.policy).Statement[0].Effect == "Deny" &&
      jsondecode(policy.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    ])
    error_message = "A topic takes messages without TLS."
  }

  assert {
    condition     = !strcontains(aws_sns_topic_policy.this["info"].policy, "cloudwatch.amazonaws.com")
    error_message = "Alarms tell what is only good to know."
  }
}

run "nobody_is_subscribed_unless_asked" {
  command = plan

  assert {
    condition     = length(aws_sns_topic_subscription.this) == 0
    error_message = "Subscribed are ${jsonencode(keys(aws_sns_topic_subscription.this))}."
  }
}

run "subscribers_hear_of_their_severity" {
  command = apply

  variables {
    subscriptions = {
      critical = [{ protocol = "email", endpoint = "oncall@example.com" }, { protocol = "email", endpoint = "lead@example.com" }]
      info     = [{ protocol = "sqs", endpoint = "arn:aws:sqs:eu-central-1:123456789012:chat" }]
    }
  }

  assert {
    condition = toset(keys(aws_sns_topic_subscription.this)) == toset([
      "critical/email/oncall@example.com", "critical/email/lead@example.com", "info/sqs/arn:aws:sqs:eu-central-1:123456789012:chat",
    ])
    error_message = "Subscribed are ${jsonencode(keys(aws_sns_topic_subscription.this))}."
  }
}

run "an_unknown_severity_is_refused" {
  command = plan

  variables {
    subscriptions = { urgent = [{ protocol = "email", endpoint = "oncall@example.com" }] }
  }

  expect_failures = [var.subscriptions]
}

run "a_subscriber_without_tls_is_refused" {
  command = plan

  variables {
    subscriptions = { info = [{ protocol = "http", endpoint = "http://example.com" }] }
  }

  expect_failures = [var.subscriptions]
}

run "the_function_is_given_ends_only" {
  command = plan

  assert {
    condition = {
      for key, mapping in aws_lambda_event_source_mapping.this :
      key => jsondecode(one(one(mapping.filter_criteria).filter).pattern).dynamodb.NewImage.status.S
    } == { files = ["FAILED"], pipeline_runs = ["SUCCEEDED", "FAILED"] }
    error_message = "It is given something else: ${jsonencode(aws_lambda_event_source_mapping.this)}"
  }
}

run "what_cannot_be_told_is_tried_alone_and_kept" {
  command = apply

  assert {
    condition = alltrue([
      for mapping in aws_lambda_event_source_mapping.this : mapping.bisect_batch_on_function_error && mapping.maximum_retry_attempts == 100 &&
      mapping.function_response_types == toset(["ReportBatchItemFailures"]) &&
      one(one(mapping.destination_config).on_failure).destination_arn == aws_sqs_queue.undelivered.arn
    ])
    error_message = "It is lost: ${jsonencode(aws_lambda_event_source_mapping.this)}"
  }

  assert {
    condition     = one(one(aws_lambda_function_event_invoke_config.this.destination_config).on_failure).destination == aws_sqs_queue.undelivered.arn
    error_message = "An event is lost: ${jsonencode(aws_lambda_function_event_invoke_config.this)}"
  }
}

run "executions_that_cannot_record_their_end_are_told_of" {
  command = plan

  assert {
    condition = jsonencode({
      for key, rule in aws_cloudwatch_event_rule.unrecorded : key => jsondecode(rule.event_pattern).detail
      }) == jsonencode({
      killed = { status = ["ABORTED", "TIMED_OUT"], stateMachineArn = values(var.state_machines) }
      failed = { status = ["FAILED"], stateMachineArn = values(var.unrecorded_state_machines) }
    })
    error_message = "The rules are others: ${jsonencode(aws_cloudwatch_event_rule.unrecorded)}"
  }

  assert {
    condition = alltrue([
      for permission in aws_lambda_permission.unrecorded : permission.principal == "events.amazonaws.com" && permission.qualifier == "live"
    ])
    error_message = "The permissions are others: ${jsonencode(aws_lambda_permission.unrecorded)}"
  }
}

run "dead_letters_and_waiting_files_raise_alarms" {
  command = apply

  assert {
    condition = {
      for key, alarm in aws_cloudwatch_metric_alarm.queue :
      key => [alarm.metric_name, alarm.dimensions["QueueName"], tostring(alarm.threshold)] if alarm.treat_missing_data == "notBreaching"
      } == {
      dead_letters = ["ApproximateNumberOfMessagesVisible", "dead-letters", "0"]
      delay        = ["ApproximateAgeOfOldestMessage", "landed-files", "1800"]
      undelivered  = ["ApproximateNumberOfMessagesVisible", "lakehouse-test-undelivered-alerts", "0"]
    }
    error_message = "The alarms are others: ${jsonencode(aws_cloudwatch_metric_alarm.queue)}"
  }

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.queue : length(alarm.alarm_actions) == 1 && alarm.alarm_actions == alarm.ok_actions
    ])
    error_message = "An alarm tells nobody, or not that it is over."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.queue : length(alarm.alarm_description) <= 1024 && strcontains(alarm.alarm_description, "Next: ")])
    error_message = "An alarm does not say what to do next."
  }
}
