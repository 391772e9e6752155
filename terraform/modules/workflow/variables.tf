variable "crawlers" {
  description = "Crawlers that the pipeline starts: of the raw layer before the conversion, of the curated one after dbt."
  type        = object({ raw = object({ name = string, arn = string }), curated = object({ name = string, arn = string }) })
}

variable "dbt_project" {
  description = "CodeBuild project that runs dbt."
  type        = object({ name = string, arn = string })
}

variable "files_table" {
  description = "DynamoDB table of the file records."
  type        = object({ name = string, arn = string })
}

variable "functions" {
  description = "Lambda functions that the state machines invoke: register_file, convert_file, plan_files and record_failure."
  type        = map(object({ name = string, arn = string }))

  validation {
    condition     = length(setsubtract(["register_file", "convert_file", "plan_files", "record_failure"], keys(var.functions))) == 0
    error_message = "The state machines invoke register_file, convert_file, plan_files and record_failure; given are ${join(", ", keys(var.functions))}."
  }
}

variable "job" {
  description = "Glue job that converts large files."
  type        = object({ name = string, arn = string })
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

variable "pipeline_runs_table" {
  description = "DynamoDB table of the pipeline runs."
  type        = object({ name = string, arn = string })
}

variable "plans_bucket" {
  description = "Bucket of the lists of files that are too long for a state, and of what became of those files."
  type        = object({ name = string, arn = string })
}

variable "tags" {
  description = "Tags on top of the provider's default tags."
  type        = map(string)
  default     = {}
  nullable    = false
}
