output "state_machines" {
  description = "ARN of each state machine by short name."
  value       = { for key, machine in aws_sfn_state_machine.this : key => machine.arn }
}
