"""Runs the whole installation on one machine: starts its parts in order, watches them, stops them in reverse.

home          the folder `.cloudbill` and what lies where in it
records       which processes are ours, also after a killed supervisor
preflight     what must be true before anything is started
environment   what the parts are told: addresses, passwords, keys
parts         one part: a server or program with a probe of its health
startup       the order of a start
supervision   watching, restarting, stopping
state         what the supervisor publishes for `status`
reporting     progress on a terminal or in plain lines
"""
