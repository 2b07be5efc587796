"""The ground that a stack stands on before Pulumi can build anything: its state, its keys, the pipeline's identity."""
