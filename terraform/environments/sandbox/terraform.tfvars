# A small AWS environment for trying things out: cheap, and gone without a trace on destroy.
environment   = "sandbox"
profile       = "ros-sandbox"
region        = "us-east-1"
is_disposable = true

retention = {
  log_days                = 14
  noncurrent_version_days = 7
  athena_result_days      = 3
  access_log_days         = 30
}
