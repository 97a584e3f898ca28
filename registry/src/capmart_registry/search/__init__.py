"""Search over the catalog: a derived index that every process reads and one process per machine writes."""
