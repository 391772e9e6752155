locals {
  # The naming convention: <project>-<environment>-<thing>. Glue and Athena names are the same in snake_case; bucket names
  # end in the account id, since they are shared by all of AWS.
  name_prefix = "${var.project}-${var.environment}"

  # Every resource carries these: activate them as cost allocation tags in the billing console.
  tags = {
    Project     = var.project
    Environment = var.environment
    Owner       = var.owner
    CostCenter  = var.cost_center
    ManagedBy   = "terraform"
  }

  # Folders inside the layer buckets.
  prefixes = {
    raw        = "raw-data/"
    processed  = "processed-data/"
    quarantine = "quarantine/" # in the processed bucket
    curated    = "curated-data/"
  }

  # Read often at first, then seldom, but at any time by a crawler or a backfill: Glacier Instant Retrieval is the
  # Glacier class whose objects stay readable without a restore.
  _cooling = [
    { after_days = 30, storage_class = "STANDARD_IA" },
    { after_days = 90, storage_class = "GLACIER_IR" },
  ]

  buckets = {
    raw            = { transitions = local._cooling }
    processed      = { transitions = local._cooling }
    curated        = { transitions = [{ after_days = 90, storage_class = "STANDARD_IA" }] }
    dags           = {}
    artifacts      = {}
    athena_results = { expiration_days = var.retention.athena_result_days }
    plans          = { expiration_days = 30 } # lists of files of long runs, and what became of each
  }

  # Put together from names: the machine invokes the functions that learn it here.
  file_conversion_arn = join(":", [
    "arn", data.aws_partition.current.partition, "states", var.region, data.aws_caller_identity.current.account_id,
    "stateMachine", "${local.name_prefix}-file-conversion",
  ])

  # What every function and job learns about its surroundings (lakehouse.settings).
  settings = {
    LAKEHOUSE_PROJECT             = var.project
    LAKEHOUSE_ENVIRONMENT         = var.environment
    LAKEHOUSE_RAW_BUCKET          = module.storage.buckets["raw"].name
    LAKEHOUSE_PROCESSED_BUCKET    = module.storage.buckets["processed"].name
    LAKEHOUSE_FILES_TABLE         = module.metadata.tables["files"].name
    LAKEHOUSE_PIPELINE_RUNS_TABLE = module.metadata.tables["pipeline_runs"].name
    LAKEHOUSE_WATERMARKS_TABLE    = module.metadata.tables["watermarks"].name
    LAKEHOUSE_CIRCUITS_TABLE      = module.metadata.tables["circuits"].name
    LAKEHOUSE_FILE_CONVERSION_ARN = local.file_conversion_arn
    LAKEHOUSE_LANDED_QUEUE_URL    = module.ingestion.queues["landed"].url
    LAKEHOUSE_NOTIFICATIONS_TABLE = module.metadata.tables["notifications"].name
    LAKEHOUSE_INFO_TOPIC_ARN      = module.alerting.topics["info"].arn
    LAKEHOUSE_WARNING_TOPIC_ARN   = module.alerting.topics["warning"].arn
    LAKEHOUSE_CRITICAL_TOPIC_ARN  = module.alerting.topics["critical"].arn
  }

  queues         = merge(module.ingestion.queues, { undelivered_alerts = module.alerting.undelivered_queue })
  state_machines = merge(module.workflow.state_machines, { table_maintenance = module.maintenance.state_machine_arn })

  # The modules know no schedule as null: an optional attribute that is given as null has its default.
  schedules = { for key, schedule in var.schedules : key => schedule == "never" ? null : schedule }

  # The conversion's places: what the Glue job and the functions may touch.
  layers = {
    raw        = { bucket = module.storage.buckets["raw"], prefix = local.prefixes.raw }
    processed  = { bucket = module.storage.buckets["processed"], prefix = local.prefixes.processed }
    quarantine = { bucket = module.storage.buckets["processed"], prefix = local.prefixes.quarantine }
  }
}
