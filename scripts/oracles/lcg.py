class Lcg:
    """Numerical Recipes' 32-bit generator; the low byte is dropped. src/metrics/testing/random-cases.ts has the same."""

    def __init__(self, seed):
        self.state = seed & 0xFFFFFFFF

    def below(self, n):
        self.state = (1664525 * self.state + 1013904223) & 0xFFFFFFFF
        return (self.state >> 8) % n
