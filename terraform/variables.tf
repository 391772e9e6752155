variable "cost_center" {
  description = "Cost centre that the environment is billed to: the tag CostCenter."
  type        = string
  default     = "data-platform"
  nullable    = false
}

variable "environment" {
  description = "Environment name, the second part of every resource name."
  type        = string

  validation {
    condition     = contains(["local", "sandbox", "dev", "staging", "prod"], var.environment)
    error_message = "The environment is one of local, sandbox, dev, staging and prod, not \"${var.environment}\"."
  }
}

variable "is_disposable" {
  description = "Whether the data may go with the stack: buckets are emptied on destroy, tables are not protected against deletion, and the key is deleted as soon as AWS allows."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !(var.is_disposable && var.environment == "prod")
    error_message = "The environment prod cannot be disposable: its data must outlive a destroy."
  }
}

variable "owner" {
  description = "Team that answers for the environment: the tag Owner."
  type        = string
  default     = "data-engineering"
  nullable    = false
}

variable "package_dir" {
  description = "Folder of the artifacts that `make package` builds: dbt_project.zip, functions.zip, parquet_to_json.py and parquet_to_json.gluewheels.zip."
  type        = string
  default     = "../build/package"
  nullable    = false

  validation {
    condition = alltrue([
      for name in ["dbt_project.zip", "functions.zip", "parquet_to_json.py", "parquet_to_json.gluewheels.zip"] : fileexists("${var.package_dir}/${name}")
    ])
    error_message = "The folder ${var.package_dir} lacks dbt_project.zip, functions.zip, parquet_to_json.py or parquet_to_json.gluewheels.zip: build them with `make package`."
  }
}

variable "profile" {
  description = "Profile of the AWS shared configuration to use; null takes the credentials of the shell."
  type        = string
  default     = null
}

variable "project" {
  description = "Project name, the first part of every resource name."
  type        = string
  default     = "lakehouse"
  nullable    = false

  validation {
    # With an environment, a bucket's short name and the account id it must fit S3's 63 characters.
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.project))
    error_message = "The project name has 3 to 20 lower-case letters, digits and hyphens, starts with a letter and does not end with a hyphen, unlike \"${var.project}\"."
  }
}

variable "query_scan_limit_gb" {
  description = "Gigabytes after which Athena cancels a query."
  type        = number
  default     = 100
  nullable    = false
}

variable "region" {
  description = "AWS region of the whole environment."
  type        = string
  default     = "us-east-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "The region is an AWS region name such as eu-central-1, not \"${var.region}\"."
  }
}

variable "retention" {
  description = "How long things are kept, in days: logs in CloudWatch, noncurrent object versions, Athena results, and S3 access logs."
  type = object({
    log_days                = optional(number, 90)
    noncurrent_version_days = optional(number, 30)
    athena_result_days      = optional(number, 7)
    access_log_days         = optional(number, 365)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for days in values(var.retention) : days >= 1 && floor(days) == days])
    error_message = "Every retention is a whole number of days, at least 1: ${jsonencode(var.retention)}."
  }
}

variable "schedules" {
  description = "When a layer is crawled, and when the curated tables are maintained: cron expressions of AWS, in UTC, or never: only when started."
  type = object({
    raw         = optional(string, "cron(0 1 * * ? *)")
    curated     = optional(string, "cron(0 5 * * ? *)")
    maintenance = optional(string, "cron(0 3 ? * SUN *)")
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for schedule in values(var.schedules) : can(regex("^(cron\\(.+\\)|never)$", schedule))])
    error_message = "A schedule is a cron expression such as cron(0 1 * * ? *), or never: ${jsonencode(var.schedules)}."
  }
}

variable "subscriptions" {
  description = "Who is told what happened: for each severity (info, warning, critical) protocols and endpoints, as SNS takes them."
  type        = map(list(object({ protocol = string, endpoint = string })))
  default     = {}
  nullable    = false
}
