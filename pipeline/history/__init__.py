"""What ran: runs, comparisons and lineage, read from ML Metadata and what runs left behind."""
