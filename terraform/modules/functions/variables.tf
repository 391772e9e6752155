variable "alerting" {
  description = "What alerts are made of, where they go, and what remembers them."
  type = object({
    notifications_table = object({ arn = string })
    streams             = map(string)
    topics              = map(object({ arn = string }))
    undelivered_queue   = object({ arn = string })
  })
}

variable "artifacts_bucket" {
  description = "Bucket that the artifacts are uploaded to."
  type        = object({ name = string, arn = string })
}

variable "circuits_table" {
  description = "DynamoDB table of the circuit breakers."
  type        = object({ name = string, arn = string })
}

variable "dead_letters_queue" {
  description = "Queue of the messages about files that landed which failed too often."
  type        = object({ arn = string })
}

variable "file_conversion_arn" {
  description = "ARN of the state machine that converts one file."
  type        = string
}

variable "files_table" {
  description = "DynamoDB table of the file records."
  type        = object({ name = string, arn = string })
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts everything at rest."
  type        = string
}

variable "landed_queue" {
  description = "Queue of the files that landed, and for how long a message is hidden from others."
  type        = object({ arn = string, visibility_seconds = number })
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

variable "name_prefix" {
  description = "First part of every name: <project>-<environment>."
  type        = string
}

variable "package_dir" {
  description = "Folder of the artifacts that `make package` builds."
  type        = string
}

variable "plans_bucket" {
  description = "Bucket of the lists of files that a pipeline run converts."
  type        = object({ name = string, arn = string })
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
