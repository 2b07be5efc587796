"""What every stack is held to: rules over the recorded graph, which need neither Pulumi nor an account."""
