"""What a crawl finds: which objects make up which table, with which columns and partitions."""
