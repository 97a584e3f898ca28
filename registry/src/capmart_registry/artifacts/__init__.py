"""``/v2/``: the OCI Distribution registry."""
