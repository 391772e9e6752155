locals {
  _files = {
    script = "parquet_to_json.py"
    wheels = "parquet_to_json.gluewheels.zip"
  }

  # The content's hash is part of the key, so that a run in progress keeps the files it started with and every change
  # of code is a change of the job.
  artifacts = {
    for key, file in local._files : key => {
      source = "${var.package_dir}/${file}"
      key    = "glue/parquet_to_json/${substr(filesha256("${var.package_dir}/${file}"), 0, 16)}/${file}"
    }
  }
}

resource "aws_s3_object" "artifacts" {
  for_each = local.artifacts

  bucket = var.artifacts_bucket.name
  key    = each.value.key
  source = each.value.source
  tags   = local.tags

  lifecycle {
    create_before_destroy = true
  }
}
