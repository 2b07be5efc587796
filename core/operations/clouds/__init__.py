"""The clouds, asked by their own APIs. Nothing else in the core calls one."""
