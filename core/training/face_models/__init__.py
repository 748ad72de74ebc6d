"""Sources of training heads, and the template made from one of them."""
