# Unused by `lakehouse up`, which keeps the state in a file below the endpoint's folder; here for those who run Terraform
# against the local endpoint by hand.
bucket = "lakehouse-local-terraform-state"
key    = "lakehouse/local/terraform.tfstate"
region = "us-east-1"
