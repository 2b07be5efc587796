"""The rules, by subject: each file ends with its own, and says which resources of either cloud it reads."""
