# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name_prefix         = "lakehouse-test"
  kms_key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  artifacts_bucket    = { name = "artifacts-bucket", arn = "arn:aws:s3:::artifacts-bucket" }
  log_retention_days  = 30
  package_dir         = "../../testing/package"
  pipeline_runs_table = { name = "runs-table", arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/runs-table" }
  workgroup           = { name = "the-workgroup", arn = "arn:aws:athena:eu-central-1:123456789012:workgroup/the-workgroup" }
  query_results       = { bucket = { name = "results-bucket", arn = "arn:aws:s3:::results-bucket" }, prefix = "the-workgroup/" }
  curated             = { bucket = { name = "curated-bucket", arn = "arn:aws:s3:::curated-bucket" }, prefix = "curated-data/", database = "test_curated" }
  sources = {
    processed = { bucket = { name = "processed-bucket", arn = "arn:aws:s3:::processed-bucket" }, prefix = "processed-data/", database = "test_processed" }
  }
}

run "only_the_curated_layer_and_the_runs_record_are_changed" {
  command = apply

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.dbt.policy).Statement : statement.Sid => flatten([statement.Resource])
      if anytrue([for action in statement.Action : can(regex("Delete|Update|Create[TP]", action))])
      } == {
      RecordTransformations = ["arn:aws:dynamodb:eu-central-1:123456789012:table/runs-table"]
      WriteCurated          = ["arn:aws:s3:::curated-bucket/curated-data/*"]
      WriteTables = [
        "arn:aws:glue:eu-central-1:123456789012:catalog",
        "arn:aws:glue:eu-central-1:123456789012:database/test_curated",
        "arn:aws:glue:eu-central-1:123456789012:table/test_curated/*",
      ]
    }
    error_message = "Something else may be changed: ${aws_iam_role_policy.dbt.policy}"
  }
}

run "queries_run_in_the_workgroup_alone" {
  command = apply

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.dbt.policy).Statement : statement.Resource == var.workgroup.arn
      if contains(statement.Action, "athena:StartQueryExecution")
    ])
    error_message = "Queries may run elsewhere: ${aws_iam_role_policy.dbt.policy}"
  }
}

run "nothing_is_allowed_on_everything" {
  command = apply

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.dbt.policy).Statement :
      !contains(flatten([statement.Resource]), "*") && alltrue([for action in statement.Action : !strcontains(action, "*")])
    ])
    error_message = "A statement is too wide: ${aws_iam_role_policy.dbt.policy}"
  }
}

run "only_this_projects_builds_assume_the_role" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role.dbt.assume_role_policy).Statement[0].Condition.StringEquals == {
      "aws:SourceAccount" = "123456789012"
      "aws:SourceArn"     = "arn:aws:codebuild:eu-central-1:123456789012:project/lakehouse-test-dbt"
    }
    error_message = "Others may assume it: ${aws_iam_role.dbt.assume_role_policy}"
  }
}
