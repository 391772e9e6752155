# Tables that nobody has to crawl: their columns are those of the data contracts, and their partitions are projected.

locals {
  # Stands in a definition for the layer's folder.
  _layer = "s3://layer/"

  tables = merge([
    for key, layer in var.layers : {
      for name, table in layer.tables : "${key}/${name}" => merge(table, { database = key, path = local.databases[key].path })
    }
  ]...)
}

resource "aws_glue_catalog_table" "this" {
  for_each = local.tables

  name          = each.value.Name
  database_name = aws_glue_catalog_database.this[each.value.database].name
  description   = each.value.Description
  table_type    = each.value.TableType
  parameters    = { for name, value in each.value.Parameters : name => replace(value, local._layer, each.value.path) }

  dynamic "partition_keys" {
    for_each = each.value.PartitionKeys

    content {
      name    = partition_keys.value.Name
      type    = partition_keys.value.Type
      comment = partition_keys.value.Comment
    }
  }

  storage_descriptor {
    location      = replace(each.value.StorageDescriptor.Location, local._layer, each.value.path)
    input_format  = each.value.StorageDescriptor.InputFormat
    output_format = each.value.StorageDescriptor.OutputFormat

    dynamic "columns" {
      for_each = each.value.StorageDescriptor.Columns

      content {
        name    = columns.value.Name
        type    = columns.value.Type
        comment = columns.value.Comment
      }
    }

    ser_de_info {
      serialization_library = each.value.StorageDescriptor.SerdeInfo.SerializationLibrary
      parameters            = each.value.StorageDescriptor.SerdeInfo.Parameters
    }
  }
}
