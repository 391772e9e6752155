variable "artifacts_bucket" {
  description = "Bucket that the artifacts are uploaded to."
  type        = object({ name = string, arn = string })
}

variable "files_table" {
  description = "DynamoDB table of the file records."
  type        = object({ name = string, arn = string })
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts everything at rest."
  type        = string
}

variable "layers" {
  description = "Where the conversion reads and writes: a bucket and a folder in it for raw, processed and quarantine."
  type = object({
    raw        = object({ bucket = object({ name = string, arn = string }), prefix = string })
    processed  = object({ bucket = object({ name = string, arn = string }), prefix = string })
    quarantine = object({ bucket = object({ name = string, arn = string }), prefix = string })
  })

  validation {
    condition     = alltrue([for layer in values(var.layers) : endswith(layer.prefix, "/")])
    error_message = "The folder of a layer ends in a slash: ${join(", ", [for layer in values(var.layers) : layer.prefix])}."
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

variable "max_concurrent_runs" {
  description = "How many files are converted by Spark at the same time; more wait their turn in the state machine."
  type        = number
  default     = 10
  nullable    = false
}

variable "max_retries" {
  description = "How often Glue starts a failed run again, whatever it failed of. None: the state machine knows which failures pass."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.max_retries >= 0 && var.max_retries <= 10
    error_message = "Glue retries a run 0 to 10 times, not ${var.max_retries}."
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

variable "settings" {
  description = "LAKEHOUSE_* settings: the names of the deployed resources, as lakehouse.settings reads them."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.settings) : startswith(name, "LAKEHOUSE_")])
    error_message = "Settings start with LAKEHOUSE_: ${join(", ", keys(var.settings))}."
  }
}

variable "tags" {
  description = "Tags on top of the provider's default tags."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "timeout_minutes" {
  description = "Minutes after which Glue ends a run."
  type        = number
  default     = 60
  nullable    = false
}

variable "workers" {
  description = "Worker type, and the number of workers up to which auto scaling goes."
  type = object({
    type    = optional(string, "G.1X")
    maximum = optional(number, 10)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["G.1X", "G.2X", "G.4X", "G.8X"], var.workers.type)
    error_message = "The worker type is one of G.1X, G.2X, G.4X and G.8X, not ${var.workers.type}."
  }

  validation {
    condition     = var.workers.maximum >= 2
    error_message = "A Glue job has at least two workers, a driver and an executor, not ${var.workers.maximum}."
  }
}
