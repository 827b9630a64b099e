"""What was the network of a run at a recorded step? Its weights, frozen ones, buffers and batch-norm statistics."""
