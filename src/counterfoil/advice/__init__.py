"""Sessions or JWT, and when: questions, one table of rules, and what follows. Nothing here reads or
writes anything; the command line and the pages show what it says."""
