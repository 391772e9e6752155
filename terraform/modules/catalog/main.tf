data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  tags = merge(var.tags, { Component = "catalog" })

  databases = {
    for key, layer in var.layers : key => {
      name = replace("${var.name_prefix}-${key}", "-", "_") # Athena takes no hyphens without quotes
      path = "s3://${layer.bucket.name}/${layer.prefix}"
    }
  }

  crawlers = {
    for key, layer in var.layers : key => {
      name     = "${var.name_prefix}-${key}"
      database = local.databases[key].name
      path     = local.databases[key].path
      schedule = layer.schedule
      format   = layer.format

      # https://docs.aws.amazon.com/glue/latest/dg/crawler-configuration.html
      configuration = layer.format == "iceberg" ? jsonencode({ Version = 1.0 }) : jsonencode({
        Version       = 1.0
        CrawlerOutput = { Partitions = { AddOrUpdateBehavior = "InheritFromTable" } }
        Grouping = {
          TableGroupingPolicy     = "CombineCompatibleSchemas"
          TableLevelConfiguration = layer.table_level
        }
      })
    } if layer.format != "declared"
  }
}

resource "aws_glue_catalog_database" "this" {
  for_each = local.databases

  name         = each.value.name
  description  = "Tables of the ${each.key} layer"
  location_uri = each.value.path
  tags         = local.tags
}

resource "aws_glue_crawler" "this" {
  for_each = local.crawlers

  name                   = each.value.name
  description            = "Finds the tables and partitions of the ${each.key} layer"
  configuration          = each.value.configuration
  database_name          = aws_glue_catalog_database.this[each.key].name
  role                   = aws_iam_role.this[each.key].arn
  schedule               = each.value.schedule
  security_configuration = var.security_configuration
  tags                   = merge(local.tags, { Layer = each.key })

  dynamic "s3_target" {
    for_each = each.value.format == "files" ? [each.value.path] : []

    content {
      path = s3_target.value
    }
  }

  # Finds tables by their metadata files, and moves entries of tables that Athena has registered to the latest one.
  dynamic "iceberg_target" {
    for_each = each.value.format == "iceberg" ? [each.value.path] : []

    content {
      paths                   = [iceberg_target.value]
      maximum_traversal_depth = 10
    }
  }

  recrawl_policy {
    recrawl_behavior = "CRAWL_EVERYTHING"
  }

  schema_change_policy {
    delete_behavior = "DEPRECATE_IN_DATABASE" # a table whose files are gone stays, marked
    update_behavior = "UPDATE_IN_DATABASE"
  }

  depends_on = [aws_iam_role_policy.this, aws_cloudwatch_log_group.this]
}

# Glue composes these names from the role and the security configuration; made here, they have a retention. AWS writes the
# form down for job logs only; crawlers are seen to follow it.
resource "aws_cloudwatch_log_group" "this" {
  for_each = local.crawlers

  name              = "/aws-glue/crawlers-role/${aws_iam_role.this[each.key].name}-${var.security_configuration}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
  tags              = local.tags
}
