"""Lambda functions, run for real: their zip alone, as their role, within their limits."""
