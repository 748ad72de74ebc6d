"""Photos as arrays: loading, cropping, color."""
