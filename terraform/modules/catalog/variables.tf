variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts everything at rest."
  type        = string
}

variable "layers" {
  description = "Layers with a database each: the bucket, the folder in it, and how tables come about. Those of plain files (with the folder level at which they begin, the bucket being level 1) and of iceberg are crawled, on a schedule (a cron expression of AWS in UTC; null: only when started); declared ones are given, as Glue's CreateTable takes them, with s3://layer/ for the layer's folder."
  type = map(object({
    bucket      = object({ name = string, arn = string })
    prefix      = string
    schedule    = optional(string)
    format      = optional(string, "files")
    table_level = optional(number)
    tables = optional(map(object({
      Name          = string
      Description   = string
      TableType     = string
      Parameters    = map(string)
      PartitionKeys = list(object({ Name = string, Type = string, Comment = string }))
      StorageDescriptor = object({
        Columns      = list(object({ Name = string, Type = string, Comment = string }))
        Location     = string
        InputFormat  = string
        OutputFormat = string
        SerdeInfo    = object({ SerializationLibrary = string, Parameters = map(string) })
      })
    })), {})
  }))

  validation {
    condition     = alltrue([for layer in values(var.layers) : contains(["declared", "files", "iceberg"], layer.format)])
    error_message = "The tables of a layer are of files, iceberg or declared, not ${jsonencode([for layer in values(var.layers) : layer.format])}."
  }

  validation {
    condition     = alltrue([for layer in values(var.layers) : (layer.table_level != null) == (layer.format == "files")])
    error_message = "A layer of files has a table_level, any other has none: ${jsonencode([for layer in values(var.layers) : layer.table_level])}."
  }

  validation {
    condition     = alltrue([for layer in values(var.layers) : (layer.format == "declared") == (length(layer.tables) > 0)])
    error_message = "Tables are given where they are declared, and there only: ${jsonencode({ for key, layer in var.layers : key => keys(layer.tables) })}."
  }

  validation {
    condition     = alltrue([for layer in values(var.layers) : endswith(layer.prefix, "/")])
    error_message = "The folder of a layer ends in a slash: ${join(", ", [for layer in values(var.layers) : layer.prefix])}."
  }

  validation {
    condition     = alltrue([for layer in values(var.layers) : can(regex("^cron\\(.+\\)$", coalesce(layer.schedule, "cron(-)")))])
    error_message = "A crawler's schedule is a cron expression such as cron(0 1 * * ? *): ${jsonencode([for layer in values(var.layers) : layer.schedule])}."
  }
}

variable "log_retention_days" {
  description = "Days for which logs are kept; CloudWatch takes certain numbers only."
  type        = number
  nullable    = false

  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days
    )
    error_message = "CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827 or more days, not for ${var.log_retention_days}."
  }
}

variable "name_prefix" {
  description = "First part of every name: <project>-<environment>."
  type        = string
}

variable "security_configuration" {
  description = "Name of the Glue security configuration that encrypts the crawlers' logs."
  type        = string
}

variable "tags" {
  description = "Tags on top of the provider's default tags."
  type        = map(string)
  default     = {}
  nullable    = false
}
