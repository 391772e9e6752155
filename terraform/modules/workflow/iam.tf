locals {
  _here = "${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"

  # The permissions of each integration, as Step Functions documents them.
  integrations = {
    # https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html
    lambda = {
      for key, function in var.functions : key => [{
        Sid      = "Invoke${replace(title(replace(key, "_", " ")), " ", "")}"
        Effect   = "Allow"
        Action   = ["lambda:InvokeFunction"]
        Resource = [function.arn]
      }]
    }
    # https://docs.aws.amazon.com/step-functions/latest/dg/connect-glue.html
    glue = [{
      Sid      = "RunJob"
      Effect   = "Allow"
      Action   = ["glue:BatchStopJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:StartJobRun"]
      Resource = [var.job.arn]
    }]
    crawler = [{
      Sid      = "RunCrawler"
      Effect   = "Allow"
      Action   = ["glue:GetCrawler", "glue:StartCrawler"]
      Resource = [for crawler in values(var.crawlers) : crawler.arn]
    }]
    # https://docs.aws.amazon.com/step-functions/latest/dg/connect-codebuild.html
    codebuild = [
      {
        Sid      = "RunDbt"
        Effect   = "Allow"
        Action   = ["codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild"]
        Resource = [var.dbt_project.arn]
      },
      {
        # The rule through which Step Functions learns that a build has ended.
        Sid      = "HearOfBuilds"
        Effect   = "Allow"
        Action   = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]
        Resource = ["arn:${data.aws_partition.current.partition}:events:${local._here}:rule/StepFunctionsGetEventForCodeBuildStartBuildRule"]
      },
    ]
    # https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html
    states = [
      {
        Sid      = "StartFileConversion"
        Effect   = "Allow"
        Action   = ["states:StartExecution"]
        Resource = [local.arns.file_conversion]
      },
      {
        Sid      = "FollowFileConversion"
        Effect   = "Allow"
        Action   = ["states:DescribeExecution", "states:StopExecution"]
        Resource = ["${local._states}:execution:${local.names.file_conversion}:*"]
      },
      {
        # The rule through which Step Functions learns that a child has ended.
        Sid      = "HearOfFileConversion"
        Effect   = "Allow"
        Action   = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]
        Resource = ["arn:${data.aws_partition.current.partition}:events:${local._here}:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"]
      },
    ]
    # https://docs.aws.amazon.com/step-functions/latest/dg/connect-ddb.html
    read_files = [{
      Sid      = "ReadFiles"
      Effect   = "Allow"
      Action   = ["dynamodb:GetItem"]
      Resource = [var.files_table.arn]
    }]
    record_runs = [{
      Sid      = "RecordRuns"
      Effect   = "Allow"
      Action   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
      Resource = [var.pipeline_runs_table.arn]
    }]
  }

  _common = [
    {
      Sid       = "UseKey"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = [var.kms_key_arn]
      Condition = { StringEquals = { "kms:ViaService" = ["dynamodb.${data.aws_region.current.name}.amazonaws.com"] } }
    },
    {
      # Log delivery knows no resources: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
      Sid    = "DeliverLogs"
      Effect = "Allow"
      Action = [
        "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
      ]
      Resource = ["*"]
    },
    {
      # X-Ray knows no resources for these: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html
      Sid    = "WriteTraces"
      Effect = "Allow"
      Action = [
        "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments",
      ]
      Resource = ["*"]
    },
  ]

  _statements = {
    file_conversion = flatten([
      local.integrations.lambda["register_file"],
      local.integrations.lambda["convert_file"],
      local.integrations.lambda["record_failure"],
      local.integrations.glue,
      local.integrations.read_files,
    ])
    lakehouse_pipeline = flatten([
      local.integrations.crawler,
      local.integrations.codebuild,
      local.integrations.lambda["plan_files"],
      local.integrations.states,
      local.integrations.read_files,
      local.integrations.record_runs,
    ])
  }

  policies = {
    for key, statements in local._statements : key => jsonencode({
      Version   = "2012-10-17"
      Statement = concat(statements, [for statement in local._common : statement])
    })
  }
}

resource "aws_iam_role" "this" {
  for_each = local.names

  name        = each.value
  description = "What the state machine ${each.value} may do"
  tags        = local.tags

  # Only for this account's executions: https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AssumeByStepFunctions"
      Effect    = "Allow"
      Principal = { Service = "states.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = local.policies

  name   = "execution"
  role   = aws_iam_role.this[each.key].name
  policy = each.value
}
