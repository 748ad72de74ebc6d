"""What the dense landmarks' network and regression learn from: rendered heads as the lifter sees them."""
