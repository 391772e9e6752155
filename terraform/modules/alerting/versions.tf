terraform {
  required_version = ">= 1.11" # use_lockfile of the S3 backend is stable from 1.11 on

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}
