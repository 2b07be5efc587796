"""Runs the Pulumi program against a server of its own instead of the engine, and keeps all that it registers."""
