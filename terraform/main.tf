# In the order in which data flows.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

module "encryption" {
  source = "./modules/encryption"

  deletion_window_days = var.is_disposable ? 7 : 30
  name_prefix          = local.name_prefix
}

module "storage" {
  source = "./modules/storage"

  access_log_days         = var.retention.access_log_days
  buckets                 = local.buckets
  force_destroy           = var.is_disposable
  kms_key_arn             = module.encryption.key_arn
  name_prefix             = local.name_prefix
  noncurrent_version_days = var.retention.noncurrent_version_days
}

module "metadata" {
  source = "./modules/metadata"

  deletion_protection = !var.is_disposable
  kms_key_arn         = module.encryption.key_arn
  name_prefix         = local.name_prefix
}

module "processing" {
  source = "./modules/processing"

  artifacts_bucket   = module.storage.buckets["artifacts"]
  files_table        = module.metadata.tables["files"]
  kms_key_arn        = module.encryption.key_arn
  layers             = local.layers
  log_retention_days = var.retention.log_days
  name_prefix        = local.name_prefix
  package_dir        = var.package_dir
  settings           = local.settings
}

module "catalog" {
  source = "./modules/catalog"

  kms_key_arn = module.encryption.key_arn
  layers = {
    # The first folder below the prefix is the dataset: one table each.
    raw = { bucket = module.storage.buckets["raw"], prefix = local.prefixes.raw, schedule = local.schedules.raw, table_level = 3 }
    # By the data contracts, which say more than a crawler could read out of JSON.
    processed = {
      bucket = module.storage.buckets["processed"], prefix = local.prefixes.processed, format = "declared"
      tables = jsondecode(file("${var.package_dir}/processed_tables.json"))
    }
    curated = { bucket = module.storage.buckets["curated"], prefix = local.prefixes.curated, schedule = local.schedules.curated, format = "iceberg" }
  }
  log_retention_days     = var.retention.log_days
  name_prefix            = local.name_prefix
  security_configuration = module.processing.security_configuration
}

module "functions" {
  source = "./modules/functions"

  alerting = {
    notifications_table = module.metadata.tables["notifications"]
    streams             = module.metadata.streams
    topics              = module.alerting.topics
    undelivered_queue   = module.alerting.undelivered_queue
  }
  artifacts_bucket    = module.storage.buckets["artifacts"]
  circuits_table      = module.metadata.tables["circuits"]
  dead_letters_queue  = module.ingestion.queues["dead_letters"]
  file_conversion_arn = local.file_conversion_arn
  landed_queue        = module.ingestion.queues["landed"]
  files_table         = module.metadata.tables["files"]
  kms_key_arn         = module.encryption.key_arn
  layers              = local.layers
  log_retention_days  = var.retention.log_days
  name_prefix         = local.name_prefix
  package_dir         = var.package_dir
  plans_bucket        = module.storage.buckets["plans"]
  settings            = local.settings
}

module "ingestion" {
  source = "./modules/ingestion"

  function_arn = module.functions.aliases["ingest"]
  kms_key_arn  = module.encryption.key_arn
  name_prefix  = local.name_prefix
  raw          = { bucket = module.storage.buckets["raw"], prefix = local.prefixes.raw }
}

module "analytics" {
  source = "./modules/analytics"

  curated        = { bucket = module.storage.buckets["curated"], prefix = local.prefixes.curated }
  database       = module.catalog.databases["curated"]
  force_destroy  = var.is_disposable
  kms_key_arn    = module.encryption.key_arn
  name_prefix    = local.name_prefix
  results_bucket = module.storage.buckets["athena_results"]
  scan_limit_gb  = var.query_scan_limit_gb
}

module "transformation" {
  source = "./modules/transformation"

  artifacts_bucket = module.storage.buckets["artifacts"]
  curated = {
    bucket = module.storage.buckets["curated"], prefix = local.prefixes.curated, database = module.catalog.databases["curated"]
  }
  kms_key_arn         = module.encryption.key_arn
  log_retention_days  = var.retention.log_days
  name_prefix         = local.name_prefix
  package_dir         = var.package_dir
  pipeline_runs_table = module.metadata.tables["pipeline_runs"]
  query_results       = module.analytics.results
  sources = {
    processed = { bucket = module.storage.buckets["processed"], prefix = local.prefixes.processed, database = module.catalog.databases["processed"] }
  }
  target    = var.environment == "local" ? "local" : "athena"
  workgroup = module.analytics.workgroup
}

module "maintenance" {
  source = "./modules/maintenance"

  curated = {
    bucket = module.storage.buckets["curated"], prefix = local.prefixes.curated, database = module.catalog.databases["curated"]
  }
  kms_key_arn        = module.encryption.key_arn
  log_retention_days = var.retention.log_days
  name_prefix        = local.name_prefix
  query_results      = module.analytics.results
  schedule           = local.schedules.maintenance
  workgroup          = module.analytics.workgroup
}

module "workflow" {
  source = "./modules/workflow"

  crawlers            = { raw = module.catalog.crawlers["raw"], curated = module.catalog.crawlers["curated"] }
  dbt_project         = module.transformation.projects["dbt"]
  files_table         = module.metadata.tables["files"]
  functions           = module.functions.functions
  job                 = module.processing.jobs["parquet_to_json"]
  kms_key_arn         = module.encryption.key_arn
  log_retention_days  = var.retention.log_days
  name_prefix         = local.name_prefix
  pipeline_runs_table = module.metadata.tables["pipeline_runs"]
  plans_bucket        = module.storage.buckets["plans"]
}

module "alerting" {
  source = "./modules/alerting"

  function = {
    alias     = "live"
    alias_arn = module.functions.aliases["notify"]
    name      = module.functions.functions["notify"].name
    role_arn  = module.functions.roles["notify"]
  }
  kms_key_arn               = module.encryption.key_arn
  name_prefix               = local.name_prefix
  queues                    = { dead_letters = module.ingestion.queues["dead_letters"], landed = module.ingestion.queues["landed"] }
  state_machines            = local.state_machines
  streams                   = { files = module.metadata.streams["files"], pipeline_runs = module.metadata.streams["pipeline_runs"] }
  subscriptions             = var.subscriptions
  unrecorded_state_machines = { table_maintenance = local.state_machines["table_maintenance"] }
}
