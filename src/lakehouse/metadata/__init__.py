"""What the lakehouse knows of its files, pipeline runs and watermarks, in DynamoDB."""
