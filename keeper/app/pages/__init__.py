"""The council's page: what lies in the Safe's queue, each proposal made plain, each incident as the log tells it. Rendered here, no framework."""
