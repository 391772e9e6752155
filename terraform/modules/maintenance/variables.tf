variable "curated" {
  description = "Where the tables lie: the curated layer's bucket, the folder in it, and its Glue database."
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

variable "query_results" {
  description = "Where the workgroup writes the results of queries: the bucket and the folder in it."
  type        = object({ bucket = object({ name = string, arn = string }), prefix = string })
}

variable "schedule" {
  description = "When the tables are maintained: a cron or rate expression of EventBridge Scheduler, in UTC. Null: only when started."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^(cron|rate)\\(.+\\)$", coalesce(var.schedule, "cron(-)")))
    error_message = "A schedule is an expression such as cron(0 3 ? * SUN *) or rate(7 days), not ${coalesce(var.schedule, "null")}."
  }
}

variable "tags" {
  description = "Tags on top of the provider's default tags."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "workgroup" {
  description = "Athena workgroup that the statements run in."
  type        = object({ name = string, arn = string })
}
