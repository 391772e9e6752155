output "environment" {
  description = "Environment variables of every build, by name: what dbt_project/ reads."
  value       = local.environment
}

output "projects" {
  description = "Name and ARN of each CodeBuild project by short name."
  value       = { dbt = { name = aws_codebuild_project.dbt.name, arn = aws_codebuild_project.dbt.arn } }
}
