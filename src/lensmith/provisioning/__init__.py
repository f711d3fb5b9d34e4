"""An environment for somebody's repository: planned as of its day for this machine, built, and tried."""
