# Glue composes these names from the security configuration and the role; made here, they have a retention.
# https://docs.aws.amazon.com/glue/latest/dg/monitor-continuous-logging.html
resource "aws_cloudwatch_log_group" "parquet_to_json" {
  for_each = toset(["error", "output"])

  name              = "/aws-glue/jobs/${aws_glue_security_configuration.this.name}-role/${aws_iam_role.parquet_to_json.name}/${each.key}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
  tags              = local.tags
}
