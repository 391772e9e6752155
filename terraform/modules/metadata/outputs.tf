output "streams" {
  description = "ARN of the stream of each table that has one, by the table's short name."
  value       = { for key, table in aws_dynamodb_table.this : key => table.stream_arn if try(local.tables[key].is_streamed, false) }
}

output "tables" {
  description = "Name and ARN of each table by short name."
  value       = { for key, table in aws_dynamodb_table.this : key => { name = table.name, arn = table.arn } }
}
