"""The method of Cohen & Lu pixel by pixel, as its program and as its paper have it."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(kw_only=True)
class Numbers:
    n: int
    background: float
    gamma: float = 0.25
    window: int = 24
    signal_ratio: float = 2.5
    background_ratio: float = 1.5
    group_size: int = 50
    scales: int = 5
    k: float | None = None


def mirrored(index, length):
    """Return the index of a pixel outside: ... 1 0 | 0 1 2 | 2 1 ..."""
    index %= 2 * length
    return index if index < length else 2 * length - 1 - index


def window_mean(image, side):
    ny, nx = image.shape
    reach = range(-(side // 2), side - side // 2)
    out = np.empty((ny, nx))
    for y in range(ny):
        for x in range(nx):
            out[y, x] = sum(
                image[mirrored(y + dy, ny), mirrored(x + dx, nx)]
                for dy in reach
                for dx in reach
            )
    return out / side**2


def groups(marked):
    """Return lists of connected pixels, corners included, by a flood."""
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(marked), strict=True)}
    found = []
    while left:
        group, border = [], [left.pop()]
        while border:
            y, x = border.pop()
            group.append((y, x))
            near = {(y + j, x + i) for j in (-1, 0, 1) for i in (-1, 0, 1)} & left
            left -= near
            border.extend(near)
        found.append(group)
    return found


def stopped(marked, allowed, least):
    out = np.zeros(marked.shape, bool)
    for group in groups(marked):
        for place in group:
            out[place] = len(group) >= least and allowed[place]
    return out


def coded_asymmetry(image, p):
    """Four axes; pixels within p of an edge keep the 1 they began with."""
    ny, nx = image.shape
    out = np.ones((ny, nx))
    for y in range(p, ny - p):
        for x in range(p, nx - p):
            out[y, x] = (
                abs(image[y + p, x] - image[y - p, x])
                + abs(image[y, x + p] - image[y, x - p])
                + abs(image[y + p, x + p] - image[y - p, x - p])
                + abs(image[y + p, x - p] - image[y - p, x + p])
            )
    return out


def as_coded(image, numbers):
    """Return images and stops after each step."""
    ny, nx = image.shape
    k = numbers.k or 2 * coded_asymmetry(image, 1).mean()
    ratio = window_mean(image, numbers.window) / numbers.background
    first = window_mean(image, 3)
    go_on = np.ones((ny, nx))  # B
    residues, relative, images, stops = [], [], [], []
    for iteration in range(1, numbers.n + 1):
        a = sum(coded_asymmetry(image, p) for p in range(1, numbers.scales + 1))
        a /= numbers.scales
        mean = window_mean(image, 3) / numbers.background
        c = np.empty((ny, nx))
        for y in range(ny):
            for x in range(nx):
                if go_on[y, x]:
                    c[y, x] = 1 / (1 + a[y, x] / k * np.exp(mean[y, x] - 1))
                else:  # mean / B is infinite
                    c[y, x] = 0 if mean[y, x] > 0 else 1
        new = image.copy()
        for y in range(ny):
            for x in range(nx):
                # The coefficient of a pixel works on its south and its east side.
                for j, i in ((y + 1, x), (y, x + 1)):
                    if j < ny and i < nx:
                        flux = numbers.gamma * c[y, x] * (image[j, i] - image[y, x])
                        new[y, x] += flux
                        new[j, i] -= flux
        image = new
        residues.append(abs(first - window_mean(image, 3)))
        if iteration > 1:
            relative.append(residues[-1] - residues[-2])
        if iteration > 4:
            r = sum(relative[-4:]) / 4
            r[r < 0] = 0
            threshold = r[ratio >= numbers.signal_ratio].mean()
            r[r > threshold] = 1
            r[r <= threshold] = 0
            allowed = ratio >= numbers.background_ratio
            go_on = 1 - stopped(r > 0, allowed, numbers.group_size).astype(float)
        images.append(image)
        stops.append(go_on == 0)
    return images, stops


def printed_asymmetry(image, scales):
    """Equation 6; the pixels of the edges are repeated outside."""
    ny, nx = image.shape
    out = np.zeros((ny, nx))
    for y in range(ny):
        for x in range(nx):
            for p in range(1, scales + 1):
                up, down = max(y - p, 0), min(y + p, ny - 1)
                left, right = max(x - p, 0), min(x + p, nx - 1)
                out[y, x] += abs(image[y, right] - image[y, left])
                out[y, x] += abs(image[up, x] - image[down, x])
    return out / scales


def as_printed(image, numbers):
    """Return images and stops after each step: equations 2, 4, 6, 7 and 8."""
    ny, nx = image.shape
    k = numbers.k or 2 * printed_asymmetry(image, numbers.scales).mean() or 1.0
    mean = window_mean(image, numbers.window)
    signal = mean / numbers.background >= numbers.signal_ratio
    stop = np.zeros((ny, nx), bool)
    images, stops = [image], []
    for _ in range(numbers.n):
        a = printed_asymmetry(image, numbers.scales)
        mean = window_mean(image, numbers.window)
        new = image.copy()
        for y in range(ny):
            for x in range(nx):
                if stop[y, x]:
                    continue
                e = np.exp(mean[y, x] / numbers.background - 1)
                c = 1 / (1 + a[y, x] / k * e)
                around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
                new[y, x] += (
                    numbers.gamma
                    * c
                    * sum(
                        image[j, i] - image[y, x]
                        for j, i in around
                        if 0 <= j < ny and 0 <= i < nx
                    )
                )
        image = new
        images.append(image)
        ends = images[-5:]
        r = sum(abs(b - a) for a, b in pairwise(ends))
        r /= len(ends) - 1
        stop = stopped(r > r[signal].mean(), signal, numbers.group_size)
        stops.append(stop)
    return images[1:], stops
