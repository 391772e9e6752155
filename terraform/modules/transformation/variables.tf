variable "artifacts_bucket" {
  description = "Bucket that the artifacts are uploaded to."
  type        = object({ name = string, arn = string })
}

variable "curated" {
  description = "Where dbt writes: the curated layer's bucket, the folder in it, and its Glue database."
  type        = object({ bucket = object({ name = string, arn = string }), prefix = string, database = string })

  validation {
    condition     = endswith(var.curated.prefix, "/")
    error_message = "The folder of a layer ends in a slash, unlike ${var.curated.prefix}."
  }
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts everything at rest."
  type        = string
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

variable "package_dir" {
  description = "Folder of the artifacts that `make package` builds."
  type        = string
}

variable "pipeline_runs_table" {
  description = "DynamoDB table of the pipeline runs, whose records learn what became of each model."
  type        = object({ name = string, arn = string })
}

variable "query_results" {
  description = "Where the workgroup writes the results of queries: the bucket and the folder in it."
  type        = object({ bucket = object({ name = string, arn = string }), prefix = string })
}

variable "sources" {
  description = "What dbt reads, by layer: the bucket, the folder in it, and the Glue database, which dbt knows as DBT_ATHENA_<LAYER>_SCHEMA."
  type        = map(object({ bucket = object({ name = string, arn = string }), prefix = string, database = string }))

  validation {
    condition     = alltrue([for layer in keys(var.sources) : can(regex("^[a-z]+$", layer)) && layer != "curated"])
    error_message = "Layers to read are named in lower-case letters, and curated is written: ${join(", ", keys(var.sources))}."
  }

  validation {
    condition     = alltrue([for source in values(var.sources) : endswith(source.prefix, "/")])
    error_message = "The folder of a layer ends in a slash: ${join(", ", [for source in values(var.sources) : source.prefix])}."
  }
}

variable "tags" {
  description = "Tags on top of the provider's default tags."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "target" {
  description = "Target of the dbt profile: athena, or local for the laptop's endpoint, which is asked more often."
  type        = string
  default     = "athena"
  nullable    = false

  validation {
    condition     = contains(["athena", "local"], var.target)
    error_message = "The dbt profile has the targets athena and local, not ${var.target}."
  }
}

variable "threads" {
  description = "How many models dbt builds at the same time."
  type        = number
  default     = 4
  nullable    = false
}

variable "timeout_minutes" {
  description = "Minutes after which CodeBuild ends a build."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.timeout_minutes >= 5 && var.timeout_minutes <= 2160
    error_message = "A build may take 5 to 2160 minutes, not ${var.timeout_minutes}."
  }
}

variable "workgroup" {
  description = "Athena workgroup that dbt's queries run in."
  type        = object({ name = string, arn = string })
}
