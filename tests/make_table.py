#!/usr/bin/env python3
"""A table of runs as papers publish them: isoFLOP budgets, names with spaces, a few runs that went wrong.

    python3 tests/make_table.py >tests/data/published-style.csv

The losses are those of E + A / N^alpha + B / D^beta with the constants below (Besiroglu et al. 2024, in round numbers) and
0.4 % of noise; the four runs marked "no" in the column "Tuned" lie 4 to 8 % above it. The same bytes every time."""
import math

E, A, B, ALPHA, BETA = 1.82, 482.0, 2085.0, 0.348, 0.366
NOISE = 0.004


class Random:
    """Normal numbers from a generator of our own, so that no library's change of mind changes the table."""

    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return ((self.state >> 11) + 0.5) / 2**53

    def normal(self):
        return math.sqrt(-2 * math.log(self.uniform())) * math.cos(2 * math.pi * self.uniform())


def main():
    random = Random(20)
    g = (ALPHA * A / (BETA * B)) ** (1 / (ALPHA + BETA))
    rows = []
    for budget in (6e18, 2e19, 6e19, 2e20, 6e20, 2e21):
        best = g * (budget / 6) ** (BETA / (ALPHA + BETA))
        for step in range(-4, 5):
            # Sizes a factor of 1.6 apart, not quite where they were wanted, as real widths and depths come out.
            parameters = round(best * 1.6**step * math.exp(0.08 * random.normal()), -5)
            tokens = round(budget / 6 / parameters, -6)
            loss = E + A / parameters**ALPHA + B / tokens**BETA
            rows.append([parameters, tokens, loss * math.exp(NOISE * random.normal()), "yes"])
    for index, excess in ((4, 0.06), (11, 0.04), (22, 0.08), (30, 0.05)):
        rows[index][2] *= 1 + excess
        rows[index][3] = "no"
    print('"Model Size","Training Tokens (B)","Training FLOP",loss,Tuned')
    for parameters, tokens, loss, tuned in rows:
        print(f"{parameters:.0f},{tokens / 1e9:.3f},{6 * parameters * tokens:.4g},{loss:.4f},{tuned}")


main()
