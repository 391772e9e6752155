# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name_prefix = "lakehouse-test"
}

run "the_key_is_rotated_and_can_be_called_back_for_a_month" {
  command = plan

  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "The key is not rotated."
  }

  assert {
    condition     = aws_kms_key.this.deletion_window_in_days == 30
    error_message = "The key is deleted after ${aws_kms_key.this.deletion_window_in_days} days."
  }
}

run "the_alias_carries_the_name_prefix" {
  command = plan

  assert {
    condition     = output.alias == "alias/lakehouse-test"
    error_message = "The alias is ${output.alias}."
  }
}

run "the_policy_lists_every_action_it_grants" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(aws_kms_key.this.policy).Statement : [for action in statement.Action : !strcontains(action, "*")]
    ]))
    error_message = "A statement has a wildcard: ${aws_kms_key.this.policy}"
  }
}

run "the_account_can_always_change_the_policy" {
  command = plan

  assert {
    condition = anytrue([
      for statement in jsondecode(aws_kms_key.this.policy).Statement :
      contains(statement.Action, "kms:PutKeyPolicy") && try(statement.Principal.AWS, "") == "arn:aws:iam::123456789012:root" && try(statement.Condition, null) == null
    ])
    error_message = "Nobody could mend the policy: ${aws_kms_key.this.policy}"
  }
}

run "whoever_uses_the_key_is_named_by_a_condition" {
  command = plan

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.this.policy).Statement : try(length(statement.Condition), 0) > 0 if contains(statement.Action, "kms:Decrypt")
    ])
    error_message = "The key can be used without a condition: ${aws_kms_key.this.policy}"
  }
}

run "the_log_service_uses_the_key_for_this_accounts_log_groups_only" {
  command = plan

  assert {
    condition = [
      for statement in jsondecode(aws_kms_key.this.policy).Statement : statement.Condition.ArnLike["kms:EncryptionContext:aws:logs:arn"] if try(statement.Principal.Service, "") == "logs.eu-central-1.amazonaws.com"
    ] == ["arn:aws:logs:eu-central-1:123456789012:log-group:*"]
    error_message = "The log service may do something else: ${aws_kms_key.this.policy}"
  }
}

run "cloudwatch_uses_the_key_for_the_alarms_of_this_environment_only" {
  command = plan

  assert {
    condition = [
      for statement in jsondecode(aws_kms_key.this.policy).Statement : statement.Condition.ArnLike["aws:SourceArn"] if try(statement.Principal.Service, "") == "cloudwatch.amazonaws.com"
    ] == ["arn:aws:cloudwatch:eu-central-1:123456789012:alarm:lakehouse-test-*"]
    error_message = "CloudWatch may do something else: ${aws_kms_key.this.policy}"
  }
}

run "a_deletion_window_that_aws_does_not_know_is_refused" {
  command = plan

  variables {
    deletion_window_days = 3
  }

  expect_failures = [var.deletion_window_days]
}
