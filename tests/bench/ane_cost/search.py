"""Least robust error over positive constants: a pattern search, deterministic."""
import math

# Errors up to this count squared, larger ones linearly: a measurement that no
# constant explains does not drag the others along.
BEND = math.log(1.3)


def robust(x):
    x = abs(x)
    return x * x / 2 if x <= BEND else BEND * (x - BEND / 2)


def minimize(names, start, loss):
    """Moves one constant at a time by a factor, then all of them again, with smaller
    factors as nothing improves. Returns the best constants."""
    best = dict(start)
    least = loss(best)
    step = math.log(2)
    while step > math.log(1.001):
        improved = False
        for name in names:
            for factor in (math.exp(step), math.exp(-step)):
                trial = dict(best)
                trial[name] *= factor
                value = loss(trial)
                if value < least - 1e-12:
                    best, least, improved = trial, value, True
        if not improved:
            step /= 2
    return best
