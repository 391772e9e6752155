variable "curated" {
  description = "Where the curated layer lies: the bucket, and the folder in it for new tables."
  type        = object({ bucket = object({ name = string, arn = string }), prefix = string })

  validation {
    condition     = endswith(var.curated.prefix, "/")
    error_message = "The folder of a layer ends in a slash, unlike ${var.curated.prefix}."
  }
}

variable "database" {
  description = "Glue database of the curated layer, which the queries are about."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9_]+$", var.database))
    error_message = "Athena wants database names of lower-case letters, digits and underscores, unlike \"${var.database}\"."
  }
}

variable "force_destroy" {
  description = "Whether destroying the workgroup deletes its queries with it; otherwise only an empty one can be destroyed."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts everything at rest."
  type        = string
}

variable "name_prefix" {
  description = "First part of every name: <project>-<environment>."
  type        = string
}

variable "results_bucket" {
  description = "Bucket that Athena writes the results of queries to."
  type        = object({ name = string, arn = string })
}

variable "scan_limit_gb" {
  description = "Gigabytes after which a query is cancelled: a forgotten condition on the partitions costs that much at most."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.scan_limit_gb >= 1 && floor(var.scan_limit_gb) == var.scan_limit_gb
    error_message = "The scan limit is a whole number of gigabytes, at least 1, not ${var.scan_limit_gb}."
  }
}

variable "tags" {
  description = "Tags on top of the provider's default tags."
  type        = map(string)
  default     = {}
  nullable    = false
}
