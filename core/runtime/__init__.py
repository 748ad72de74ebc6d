"""What every stage runs on: model files and their hashes, network backends, timing; light to import."""
