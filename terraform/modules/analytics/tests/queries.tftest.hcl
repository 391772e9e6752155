# Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name_prefix    = "lakehouse-test"
  kms_key_arn    = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  database       = "lakehouse_test_curated"
  results_bucket = { name = "results-bucket", arn = "arn:aws:s3:::results-bucket" }
  curated        = { bucket = { name = "curated-bucket", arn = "arn:aws:s3:::curated-bucket" }, prefix = "curated-data/" }
}

run "every_file_of_a_query_is_a_named_query" {
  command = plan

  assert {
    condition     = toset([for file in fileset("./queries", "*.sql") : trimsuffix(file, ".sql")]) == toset(keys(aws_athena_named_query.this))
    error_message = "The named queries are ${jsonencode(keys(aws_athena_named_query.this))}."
  }

  assert {
    condition     = alltrue([for query in aws_athena_named_query.this : query.database == "lakehouse_test_curated"])
    error_message = "A query is about another database: ${jsonencode({ for key, query in aws_athena_named_query.this : key => query.database })}."
  }
}

run "a_new_table_is_made_in_the_curated_layer" {
  command = plan

  assert {
    condition     = strcontains(aws_athena_named_query.this["create_iceberg_table"].query, "LOCATION 's3://curated-bucket/curated-data/trips_archive/'")
    error_message = "The table is made elsewhere: ${aws_athena_named_query.this["create_iceberg_table"].query}"
  }
}

run "prepared_statements_take_values_and_name_their_database" {
  command = plan

  assert {
    condition = { for key, statement in aws_athena_prepared_statement.this : key => length(regexall("\\?", statement.query_statement)) } == {
      events_of_user  = 2
      revenue_by_zone = 2
      trips_of_day    = 1
    }
    error_message = "The statements take other values: ${jsonencode({ for key, statement in aws_athena_prepared_statement.this : key => statement.query_statement })}"
  }

  # A prepared statement knows no database of its own.
  assert {
    condition     = alltrue([for statement in aws_athena_prepared_statement.this : strcontains(statement.query_statement, "\"lakehouse_test_curated\".")])
    error_message = "A statement names no database: ${jsonencode({ for key, statement in aws_athena_prepared_statement.this : key => statement.query_statement })}"
  }

  assert {
    condition     = tolist(output.prepared_statements) == tolist(["events_of_user", "revenue_by_zone", "trips_of_day"])
    error_message = "The statements are ${jsonencode(output.prepared_statements)}."
  }
}

run "no_placeholder_is_left" {
  command = plan

  assert {
    condition = alltrue([
      for text in concat([for query in aws_athena_named_query.this : query.query], [for statement in aws_athena_prepared_statement.this : statement.query_statement]) :
      !strcontains(text, "$${")
    ])
    error_message = "A placeholder is left."
  }
}
