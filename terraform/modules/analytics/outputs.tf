output "named_queries" {
  description = "Ids of the named queries by name."
  value       = { for key, query in aws_athena_named_query.this : key => query.id }
}

output "prepared_statements" {
  description = "Names of the prepared statements."
  value       = sort([for statement in aws_athena_prepared_statement.this : statement.name])
}

output "results" {
  description = "Where results of queries lie: the bucket and the folder in it."
  value       = local.results
}

output "workgroup" {
  description = "Name and ARN of the workgroup."
  value       = { name = aws_athena_workgroup.this.name, arn = aws_athena_workgroup.this.arn }
}
