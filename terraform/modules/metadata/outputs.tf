output "tables" {
  description = "Name and ARN of each table by short name."
  value       = { for key, table in aws_dynamodb_table.this : key => { name = table.name, arn = table.arn } }
}
