# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name_prefix        = "lakehouse-test"
  kms_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_retention_days = 30
  schedule           = "cron(0 3 ? * SUN *)"
  workgroup          = { name = "the-workgroup", arn = "arn:aws:athena:eu-central-1:123456789012:workgroup/the-workgroup" }
  query_results      = { bucket = { name = "results-bucket", arn = "arn:aws:s3:::results-bucket" }, prefix = "the-workgroup/" }
  curated            = { bucket = { name = "curated-bucket", arn = "arn:aws:s3:::curated-bucket" }, prefix = "curated-data/", database = "test_curated" }
}

run "the_machine_maintains_the_curated_database_in_the_workgroup" {
  command = plan

  assert {
    condition = (
      aws_sfn_state_machine.this.name == "lakehouse-test-table-maintenance" && aws_sfn_state_machine.this.type == "STANDARD" &&
      jsondecode(aws_sfn_state_machine.this.definition).States.ReadInput.Output.request.DatabaseName == "test_curated" &&
      jsondecode(aws_sfn_state_machine.this.definition).States.MaintainTables.ItemProcessor.States.Vacuum.Parameters.WorkGroup == "the-workgroup"
    )
    error_message = "The machine is another: ${aws_sfn_state_machine.this.definition}"
  }

  assert {
    condition     = !strcontains(aws_sfn_state_machine.this.definition, "$${")
    error_message = "A placeholder is left."
  }
}

run "it_changes_nothing_but_the_curated_tables_and_their_files" {
  command = apply

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.machine.policy).Statement : statement.Sid => statement.Resource
      if anytrue([for action in statement.Action : can(regex("^(s3|glue):.*(Delete|Update|Put)", action))])
      } == {
      CommitToTables = [
        "arn:aws:glue:eu-central-1:123456789012:catalog",
        "arn:aws:glue:eu-central-1:123456789012:database/default",
        "arn:aws:glue:eu-central-1:123456789012:database/test_curated",
        "arn:aws:glue:eu-central-1:123456789012:table/test_curated/*",
      ]
      RewriteFiles      = ["arn:aws:s3:::curated-bucket/curated-data/*"]
      WriteQueryResults = ["arn:aws:s3:::results-bucket/the-workgroup/*"]
    }
    error_message = "Something else may be changed: ${aws_iam_role_policy.machine.policy}"
  }
}

run "the_schedule_starts_this_machine_and_nothing_else" {
  command = apply

  assert {
    condition = alltrue([
      for schedule in aws_scheduler_schedule.this : schedule.schedule_expression == var.schedule && schedule.kms_key_arn == var.kms_key_arn &&
      schedule.target[0].arn == aws_sfn_state_machine.this.arn
    ]) && length(aws_scheduler_schedule.this) == 1
    error_message = "The schedule is another: ${jsonencode(aws_scheduler_schedule.this)}"
  }

  assert {
    condition = alltrue([
      for policy in aws_iam_role_policy.schedule : [for statement in jsondecode(policy.policy).Statement : statement.Action] == [["states:StartExecution"], ["kms:Decrypt"]]
    ])
    error_message = "The schedule may do something else: ${jsonencode(aws_iam_role_policy.schedule)}"
  }
}

run "without_a_schedule_it_runs_only_when_started" {
  command = plan

  variables {
    schedule = null
  }

  assert {
    condition     = length(aws_scheduler_schedule.this) == 0 && length(aws_iam_role.schedule) == 0
    error_message = "There is a schedule: ${jsonencode(aws_scheduler_schedule.this)}"
  }
}

run "a_schedule_that_is_no_expression_is_refused" {
  command = plan

  variables {
    schedule = "on Sundays"
  }

  expect_failures = [var.schedule]
}

run "a_folder_without_its_slash_is_refused" {
  command = plan

  variables {
    curated = { bucket = { name = "curated-bucket", arn = "arn:aws:s3:::curated-bucket" }, prefix = "curated-data", database = "test_curated" }
  }

  expect_failures = [var.curated]
}
