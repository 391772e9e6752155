output "alarms" {
  description = "Name of each alarm by short name."
  value       = { for key, alarm in aws_cloudwatch_metric_alarm.queue : key => alarm.alarm_name }
}

output "topics" {
  description = "ARN and name of the topic of each severity."
  value       = { for severity, topic in aws_sns_topic.this : severity => { arn = topic.arn, name = topic.name } }
}

output "undelivered_queue" {
  description = "ARN, name and URL of the queue of the alerts that could not be sent."
  value = {
    arn = aws_sqs_queue.undelivered.arn, name = aws_sqs_queue.undelivered.name, url = aws_sqs_queue.undelivered.url
  }
}
