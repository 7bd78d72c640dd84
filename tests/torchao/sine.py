"""The coefficients of conformance/models/sine.h, derived; and, where torch is installed, what they give beside torch.sin and torch.cos.

    python3 tests/torchao/sine.py [ANGLES]

Remez' exchange algorithm in 40 digits: the a_k of sin(r) = r + a_1 r^3 + a_2 r^5 + a_3 r^7 + a_4 r^9 whose greatest relative error on [0, pi/2] is
the smallest. Needs mpmath; torch and numpy for the comparison. By hand."""
import sys

from mpmath import cos, lu_solve, matrix, mp, mpf, pi, sin

mp.dps = 40
TERMS, END, GRID = 4, pi / 2, 4000


def error(r, a):
    return (r + sum(c * r ** (2 * k + 3) for k, c in enumerate(a)) - sin(r)) / sin(r)


def extrema(a):
    """Where the error's size is greatest between its zeros, by parabolas through a grid; the end of the interval is one."""
    step = END / GRID
    values = [error(step * (i + 1), a) for i in range(GRID)]
    found = []
    for i in range(1, GRID - 1):
        before, here, after = (abs(v) for v in values[i - 1:i + 2])
        if here >= before and here > after:
            found.append(step * (i + 1) + step * (before - after) / (2 * (before - 2 * here + after)))
    return found + [END]


def remez():
    points = [END * (1 - cos(pi * (i + 1) / (TERMS + 1))) / 2 for i in range(TERMS + 1)]
    for _ in range(30):
        system, right = matrix(TERMS + 1, TERMS + 1), matrix(TERMS + 1, 1)
        for i, r in enumerate(points):
            for k in range(TERMS):
                system[i, k] = r ** (2 * k + 3) / sin(r)
            system[i, TERMS] = (-1) ** i
            right[i] = (sin(r) - r) / sin(r)
        solved = lu_solve(system, right)
        a, last = [solved[k] for k in range(TERMS)], points
        points = extrema(a)
        assert len(points) == TERMS + 1, points
        if max(abs(p - q) for p, q in zip(points, last)) < mpf(10) ** -10:
            return a, abs(solved[TERMS])
    raise SystemExit("no convergence")


def compare(coefficients, angles):
    try:
        import numpy as np
        import torch
    except ImportError:
        print("not compared: no torch here")
        return
    x = np.random.default_rng(1).uniform(0, 128, angles).astype(np.float32)
    for name, before, theirs in ("sin", 0.0, torch.sin), ("cos", 0.5, torch.cos):
        n = np.rint(x.astype(np.float64) * (1 / np.pi) + before)
        r = x - (n - before) * np.pi - (n - before) * 1.2246467991473532e-16
        t = r * r
        p = coefficients[3]
        for c in coefficients[2::-1]:
            p = p * t + c
        ours = np.where(n.astype(np.int64) & 1, -(r + r * (t * p)), r + r * (t * p)).astype(np.float32)
        print(f"{name}: {int((ours != theirs(torch.from_numpy(x)).numpy()).sum())} of {angles} angles below 128 differ from torch {torch.__version__}")


found, greatest = remez()
print("greatest relative error:", mp.nstr(greatest, 5))
for number, coefficient in enumerate(found, 1):
    print(f"a_{number} = {float(coefficient).hex()}")
compare([float(c) for c in found], int(sys.argv[1]) if len(sys.argv) > 1 else 1000000)
