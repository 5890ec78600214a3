"""Colour grades: seasons, hours and photographic processes as small functions of one photo.

A grade takes and returns float32 RGB of shape (H, W, 3) in [0, 1], sRGB-encoded.  It is deterministic
and keeps the size.  Light is scaled and mixed in linear light, where halving the numbers halves the
light; contrast curves and masks work on encoded values, which are closer to what an eye sees.

Every mask is smooth, and follows colour, brightness and local detail: things a convolutional network
can see.  Position matters only as a gentle vertical gradient (dusk, dark) or vignette (old photo).
Lengths are fractions of the picture's shorter side, so a look does not change with the resolution.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["GRADES", "Grade"]

Array = NDArray[np.float32]
Grade = Callable[[Array], Array]

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Rec. 709 luminance of linear RGB."""


def to_linear(rgb: Array) -> Array:
    """sRGB-encoded values in [0, 1] as linear light in [0, 1]."""
    return np.where(rgb <= 0.04045, rgb / 12.92, ((np.maximum(rgb, 0) + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_srgb(light: Array) -> Array:
    """Linear light as sRGB-encoded values, both clipped to [0, 1]."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def brightness(rgb: Array) -> Array:
    """How bright a pixel looks, (H, W, 1) in [0, 1]: its luminance, encoded again."""
    return to_srgb((to_linear(rgb) @ LUMA)[..., None])


def ramp(low: float, high: float, x: Array) -> Array:
    """0 below `low`, 1 above `high`, a smooth step between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def mix(a: Array, b: Array, weight: Array | float) -> Array:
    """`a` where the weight is 0, `b` where it is 1."""
    return (a + (b - a) * weight).astype(np.float32)


def blur(x: Array, fraction: float) -> Array:
    """Gaussian blur with a standard deviation of `fraction` of the shorter side; the channel axis stays."""
    blurred = cv2.GaussianBlur(x, (0, 0), max(fraction * min(x.shape[:2]), 0.3), borderType=cv2.BORDER_REFLECT)
    return blurred.reshape(x.shape).astype(np.float32)


def hsv(rgb: Array) -> tuple[Array, Array, Array]:
    """Hue in degrees [0, 360), saturation and value in [0, 1], each (H, W, 1)."""
    joined = np.asarray(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2HSV), np.float32)
    return joined[..., 0:1], joined[..., 1:2], joined[..., 2:3]


def from_hsv(h: Array, s: Array, v: Array) -> Array:
    """The inverse of `hsv`; any hue, saturation and value clipped to [0, 1]."""
    joined = np.concatenate([h % 360, np.clip(s, 0, 1), np.clip(v, 0, 1)], axis=2).astype(np.float32)
    return np.clip(cv2.cvtColor(joined, cv2.COLOR_HSV2RGB), 0, 1)


def hue_band(h: Array, start: float, end: float, soft: float) -> Array:
    """1 for hues in [start, end] degrees, falling smoothly to 0 within `soft` degrees outside."""
    return ramp(start - soft, start, h) * (1 - ramp(end, end + soft, h))


def foliage(rgb: Array) -> Array:
    """How much a pixel is vegetation, (H, W, 1) in [0, 1]: yellow-green to green, however dark.

    Saturation is noise near black, so the mask is decided by the smoothed colour there.
    """
    soft = blur(rgb, 0.006)
    h, s, _ = hsv(soft)
    return hue_band(h, 52, 146, 14) * ramp(0.06, 0.2, s)


def sky(rgb: Array) -> Array:
    """How much a pixel is open sky, (H, W, 1) in [0, 1]: blue or bright grey, brighter than what lies below it.

    The neighbourhood must be mostly such colours; the edge of the mask follows the pixel's own colour.
    """
    h, s, v = hsv(blur(rgb, 0.004))
    blue = hue_band(h, 190, 260, 15) * ramp(0.2, 0.4, s) * ramp(0.3, 0.55, v)
    bright = (1 - ramp(0.2, 0.4, s)) * ramp(0.62, 0.8, v)
    colour = np.maximum(blue, bright)
    height = 1 - ramp(0.45, 0.85, vertical(rgb))
    return colour * ramp(0.2, 0.5, blur(colour, 0.05)) * height


def vertical(rgb: Array) -> Array:
    """0 at the top row to 1 at the bottom row, (H, W, 1)."""
    rows = np.linspace(0, 1, rgb.shape[0], dtype=np.float32)[:, None, None]
    return np.broadcast_to(rows, (*rgb.shape[:2], 1))


def tint(colour: tuple[float, float, float]) -> Array:
    """An sRGB colour as a linear-light filter of luminance 1: it colours without changing the brightness."""
    light = to_linear(np.array(colour, np.float32))
    return (light / (light @ LUMA)).astype(np.float32)


def saturate(light: Array, amount: float) -> Array:
    """Linear light pushed away from (amount > 1) or towards (< 1) its own luminance."""
    grey = (light @ LUMA)[..., None]
    return np.maximum(mix(grey, light, amount), 0)


def contrast(rgb: Array, amount: float, pivot: float = 0.5) -> Array:
    """An S-curve through 0, `pivot` and 1 on encoded values; `amount` 0 changes nothing, 1 is strong."""
    below = pivot * (np.clip(rgb, 0, pivot) / pivot) ** (1 + amount)
    above = 1 - (1 - pivot) * ((1 - np.clip(rgb, pivot, 1)) / (1 - pivot)) ** (1 + amount)
    return np.where(rgb < pivot, below, above).astype(np.float32)


def dusk(rgb: Array) -> Array:
    """The blue hour: little light, blue shadows, a sky that goes from violet-blue down to a warm glow."""
    light = to_linear(rgb)
    luminance = (light @ LUMA)[..., None]
    dim = saturate(light, 0.7) * 0.3 / (1 + luminance)
    cool = dim * tint((0.42, 0.48, 0.85))
    # The brightest parts catch the last light, rose on the ground; the sky is rose below and violet above.
    high = 1 - ramp(0.0, 0.6, vertical(rgb))
    rose, violet = tint((1.0, 0.55, 0.42)), tint((0.42, 0.38, 0.80))
    heavens = mix(rose * 0.36, violet * 0.18, high) * (0.25 + 0.75 * luminance)
    ground = mix(cool, dim * rose * 1.3, ramp(0.6, 0.95, brightness(rgb)) * 0.8)
    out = to_srgb(mix(ground, heavens, sky(rgb) * 0.85))
    return np.clip(out + np.array([0.012, 0.012, 0.04], np.float32) * (1 - out), 0, 1)


def dark(rgb: Array) -> Array:
    """Night in the woods: day for night.  Colour all but gone, moon-blue highlights, a deep navy sky."""
    light = to_linear(rgb)
    luminance = (light @ LUMA)[..., None]
    # Film does it with a red filter, which turns a blue sky dark; the shoulder holds white clouds down to moonlight.
    filtered = np.maximum(light @ np.array([0.75, 0.45, -0.2], np.float32), 0)[..., None]
    moon = 0.22 * filtered / (1 + 1.8 * filtered)
    moon = moon * (1 - 0.35 * (1 - ramp(0.0, 0.7, vertical(rgb))))
    colour = np.clip(saturate(light, 0.2) / np.maximum(luminance, 1e-3), 0, 1.5)
    out = contrast(to_srgb(moon * colour * tint((0.40, 0.56, 0.82))), 0.6, 0.22)
    return np.clip(out + np.array([0.004, 0.010, 0.028], np.float32), 0, 1)


def autumn(rgb: Array) -> Array:
    """Leaves turn gold, orange and red; low golden sun except on the sky, which stays blue, muted and deeper."""
    leaves = foliage(rgb)
    h, s, v = hsv(rgb)
    soft_hue, soft_saturation, soft_value = hsv(blur(rgb, 0.006))
    # Yellow-green turns gold, green orange, blue-green red; sunlit leaves stay more golden, shaded ones redden.
    turned = np.interp(soft_hue, [40, 60, 80, 105, 130, 170], [36, 42, 35, 25, 16, 10])
    # Neighbouring leaves keep differing in hue, or the wood would look dyed.
    turned = turned + 10 * (ramp(0.15, 0.7, soft_value) - 0.5) - 0.25 * np.clip(h - soft_hue, -30, 30)
    rich = from_hsv(turned.astype(np.float32), np.maximum(s * 1.25 + 0.12, 0.5), v * 1.18 + 0.03)
    light = to_linear(mix(rgb, rich, leaves))
    # Parts without leaves show the season by their light: stone, water and clouds catch a low, golden sun.
    blue = hue_band(soft_hue, 185, 265, 15) * ramp(0.15, 0.4, soft_saturation)
    # Leaves have turned already, and white must stay white enough to look like cloud or snow.
    white = ramp(0.6, 0.95, brightness(rgb)) * (1 - ramp(0.1, 0.3, soft_saturation))
    sun = mix(tint((1.0, 0.80, 0.53)), tint((1.0, 0.92, 0.78)), np.maximum(leaves, 0.7 * white))
    golden = saturate(light, 1.15) * sun
    muted = saturate(light, 0.62) * 0.72
    return contrast(to_srgb(mix(0.92 * golden, muted, blue)), 0.2, 0.45)


def winter(rgb: Array) -> Array:
    """Frost and snow: colour drained, leaves and lit ground white, an overcast sky, cold light."""
    light = to_linear(rgb)
    bright = brightness(rgb)
    pale = saturate(light, 0.2) * 1.15
    # Snow lies on leaves, grass and earth, and shows where they catch the light from above:
    # brighter than their surroundings, or than what is just below them.
    h, s, _ = hsv(blur(rgb, 0.006))
    ground = hue_band(h, 15, 165, 20) * ramp(0.05, 0.2, s)
    fine = blur(bright, 0.005)
    step = max(round(0.012 * rgb.shape[0]), 1)
    below = np.concatenate([fine[step:], np.repeat(fine[-1:], step, axis=0)], axis=0)
    lit = ramp(-0.10, 0.10, fine - blur(fine, 0.04) + 0.5 * (fine - below))
    snow = ground * lit * ramp(0.08, 0.35, bright)
    white = np.clip(0.60 + 0.45 * bright, 0, 1) ** np.float32(2.2)
    blue = hue_band(h, 185, 265, 15) * ramp(0.15, 0.4, s) * ramp(0.3, 0.55, bright)
    overcast = mix(pale, 0.30 + 0.6 * pale, np.maximum(blue, ramp(0.7, 0.95, bright)) * 0.8)
    out = mix(overcast, white, snow * 0.92)
    return to_srgb(out * tint((0.85, 0.935, 1.0)))


def spring(rgb: Array) -> Array:
    """Young leaves and blossom: light yellow-green, pink petals where leaves catch the light, airy and bright."""
    leaves = foliage(rgb)
    h, s, v = hsv(rgb)
    fresh = from_hsv(mix(h, np.full_like(h, 86), 0.8), s * 0.72 + 0.1, v**0.68 * 0.98 + 0.05)
    out = mix(rgb, fresh, leaves)
    # Blossom sits where leaves are brighter than their surroundings: the outer twigs, in the sun.
    bright = brightness(rgb)
    fine = blur(bright, 0.005)
    petals = leaves * ramp(0.004, 0.055, fine - blur(fine, 0.03))
    pink = np.clip(0.62 + 0.5 * bright, 0, 1) * np.array([1.0, 0.70, 0.83], np.float32)
    out = mix(out, pink, petals * 0.92)
    # Clear morning air: everything lighter, whites a little rosy.
    light = saturate(to_linear(out) * 1.15 + 0.012, 1.08) * mix(np.ones(3, np.float32), tint((1.0, 0.94, 0.95)), 0.8)
    return to_srgb(light / (1 + 0.12 * light))


def old_photo(rgb: Array) -> Array:
    """A faded sepia print: warm brown tones, lifted blacks, dull whites, dark corners, a little grain."""
    grey = contrast(brightness(rgb), 0.15)
    h, w = rgb.shape[:2]
    y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j].astype(np.float32)
    corner = ((x * x + y * y) / 2)[..., None] ** 1.5
    # One fixed field of noise for a size: the same photo always gives the same print.
    noise = np.random.default_rng(1826).standard_normal((h, w, 1)).astype(np.float32)
    grey = grey * (1 - 0.38 * corner) + 0.018 * noise
    shadow, paper = np.array([0.20, 0.13, 0.08], np.float32), np.array([0.95, 0.86, 0.68], np.float32)
    curve = np.array([0.82, 1.0, 1.25], np.float32)
    return np.clip(shadow + (paper - shadow) * np.clip(grey, 0, 1) ** curve, 0, 1)


def black_and_white(rgb: Array) -> Array:
    """Panchromatic film behind an orange filter: dark skies, bright skin and stone, deep filmic contrast."""
    light = to_linear(rgb) @ np.array([0.55, 0.40, 0.05], np.float32)
    grey = to_srgb(light[..., None] * 1.1)
    return np.repeat(contrast(grey, 0.55, 0.45), 3, axis=2)


def golden_hour(rgb: Array) -> Array:
    """The last hour of sun: warm, low light on everything bright, shadows that stay cool, a soft glow around it."""
    light = to_linear(rgb)
    glow = blur(light * ramp(0.55, 0.95, brightness(rgb)), 0.03)
    warm, cool = tint((1.0, 0.78, 0.48)), tint((0.80, 0.84, 1.0))
    lit = saturate(light, 1.1) * mix(cool, warm, ramp(0.15, 0.6, brightness(rgb)))
    return contrast(to_srgb(0.9 * lit + 0.25 * glow * tint((1.0, 0.72, 0.42))), 0.25, 0.45)


def mist(rgb: Array) -> Array:
    """Morning mist: little colour, no black left, light scattered from bright places into their neighbourhood."""
    light = to_linear(rgb)
    veil = (blur(light, 0.05) @ LUMA)[..., None]
    air: Array = (0.16 + 0.6 * veil) * np.array([0.95, 0.99, 1.04], np.float32)
    return to_srgb(mix(saturate(light, 0.55), air, 0.5))


def cinema(rgb: Array) -> Array:
    """A film grade: teal shadows, orange highlights, held-back greens, firm contrast."""
    light = to_linear(rgb)
    h, s, v = hsv(rgb)
    olive = from_hsv(mix(h, np.full_like(h, 62), 0.45), s * 0.75, v * 0.95)
    light = mix(light, to_linear(olive), foliage(rgb))
    shade = mix(tint((0.45, 0.80, 0.85)), tint((1.0, 0.84, 0.66)), ramp(0.15, 0.75, brightness(rgb)))
    return contrast(to_srgb(light * shade), 0.45, 0.42)


GRADES: dict[str, Grade] = {
    "autumn": autumn,
    "black-and-white": black_and_white,
    "cinema": cinema,
    "dark": dark,
    "dusk": dusk,
    "golden-hour": golden_hour,
    "mist": mist,
    "old-photo": old_photo,
    "spring": spring,
    "winter": winter,
}
"""Every grade by the name a recipe gives it."""
