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
    # https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
    map_run = [
      {
        Sid      = "StartListedFiles"
        Effect   = "Allow"
        Action   = ["states:StartExecution"]
        Resource = [local.arns.lakehouse_pipeline]
      },
      {
        Sid    = "FollowListedFiles"
        Effect = "Allow"
        Action = ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"]
        Resource = [
          "${local._states}:execution:${local.names.lakehouse_pipeline}:*",
          "${local._states}:execution:${local.names.lakehouse_pipeline}/ConvertListedFiles:*",
        ]
      },
      {
        # Executions are listed by their Map Run, or by their machine.
        Sid    = "CountListedFiles"
        Effect = "Allow"
        Action = ["states:DescribeMapRun", "states:ListExecutions"]
        Resource = [
          local.arns.lakehouse_pipeline,
          "${local._states}:mapRun:${local.names.lakehouse_pipeline}/ConvertListedFiles:*",
        ]
      },
      {
        Sid      = "ReadListsAndWriteResults"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
        Resource = ["${var.plans_bucket.arn}/*"]
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

  # The services that hold a machine's data.
  _services = {
    file_conversion    = ["dynamodb"]
    lakehouse_pipeline = ["dynamodb", "s3"]
  }
  _use_key = {
    for key, services in local._services : key => {
      Sid       = "UseKey"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = [var.kms_key_arn]
      Condition = { StringEquals = { "kms:ViaService" = [for service in services : "${service}.${data.aws_region.current.name}.amazonaws.com"] } }
    }
  }
  _common = [
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
      local.integrations.lambda["record_failure"],
      local.integrations.states,
      local.integrations.map_run,
      local.integrations.read_files,
      local.integrations.record_runs,
    ])
  }

  policies = {
    for key, statements in local._statements : key => jsonencode({
      Version   = "2012-10-17"
      Statement = concat(statements, [local._use_key[key]], [for statement in local._common : statement])
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
