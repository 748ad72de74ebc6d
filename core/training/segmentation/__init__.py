"""What the segmentation network learns from, and how."""
