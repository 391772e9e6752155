# Short names on the left, deployed names on the right: the command line and the tests find everything through these.

output "account_id" {
  description = "AWS account that holds the environment."
  value       = data.aws_caller_identity.current.account_id
}

output "alarms" {
  description = "CloudWatch alarm names by short name."
  value       = module.alerting.alarms
}

output "buckets" {
  description = "Bucket names by short name."
  value       = { for key, bucket in module.storage.buckets : key => bucket.name }
}

output "build_projects" {
  description = "CodeBuild project names by short name."
  value       = { for key, project in module.transformation.projects : key => project.name }
}

output "crawlers" {
  description = "Crawler names by layer."
  value       = { for key, crawler in module.catalog.crawlers : key => crawler.name }
}

output "databases" {
  description = "Glue database names by layer."
  value       = module.catalog.databases
}

output "dbt_environment" {
  description = "Environment variables that dbt_project/ reads, by name."
  value       = module.transformation.environment
}

output "environment" {
  description = "Environment name."
  value       = var.environment
}

output "functions" {
  description = "Lambda function names by short name."
  value       = { for key, function in module.functions.functions : key => function.name }
}

output "glue_jobs" {
  description = "Glue job names by short name."
  value       = { for key, job in module.processing.jobs : key => job.name }
}

output "kms_key_arn" {
  description = "ARN of the key that encrypts everything at rest."
  value       = module.encryption.key_arn
}

output "named_queries" {
  description = "Ids of Athena's named queries by name."
  value       = module.analytics.named_queries
}

output "project" {
  description = "Project name."
  value       = var.project
}

output "queues" {
  description = "SQS queue URLs by short name."
  value       = { for key, queue in local.queues : key => queue.url }
}

output "region" {
  description = "AWS region of the environment."
  value       = var.region
}

output "state_machines" {
  description = "State machine ARNs by short name."
  value       = local.state_machines
}

output "tables" {
  description = "DynamoDB table names by short name."
  value       = { for key, table in module.metadata.tables : key => table.name }
}

output "topics" {
  description = "ARN of the SNS topic of the alerts of each severity."
  value       = { for severity, topic in module.alerting.topics : severity => topic.arn }
}

output "workgroup" {
  description = "Name of the Athena workgroup."
  value       = module.analytics.workgroup.name
}
