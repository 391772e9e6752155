output "queues" {
  description = "ARN, URL and name of each queue by short name, and for how long a message is hidden from others."
  value = {
    for key, queue in local._queues : key => {
      arn = queue.arn, name = queue.name, url = queue.url, visibility_seconds = queue.visibility_timeout_seconds
    }
  }
}
