"""Training, data, metrics and studies: equinet used as any user would use it."""
