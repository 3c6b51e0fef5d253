"""What makes the trail checkable: the bytes that are committed to, and what can be erased without loss of proof."""
