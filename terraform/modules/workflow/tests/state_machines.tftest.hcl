# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name_prefix        = "lakehouse-test"
  kms_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_retention_days = 30
  crawlers = {
    raw     = { name = "raw-crawler", arn = "arn:aws:glue:eu-central-1:123456789012:crawler/raw-crawler" }
    curated = { name = "curated-crawler", arn = "arn:aws:glue:eu-central-1:123456789012:crawler/curated-crawler" }
  }
  dbt_project         = { name = "the-dbt", arn = "arn:aws:codebuild:eu-central-1:123456789012:project/the-dbt" }
  files_table         = { name = "files-table", arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/files-table" }
  plans_bucket        = { name = "the-plans", arn = "arn:aws:s3:::the-plans" }
  pipeline_runs_table = { name = "runs-table", arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/runs-table" }
  job                 = { name = "the-job", arn = "arn:aws:glue:eu-central-1:123456789012:job/the-job" }
  functions = {
    register_file  = { name = "register", arn = "arn:aws:lambda:eu-central-1:123456789012:function:register" }
    convert_file   = { name = "convert", arn = "arn:aws:lambda:eu-central-1:123456789012:function:convert" }
    plan_files     = { name = "plan", arn = "arn:aws:lambda:eu-central-1:123456789012:function:plan" }
    record_failure = { name = "record", arn = "arn:aws:lambda:eu-central-1:123456789012:function:record" }
  }
}

run "both_machines_are_standard_and_named_by_the_convention" {
  command = plan

  assert {
    condition = { for key, machine in aws_sfn_state_machine.this : key => [machine.name, machine.type] } == {
      lakehouse_pipeline = ["lakehouse-test-lakehouse-pipeline", "STANDARD"]
      file_conversion    = ["lakehouse-test-file-conversion", "STANDARD"]
    }
    error_message = "The machines are ${jsonencode({ for key, machine in aws_sfn_state_machine.this : key => [machine.name, machine.type] })}."
  }
}

run "the_templates_are_filled_with_what_is_deployed" {
  command = plan

  assert {
    condition     = jsondecode(aws_sfn_state_machine.this["file_conversion"].definition).States.ConvertWithSpark.Parameters.JobName == "the-job"
    error_message = "Another job is started: ${aws_sfn_state_machine.this["file_conversion"].definition}"
  }

  assert {
    condition = (
      jsondecode(aws_sfn_state_machine.this["lakehouse_pipeline"].definition).States.ConvertFiles.ItemProcessor.States.ConvertFile.Parameters.StateMachineArn
      == "arn:aws:states:eu-central-1:123456789012:stateMachine:lakehouse-test-file-conversion"
    )
    error_message = "Another machine is started: ${aws_sfn_state_machine.this["lakehouse_pipeline"].definition}"
  }

  assert {
    condition     = alltrue([for machine in aws_sfn_state_machine.this : !strcontains(machine.definition, "$${")])
    error_message = "A placeholder is left."
  }
}

run "both_machines_log_everything_and_are_traced" {
  command = plan

  assert {
    condition = alltrue([
      for machine in aws_sfn_state_machine.this : machine.tracing_configuration[0].enabled && machine.logging_configuration[0].level == "ALL" &&
      machine.logging_configuration[0].include_execution_data
    ])
    error_message = "A machine is observed otherwise: ${jsonencode(aws_sfn_state_machine.this)}"
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.retention_in_days == 30 && group.kms_key_id == var.kms_key_arn && startswith(group.name, "/aws/vendedlogs/states/")])
    error_message = "The log groups are others: ${jsonencode(aws_cloudwatch_log_group.this)}"
  }
}

run "the_pipeline_may_start_conversions_but_no_job" {
  command = plan

  assert {
    condition     = !strcontains(aws_iam_role_policy.this["lakehouse_pipeline"].policy, "glue:StartJobRun") && !strcontains(aws_iam_role_policy.this["file_conversion"].policy, "states:StartExecution")
    error_message = "A machine may do the other's work: ${jsonencode({ for key, policy in aws_iam_role_policy.this : key => policy.policy })}"
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.this["lakehouse_pipeline"].policy).Statement : statement.Sid => statement.Resource
      if contains(["StartFileConversion", "FollowFileConversion", "HearOfFileConversion"], statement.Sid)
      } == {
      StartFileConversion  = ["arn:aws:states:eu-central-1:123456789012:stateMachine:lakehouse-test-file-conversion"]
      FollowFileConversion = ["arn:aws:states:eu-central-1:123456789012:execution:lakehouse-test-file-conversion:*"]
      HearOfFileConversion = ["arn:aws:events:eu-central-1:123456789012:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"]
    }
    error_message = "The pipeline may do something else: ${aws_iam_role_policy.this["lakehouse_pipeline"].policy}"
  }
}

run "a_long_plan_runs_as_children_of_the_pipeline_and_lies_in_the_plans_bucket_alone" {
  command = plan

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.this["lakehouse_pipeline"].policy).Statement : statement.Sid => statement.Resource
      if contains(["StartListedFiles", "FollowListedFiles", "CountListedFiles", "ReadListsAndWriteResults"], statement.Sid)
      } == {
      StartListedFiles = ["arn:aws:states:eu-central-1:123456789012:stateMachine:lakehouse-test-lakehouse-pipeline"]
      FollowListedFiles = [
        "arn:aws:states:eu-central-1:123456789012:execution:lakehouse-test-lakehouse-pipeline:*",
        "arn:aws:states:eu-central-1:123456789012:execution:lakehouse-test-lakehouse-pipeline/ConvertListedFiles:*",
      ]
      CountListedFiles = [
        "arn:aws:states:eu-central-1:123456789012:stateMachine:lakehouse-test-lakehouse-pipeline",
        "arn:aws:states:eu-central-1:123456789012:mapRun:lakehouse-test-lakehouse-pipeline/ConvertListedFiles:*",
      ]
      ReadListsAndWriteResults = ["arn:aws:s3:::the-plans/*"]
    }
    error_message = "The pipeline may do something else: ${aws_iam_role_policy.this["lakehouse_pipeline"].policy}"
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.this["file_conversion"].policy, "s3")
    error_message = "The conversion reaches S3 by itself: ${aws_iam_role_policy.this["file_conversion"].policy}"
  }

  assert {
    condition     = jsondecode(aws_sfn_state_machine.this["lakehouse_pipeline"].definition).States.ConvertListedFiles.Label == "ConvertListedFiles"
    error_message = "The role's permissions go by another label."
  }
}

run "each_machine_invokes_only_its_own_functions" {
  command = plan

  assert {
    condition = {
      for key, policy in aws_iam_role_policy.this : key => join(" ", sort(flatten([
        for statement in jsondecode(policy.policy).Statement : [for arn in statement.Resource : element(split(":", arn), 6)]
        if contains(statement.Action, "lambda:InvokeFunction")
      ])))
    } == { file_conversion = "convert record register", lakehouse_pipeline = "plan record" }
    error_message = "Other functions may be invoked: ${jsonencode({ for key, policy in aws_iam_role_policy.this : key => policy.policy })}"
  }
}

run "a_missing_function_is_refused_by_name" {
  command = plan

  variables {
    functions = {
      register_file = { name = "register", arn = "arn:aws:lambda:eu-central-1:123456789012:function:register" }
    }
  }

  expect_failures = [var.functions]
}
