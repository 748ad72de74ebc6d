"""Asset libraries."""
