# The whole configuration at once. Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "./testing/mocks"
}

variables {
  environment = "sandbox"
  package_dir = "./testing/package"
}

run "every_output_is_there_for_the_command_line" {
  command = apply

  assert {
    condition     = toset(keys(output.buckets)) == toset(["raw", "processed", "curated", "dags", "artifacts", "athena_results", "plans", "access_logs"])
    error_message = "The buckets are ${jsonencode(output.buckets)}."
  }

  assert {
    condition     = toset(keys(output.tables)) == toset(["circuits", "files", "notifications", "pipeline_runs", "watermarks"])
    error_message = "The tables are ${jsonencode(output.tables)}."
  }

  assert {
    condition     = toset(keys(output.state_machines)) == toset(["lakehouse_pipeline", "file_conversion", "table_maintenance"])
    error_message = "The state machines are ${jsonencode(output.state_machines)}."
  }

  assert {
    condition     = toset(keys(output.topics)) == toset(["info", "warning", "critical"])
    error_message = "The topics are ${jsonencode(output.topics)}."
  }

  assert {
    condition     = toset(keys(output.queues)) == toset(["dead_letters", "landed", "undelivered_alerts"])
    error_message = "The queues are ${jsonencode(output.queues)}."
  }

  assert {
    condition = output.alarms == {
      dead_letters = "lakehouse-sandbox-ingestion-dead-letters"
      delay        = "lakehouse-sandbox-ingestion-delay"
      undelivered  = "lakehouse-sandbox-undelivered-alerts"
    }
    error_message = "The alarms are ${jsonencode(output.alarms)}."
  }

  assert {
    condition     = output.functions["register_file"] == "lakehouse-sandbox-register-file" && output.glue_jobs == { parquet_to_json = "lakehouse-sandbox-parquet-to-json" }
    error_message = "The functions are ${jsonencode(output.functions)}, the jobs ${jsonencode(output.glue_jobs)}."
  }

  assert {
    condition     = output.build_projects == { dbt = "lakehouse-sandbox-dbt" } && output.workgroup == "lakehouse-sandbox-analytics"
    error_message = "The build projects are ${jsonencode(output.build_projects)}, the workgroup is ${output.workgroup}."
  }

  assert {
    condition     = output.databases == { raw = "lakehouse_sandbox_raw", processed = "lakehouse_sandbox_processed", curated = "lakehouse_sandbox_curated" }
    error_message = "The databases are ${jsonencode(output.databases)}."
  }
}
