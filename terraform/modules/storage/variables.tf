variable "abort_upload_days" {
  description = "Days after which an unfinished multipart upload is thrown away."
  type        = number
  default     = 3
  nullable    = false
}

variable "access_log_days" {
  description = "Days for which S3 access logs are kept."
  type        = number
  default     = 365
  nullable    = false
}

variable "buckets" {
  description = "Buckets by short name: the storage classes that objects move to, each so many days after they were written, and the days after which they expire (null: never). The bucket access_logs is made on top."
  type = map(object({
    transitions     = optional(list(object({ after_days = number, storage_class = string })), [])
    expiration_days = optional(number)
  }))

  validation {
    condition     = alltrue([for key in keys(var.buckets) : can(regex("^[a-z][a-z_]*[a-z]$", key))])
    error_message = "Short names of buckets are snake_case: ${join(", ", keys(var.buckets))}."
  }

  validation {
    condition     = !contains(keys(var.buckets), "access_logs")
    error_message = "The bucket access_logs is made by this module: leave it out."
  }

  validation {
    condition = alltrue(flatten([
      for bucket in values(var.buckets) : [
        for transition in bucket.transitions : contains(
          ["STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"], transition.storage_class
        )
      ]
    ]))
    error_message = "A transition's storage class is one of STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING, GLACIER_IR, GLACIER and DEEP_ARCHIVE: ${jsonencode(var.buckets)}."
  }

  validation {
    condition = alltrue(flatten([
      for bucket in values(var.buckets) : [
        for transition in bucket.transitions : transition.after_days >= 30 if endswith(transition.storage_class, "_IA")
      ]
    ]))
    error_message = "S3 moves objects to an infrequent-access class after 30 days at the earliest: ${jsonencode(var.buckets)}."
  }
}

variable "force_destroy" {
  description = "Whether destroying a bucket deletes the objects in it; otherwise only an empty bucket can be destroyed."
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

variable "noncurrent_version_days" {
  description = "Days for which overwritten and deleted versions of an object can be brought back."
  type        = number
  default     = 30
  nullable    = false
}

variable "tags" {
  description = "Tags on top of the provider's default tags."
  type        = map(string)
  default     = {}
  nullable    = false
}
