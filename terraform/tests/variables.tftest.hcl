# The whole configuration at once. Nothing is created: the provider is mocked.

mock_provider "aws" {
  source = "./testing/mocks"
}

variables {
  environment = "sandbox"
  package_dir = "./testing/package"
}

run "every_resource_is_tagged_for_cost_allocation" {
  command = plan

  assert {
    condition = local.tags == {
      Project     = "lakehouse"
      Environment = "sandbox"
      Owner       = "data-engineering"
      CostCenter  = "data-platform"
      ManagedBy   = "terraform"
    }
    error_message = "The tags are ${jsonencode(local.tags)}."
  }
}

run "an_unknown_environment_is_refused" {
  command = plan

  variables {
    environment = "playground"
  }

  expect_failures = [var.environment]
}

run "a_production_that_can_be_thrown_away_is_refused" {
  command = plan

  variables {
    environment   = "prod"
    is_disposable = true
  }

  expect_failures = [var.is_disposable]
}

run "a_project_name_that_no_bucket_could_carry_is_refused" {
  command = plan

  variables {
    project = "Lake_House"
  }

  expect_failures = [var.project]
}

run "a_region_that_is_none_is_refused" {
  command = plan

  variables {
    region = "Frankfurt"
  }

  expect_failures = [var.region]
}

run "a_retention_of_no_days_is_refused" {
  command = plan

  variables {
    retention = { log_days = 0 }
  }

  expect_failures = [var.retention]
}

run "missing_artifacts_are_refused" {
  command = plan

  variables {
    package_dir = "./testing/nowhere"
  }

  expect_failures = [var.package_dir]
}
