"""BATCHES BECOME WEIGHTS: options, schedule, loop, history, and the state that a killed run goes on from."""
