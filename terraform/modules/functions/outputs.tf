output "functions" {
  description = "Name and ARN of each Lambda function by short name."
  value       = { for key, function in aws_lambda_function.this : key => { name = function.function_name, arn = function.arn } }
}
