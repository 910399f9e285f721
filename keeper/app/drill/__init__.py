"""A breach on purpose: the whole way from a price to the effect, rehearsed and measured where nothing can be harmed."""
