data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  tags = merge(var.tags, { Component = "encryption" })
}

resource "aws_kms_key" "this" {
  description             = "Encrypts everything that ${var.name_prefix} keeps at rest"
  deletion_window_in_days = var.deletion_window_days
  enable_key_rotation     = true
  policy                  = local.policy
  tags                    = local.tags
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name_prefix}"
  target_key_id = aws_kms_key.this.key_id
}
