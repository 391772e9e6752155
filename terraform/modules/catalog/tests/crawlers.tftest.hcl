# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name_prefix            = "lakehouse-test"
  kms_key_arn            = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_retention_days     = 30
  security_configuration = "lakehouse-test"
  layers = {
    raw     = { bucket = { name = "raw-bucket", arn = "arn:aws:s3:::raw-bucket" }, prefix = "raw-data/", schedule = "cron(0 1 * * ? *)", table_level = 3 }
    curated = { bucket = { name = "curated-bucket", arn = "arn:aws:s3:::curated-bucket" }, prefix = "curated-data/", format = "iceberg" }
  }
}

run "databases_are_named_in_snake_case_so_that_athena_needs_no_quotes" {
  command = plan

  assert {
    condition     = output.databases == { raw = "lakehouse_test_raw", curated = "lakehouse_test_curated" }
    error_message = "The databases are ${jsonencode(output.databases)}."
  }
}

run "each_crawler_reads_its_layers_folder_into_its_layers_database" {
  command = plan

  assert {
    condition = {
      for key, crawler in aws_glue_crawler.this : key => [
        crawler.name, crawler.database_name, try(crawler.s3_target[0].path, one(crawler.iceberg_target[0].paths))
      ]
      } == {
      raw     = ["lakehouse-test-raw", "lakehouse_test_raw", "s3://raw-bucket/raw-data/"]
      curated = ["lakehouse-test-curated", "lakehouse_test_curated", "s3://curated-bucket/curated-data/"]
    }
    error_message = "The crawlers are others: ${jsonencode(aws_glue_crawler.this)}"
  }
}

run "a_layer_of_iceberg_tables_is_crawled_by_their_metadata" {
  command = plan

  assert {
    condition     = { for key, crawler in aws_glue_crawler.this : key => [length(crawler.s3_target), length(crawler.iceberg_target)] } == { raw = [1, 0], curated = [0, 1] }
    error_message = "The targets are others: ${jsonencode(aws_glue_crawler.this)}"
  }

  assert {
    condition     = jsondecode(aws_glue_crawler.this["curated"].configuration) == { Version = 1 }
    error_message = "The crawler groups Iceberg tables: ${aws_glue_crawler.this["curated"].configuration}"
  }
}

run "a_layer_of_files_without_its_table_level_is_refused" {
  command = plan

  variables {
    layers = {
      raw = { bucket = { name = "raw-bucket", arn = "arn:aws:s3:::raw-bucket" }, prefix = "raw-data/" }
    }
  }

  expect_failures = [var.layers]
}

run "a_layer_without_a_schedule_is_crawled_only_when_asked" {
  command = plan

  assert {
    condition     = aws_glue_crawler.this["raw"].schedule == "cron(0 1 * * ? *)" && aws_glue_crawler.this["curated"].schedule == null
    error_message = "The schedules are ${jsonencode({ for key, crawler in aws_glue_crawler.this : key => crawler.schedule })}."
  }
}

run "tables_begin_at_the_level_of_the_dataset" {
  command = plan

  assert {
    condition     = jsondecode(aws_glue_crawler.this["raw"].configuration).Grouping.TableLevelConfiguration == 3
    error_message = "The crawler groups otherwise: ${aws_glue_crawler.this["raw"].configuration}"
  }
}

run "every_crawler_has_the_security_configuration" {
  command = plan

  assert {
    condition     = alltrue([for crawler in aws_glue_crawler.this : crawler.security_configuration == "lakehouse-test"])
    error_message = "A crawler's logs are not encrypted."
  }
}

run "each_crawler_logs_where_glue_will_write" {
  command = plan

  assert {
    condition     = { for key, group in aws_cloudwatch_log_group.this : key => group.name } == { raw = "/aws-glue/crawlers-role/lakehouse-test-raw-crawler-lakehouse-test", curated = "/aws-glue/crawlers-role/lakehouse-test-curated-crawler-lakehouse-test" }
    error_message = "The log groups are ${jsonencode({ for key, group in aws_cloudwatch_log_group.this : key => group.name })}."
  }

  assert {
    condition     = strcontains(aws_iam_role_policy.this["raw"].policy, "log-group:/aws-glue/crawlers-role/lakehouse-test-raw-crawler-lakehouse-test:*")
    error_message = "The crawler cannot write its logs: ${aws_iam_role_policy.this["raw"].policy}"
  }
}

run "a_crawlers_role_touches_only_its_own_layer" {
  command = plan

  assert {
    condition     = !strcontains(aws_iam_role_policy.this["raw"].policy, "curated") && strcontains(aws_iam_role_policy.this["raw"].policy, "arn:aws:s3:::raw-bucket/raw-data/*")
    error_message = "The role of the raw crawler: ${aws_iam_role_policy.this["raw"].policy}"
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.this["raw"].policy).Statement :
      statement.Resource == [
        "arn:aws:glue:eu-central-1:123456789012:catalog",
        "arn:aws:glue:eu-central-1:123456789012:database/lakehouse_test_raw",
        "arn:aws:glue:eu-central-1:123456789012:table/lakehouse_test_raw/*",
      ] if statement.Sid == "WriteCatalog"
    ])
    error_message = "The role of the raw crawler writes elsewhere: ${aws_iam_role_policy.this["raw"].policy}"
  }
}

run "a_schedule_that_is_no_cron_expression_is_refused" {
  command = plan

  variables {
    layers = {
      raw = { bucket = { name = "raw-bucket", arn = "arn:aws:s3:::raw-bucket" }, prefix = "raw-data/", schedule = "every day", table_level = 3 }
    }
  }

  expect_failures = [var.layers]
}

run "a_folder_without_its_slash_is_refused" {
  command = plan

  variables {
    layers = {
      raw = { bucket = { name = "raw-bucket", arn = "arn:aws:s3:::raw-bucket" }, prefix = "raw-data", table_level = 3 }
    }
  }

  expect_failures = [var.layers]
}
