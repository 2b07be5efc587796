"""PostgreSQL and Valkey that start by themselves, from binaries that Python packages bring, with data in one folder.

`postgres.EmbeddedPostgres` and `valkey.EmbeddedValkey` are started and stopped by the process that makes them;
the same classes run a distribution's own servers when given their binaries. Nothing here is needed in production.
"""
