# The rest comes from environments/<environment>/backend.hcl:
#   terraform init -backend-config=environments/sandbox/backend.hcl
terraform {
  backend "s3" {
    encrypt      = true
    use_lockfile = true # a lock object beside the state: no DynamoDB table is needed
  }
}
