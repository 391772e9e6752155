# The laptop: made and thrown away many times a day.
environment   = "local"
is_disposable = true

retention = {
  log_days                = 1
  noncurrent_version_days = 1
  athena_result_days      = 1
  access_log_days         = 1
}

# Nothing runs by the clock: a crawl in the middle of a test would surprise.
schedules = {
  raw         = "never"
  curated     = "never"
  maintenance = "never"
}
