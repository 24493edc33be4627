"""`python -m her_os.cli`: how the supervisor starts a daemon whatever PATH says."""

from her_os.cli.app import main

main()
