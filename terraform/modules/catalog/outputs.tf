output "crawlers" {
  description = "Name and ARN of each crawler by layer."
  value       = { for key, crawler in aws_glue_crawler.this : key => { name = crawler.name, arn = crawler.arn } }
}

output "databases" {
  description = "Glue database names by layer."
  value       = { for key, database in aws_glue_catalog_database.this : key => database.name }
}
