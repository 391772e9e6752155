locals {
  _account = data.aws_caller_identity.current.account_id
  _root    = "arn:${data.aws_partition.current.partition}:iam::${local._account}:root"
  _region  = data.aws_region.current.name

  # Actions are listed, not wild: what AWS adds to KMS later is not granted by accident.
  _administration = [
    "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
    "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
    "kms:ListAliases", "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListKeyRotations", "kms:ListResourceTags",
    "kms:PutKeyPolicy", "kms:RetireGrant", "kms:RevokeGrant", "kms:RotateKeyOnDemand", "kms:ScheduleKeyDeletion",
    "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
  ]

  _use = [
    "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom", "kms:ReEncryptTo",
  ]

  _services = [
    for service in ["dynamodb", "glue", "lambda", "s3", "sns", "sqs"] : "${service}.${local._region}.amazonaws.com"
  ]

  # In a key policy "*" means this key. The account's root principal stands for whoever IAM lets: a statement opens the
  # door, a role's own policy still has to let it through.
  # https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AdministerKey"
        Effect    = "Allow"
        Principal = { AWS = local._root }
        Action    = local._administration
        Resource  = "*"
      },
      {
        Sid       = "UseThroughServices"
        Effect    = "Allow"
        Principal = { AWS = local._root }
        Action    = local._use
        Resource  = "*"
        Condition = {
          StringEquals = { "kms:CallerAccount" = local._account, "kms:ViaService" = local._services }
        }
      },
      {
        # Glue encrypts job bookmarks on the client's side, as the job's role.
        # https://docs.aws.amazon.com/glue/latest/dg/encryption-security-configuration.html
        Sid       = "UseByOwnRoles"
        Effect    = "Allow"
        Principal = { AWS = local._root }
        Action    = local._use
        Resource  = "*"
        Condition = {
          ArnLike = { "aws:PrincipalArn" = "arn:${data.aws_partition.current.partition}:iam::${local._account}:role/${var.name_prefix}-*" }
        }
      },
      {
        # DynamoDB and Lambda keep using the key after the request is over.
        Sid       = "GrantToServices"
        Effect    = "Allow"
        Principal = { AWS = local._root }
        Action    = ["kms:CreateGrant"]
        Resource  = "*"
        Condition = {
          Bool         = { "kms:GrantIsForAWSResource" = "true" }
          StringEquals = { "kms:CallerAccount" = local._account, "kms:ViaService" = local._services }
        }
      },
      {
        # S3 encrypts its messages to a queue as itself:
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
        Sid       = "NotifyByS3"
        Effect    = "Allow"
        Principal = { Service = "s3.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local._account } }
      },
      {
        # CloudWatch encrypts what its alarms tell to a topic as itself:
        # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
        Sid       = "NotifyByAlarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = {
          ArnLike = {
            "aws:SourceArn" = "arn:${data.aws_partition.current.partition}:cloudwatch:${local._region}:${local._account}:alarm:${var.name_prefix}-*"
          }
          StringEquals = { "aws:SourceAccount" = local._account }
        }
      },
      {
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
        Sid       = "EncryptLogs"
        Effect    = "Allow"
        Principal = { Service = "logs.${local._region}.amazonaws.com" }
        Action    = local._use
        Resource  = "*"
        Condition = {
          ArnLike = {
            "kms:EncryptionContext:aws:logs:arn" = "arn:${data.aws_partition.current.partition}:logs:${local._region}:${local._account}:log-group:*"
          }
        }
      },
    ]
  })
}
