"""The loader: start order, readiness gates, restarts and stop order of the family of daemons.

Imports contracts and its own siblings only. Processes, ports and probes are handed in as `ServiceAdapter`s.
"""
