output "aliases" {
  description = "ARN of each function's alias live by short name."
  value       = { for key, alias in aws_lambda_alias.live : key => alias.arn }
}

output "functions" {
  description = "Name and ARN of each Lambda function by short name."
  value = {
    for key, function in aws_lambda_function.this : key => { name = function.function_name, arn = function.arn }
  }
}

output "roles" {
  description = "ARN of each function's role by short name."
  value       = { for key, role in aws_iam_role.this : key => role.arn }
}
