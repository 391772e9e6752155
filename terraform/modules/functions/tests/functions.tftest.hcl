# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  alerting = {
    notifications_table = { arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/notifications-table" }
    streams             = { files = "arn:aws:dynamodb:eu-central-1:123456789012:table/files-table/stream/2026-01-01T00:00:00.000" }
    topics              = { critical = { arn = "arn:aws:sns:eu-central-1:123456789012:critical" }, info = { arn = "arn:aws:sns:eu-central-1:123456789012:info" } }
    undelivered_queue   = { arn = "arn:aws:sqs:eu-central-1:123456789012:undelivered" }
  }
  name_prefix         = "lakehouse-test"
  kms_key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  artifacts_bucket    = { name = "artifacts-bucket", arn = "arn:aws:s3:::artifacts-bucket" }
  circuits_table      = { name = "circuits-table", arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/circuits-table" }
  dead_letters_queue  = { arn = "arn:aws:sqs:eu-central-1:123456789012:landed-files-dead-letters" }
  plans_bucket        = { name = "plans-bucket", arn = "arn:aws:s3:::plans-bucket" }
  file_conversion_arn = "arn:aws:states:eu-central-1:123456789012:stateMachine:file-conversion"
  landed_queue        = { arn = "arn:aws:sqs:eu-central-1:123456789012:landed-files", visibility_seconds = 720 }
  files_table         = { name = "files-table", arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/files-table" }
  log_retention_days  = 30
  package_dir         = "../../testing/package"
  settings            = { LAKEHOUSE_PROJECT = "lakehouse", LAKEHOUSE_RAW_BUCKET = "raw-bucket" }
  layers = {
    raw        = { bucket = { name = "raw-bucket", arn = "arn:aws:s3:::raw-bucket" }, prefix = "raw-data/" }
    processed  = { bucket = { name = "processed-bucket", arn = "arn:aws:s3:::processed-bucket" }, prefix = "processed-data/" }
    quarantine = { bucket = { name = "processed-bucket", arn = "arn:aws:s3:::processed-bucket" }, prefix = "quarantine/" }
  }
}

run "each_function_has_its_name_and_its_handler" {
  command = plan

  assert {
    condition = { for key, function in aws_lambda_function.this : key => [function.function_name, function.handler] } == {
      register_file  = ["lakehouse-test-register-file", "lakehouse.functions.register_file.handler"]
      convert_file   = ["lakehouse-test-convert-file", "lakehouse.functions.convert_file.handler"]
      ingest         = ["lakehouse-test-ingest", "lakehouse.functions.ingest.handler"]
      notify         = ["lakehouse-test-notify", "lakehouse.functions.notify.handler"]
      plan_files     = ["lakehouse-test-plan-files", "lakehouse.functions.plan_files.handler"]
      redrive        = ["lakehouse-test-redrive", "lakehouse.functions.redrive.handler"]
      record_failure = ["lakehouse-test-record-failure", "lakehouse.functions.record_failure.handler"]
    }
    error_message = "The functions are ${jsonencode({ for key, function in aws_lambda_function.this : key => [function.function_name, function.handler] })}."
  }
}

run "every_function_runs_the_same_zip_on_python_3_11_for_x86" {
  command = plan

  assert {
    condition = alltrue([
      for function in aws_lambda_function.this : function.runtime == "python3.11" && function.architectures == tolist(["x86_64"]) &&
      can(regex("^functions/[0-9a-f]{16}/functions\\.zip$", function.s3_key))
    ])
    error_message = "A function runs otherwise: ${jsonencode(aws_lambda_function.this)}"
  }
}

run "every_function_gets_the_settings_and_a_service_name_for_its_logs" {
  command = plan

  assert {
    condition = alltrue([
      for key, function in aws_lambda_function.this : function.environment[0].variables["POWERTOOLS_SERVICE_NAME"] == key &&
      alltrue([for name, value in var.settings : function.environment[0].variables[name] == value])
    ])
    error_message = "The variables are ${jsonencode({ for key, function in aws_lambda_function.this : key => function.environment[0].variables })}."
  }
}

run "every_function_is_traced_and_logs_json_into_its_own_group" {
  command = plan

  assert {
    condition = alltrue([
      for key, function in aws_lambda_function.this : function.tracing_config[0].mode == "Active" && function.logging_config[0].log_format == "JSON" &&
      function.logging_config[0].log_group == "/aws/lambda/${function.function_name}"
    ])
    error_message = "A function logs otherwise: ${jsonencode(aws_lambda_function.this)}"
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.retention_in_days == 30 && group.kms_key_id == var.kms_key_arn])
    error_message = "A log group is kept otherwise: ${jsonencode(aws_cloudwatch_log_group.this)}"
  }
}

run "the_conversion_has_room_and_time" {
  command = plan

  assert {
    condition = [
      aws_lambda_function.this["convert_file"].memory_size, aws_lambda_function.this["convert_file"].timeout, aws_lambda_function.this["convert_file"].ephemeral_storage[0].size,
    ] == [3008, 900, 2048]
    error_message = "The conversion has ${aws_lambda_function.this["convert_file"].memory_size} MB for ${aws_lambda_function.this["convert_file"].timeout} s."
  }
}

run "only_the_conversion_and_the_planner_may_write_objects" {
  command = plan

  assert {
    condition     = [for key, policy in aws_iam_role_policy.this : key if strcontains(policy.policy, "s3:PutObject")] == ["convert_file", "plan_files"]
    error_message = "Objects are written by ${jsonencode([for key, policy in aws_iam_role_policy.this : key if strcontains(policy.policy, "s3:PutObject")])}."
  }
}

run "the_planner_writes_lists_and_nothing_else" {
  command = plan

  assert {
    condition = length(setintersection(
      flatten([for statement in jsondecode(aws_iam_role_policy.this["plan_files"].policy).Statement : statement.Action]),
      ["s3:DeleteObject", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
    )) == 0
    error_message = "The planner may write: ${aws_iam_role_policy.this["plan_files"].policy}"
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.this["plan_files"].policy).Statement : statement.Resource
      if contains(statement.Action, "s3:PutObject")
    ] == [["${var.plans_bucket.arn}/*"]]
    error_message = "The planner may write elsewhere: ${aws_iam_role_policy.this["plan_files"].policy}"
  }
}

run "each_function_writes_logs_into_its_own_group_only" {
  command = plan

  assert {
    condition = alltrue([
      for key, policy in aws_iam_role_policy.this : [for statement in jsondecode(policy.policy).Statement : statement.Resource if statement.Sid == "WriteLogs"] ==
      [["arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/lakehouse-test-${replace(key, "_", "-")}:*"]]
    ])
    error_message = "A function writes logs elsewhere: ${jsonencode({ for key, policy in aws_iam_role_policy.this : key => policy.policy })}"
  }
}

run "only_notify_tells_people_and_it_touches_no_file" {
  command = plan

  assert {
    condition     = [for key, policy in aws_iam_role_policy.this : key if strcontains(policy.policy, "sns:Publish")] == ["notify"]
    error_message = "People are told by ${jsonencode([for key, policy in aws_iam_role_policy.this : key if strcontains(policy.policy, "sns:Publish")])}."
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.this["notify"].policy, "s3:") && !strcontains(aws_iam_role_policy.this["notify"].policy, "states:")
    error_message = "It may do more: ${aws_iam_role_policy.this["notify"].policy}"
  }
}

run "a_folder_without_its_slash_is_refused" {
  command = plan

  variables {
    layers = {
      raw        = { bucket = { name = "raw-bucket", arn = "arn:aws:s3:::raw-bucket" }, prefix = "raw-data" }
      processed  = { bucket = { name = "processed-bucket", arn = "arn:aws:s3:::processed-bucket" }, prefix = "processed-data/" }
      quarantine = { bucket = { name = "processed-bucket", arn = "arn:aws:s3:::processed-bucket" }, prefix = "quarantine/" }
    }
  }

  expect_failures = [var.layers]
}

run "ingest_runs_for_a_sixth_of_the_time_that_its_messages_are_hidden" {
  command = plan

  variables {
    landed_queue = { arn = "arn:aws:sqs:eu-central-1:123456789012:landed-files", visibility_seconds = 300 }
  }

  assert {
    condition     = aws_lambda_function.this["ingest"].timeout == 50
    error_message = "It may run for ${aws_lambda_function.this["ingest"].timeout} seconds."
  }
}

run "an_alias_names_the_published_version_of_each_function" {
  command = apply

  assert {
    condition = alltrue([
      for key, alias in aws_lambda_alias.live : alias.name == "live" && alias.function_version == aws_lambda_function.this[key].version &&
      aws_lambda_function.this[key].publish
    ])
    error_message = "The aliases are ${jsonencode(aws_lambda_alias.live)}."
  }
}
