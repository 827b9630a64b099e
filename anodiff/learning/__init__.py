"""Which part is learned when? Learning curves of modes, classes and samples along a recorded path, and their exact laws."""
