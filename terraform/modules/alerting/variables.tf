variable "batch_size" {
  description = "Changes that the function is given at a time."
  type        = number
  default     = 25
  nullable    = false

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 1000
    error_message = "The function tells 1 to 1000 changes within its time, not ${var.batch_size}."
  }
}

variable "function" {
  description = "The function that tells: its name, its alias and the alias's ARN, its role."
  type        = object({ alias = string, alias_arn = string, name = string, role_arn = string })
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts everything at rest."
  type        = string
}

variable "most_retries" {
  description = "Tries of a change after the first: together longer than the minute for which a dead process is waited for."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.most_retries >= 0 && var.most_retries <= 10000
    error_message = "Lambda tries again 0 to 10000 times, not ${var.most_retries}."
  }
}

variable "name_prefix" {
  description = "First part of every name: <project>-<environment>."
  type        = string
}

variable "oldest_message_seconds" {
  description = "For how long a landed file may wait in the queue before somebody is told."
  type        = number
  default     = 1800
  nullable    = false

  validation {
    condition     = var.oldest_message_seconds >= 60
    error_message = "CloudWatch looks once a minute: 60 seconds or more, not ${var.oldest_message_seconds}."
  }
}

variable "queues" {
  description = "The ingestion's queues: that of the landed files and that of its dead letters."
  type        = object({ dead_letters = object({ name = string }), landed = object({ name = string }) })
}

variable "state_machines" {
  description = "ARNs of the state machines whose aborted or timed-out executions are told, by short name."
  type        = map(string)
}

variable "streams" {
  description = "ARNs of the streams of the tables of the files and of the pipeline runs."
  type        = object({ files = string, pipeline_runs = string })
}

variable "subscriptions" {
  description = "Who is told: for each severity (info, warning, critical) protocols and endpoints, as SNS takes them."
  type        = map(list(object({ protocol = string, endpoint = string })))
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.subscriptions), ["info", "warning", "critical"])) == 0
    error_message = "The severities are info, warning and critical, not ${join(", ", keys(var.subscriptions))}."
  }

  validation {
    condition = alltrue([
      for one in flatten(values(var.subscriptions)) :
      contains(["application", "email", "email-json", "firehose", "https", "lambda", "sms", "sqs"], one.protocol)
    ])
    error_message = "SNS delivers by application, email, email-json, firehose, https, lambda, sms or sqs; http is not encrypted."
  }
}

variable "tags" {
  description = "Tags on top of the provider's default tags."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "unrecorded_state_machines" {
  description = "ARNs of the state machines that record no failure of theirs: it is told, too. By short name."
  type        = map(string)
}
