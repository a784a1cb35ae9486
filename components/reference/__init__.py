"""ReferenceStatistics: what the extractor sees in the real data, once for all models."""
