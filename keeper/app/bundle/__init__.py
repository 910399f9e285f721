"""A log in one folder that anybody can check without database, network or this program: written, and checked again."""
