"""Rollouts: a stack brought up or taken down by Pulumi, in steps; one that failed goes on where it stopped."""
