"""The queue, the worker, single flight and the outcomes of modules."""
