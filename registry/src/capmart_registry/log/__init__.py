"""The transparency log: this center's own and those it relays, in the same tables behind the same endpoints."""
