output "jobs" {
  description = "Name and ARN of each Glue job by short name."
  value = {
    parquet_to_json = { name = aws_glue_job.parquet_to_json.name, arn = aws_glue_job.parquet_to_json.arn }
  }
}

output "security_configuration" {
  description = "Name of the Glue security configuration, for crawlers and further jobs."
  value       = aws_glue_security_configuration.this.name
}
