variable "batch_size" {
  description = "Messages that the function takes at a time."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10
    error_message = "Without waiting for more, a batch has 1 to 10 messages, not ${var.batch_size}."
  }
}

variable "function_arn" {
  description = "ARN of the function that takes files in, with its alias."
  type        = string
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts everything at rest."
  type        = string
}

variable "most_concurrent" {
  description = "Batches that are taken in at the same time."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.most_concurrent >= 2 && var.most_concurrent <= 1000
    error_message = "Lambda takes 2 to 1000 batches at a time, not ${var.most_concurrent}."
  }
}

variable "most_receives" {
  description = "Deliveries of a message before it is a dead letter."
  type        = number
  default     = 5
  nullable    = false
}

variable "name_prefix" {
  description = "First part of every name: <project>-<environment>."
  type        = string
}

variable "raw" {
  description = "Where files land: the raw layer's bucket and the folder in it."
  type        = object({ bucket = object({ name = string, arn = string }), prefix = string })
}

variable "tags" {
  description = "Tags on top of the provider's default tags."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "visibility_seconds" {
  description = "For how long nobody else sees a message that a function works on; the function may run for a sixth of it."
  type        = number
  default     = 720
  nullable    = false

  validation {
    condition     = var.visibility_seconds >= 60 && var.visibility_seconds <= 5400
    error_message = "A function runs for 10 to 900 seconds, so that a message is hidden for 60 to 5400, not ${var.visibility_seconds}."
  }
}
