output "alias" {
  description = "Alias of the key, for people."
  value       = aws_kms_alias.this.name
}

output "key_arn" {
  description = "ARN of the key, for everything that encrypts."
  value       = aws_kms_key.this.arn
}
