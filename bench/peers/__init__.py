"""The programs that are measured: this keeper, and what it is held against. Each chain contestant runs in a process of its own."""
