"""Photos as arrays: loading, cropping, colour."""
