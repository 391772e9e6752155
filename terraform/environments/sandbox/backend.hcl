# The state's bucket is made once, by hand, versioned and private; bucket names are shared by all of AWS, so yours may differ:
#   aws s3api create-bucket --profile ros-sandbox --bucket lakehouse-sandbox-terraform-state
#   aws s3api put-bucket-versioning --profile ros-sandbox --bucket lakehouse-sandbox-terraform-state --versioning-configuration Status=Enabled
bucket  = "lakehouse-sandbox-terraform-state"
key     = "lakehouse/sandbox/terraform.tfstate"
region  = "us-east-1"
profile = "ros-sandbox"
