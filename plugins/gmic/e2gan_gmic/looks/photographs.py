"""Looks that stay photographs: films, grades, light."""

from __future__ import annotations

from e2gan_gmic.look import Look, Number

__all__ = ["PHOTOGRAPHS"]

_STRENGTH = Number("strength", 1.0, 0.0, 1.5, "strength of the effect: 0 leaves the photo as it is")

_GREY = "0.3*i0+0.59*i1+0.11*i2"


def _grade(formula: str) -> str:
    """A colour grade, mixed with the photo: `formula` changes c, a pixel's red, green and blue from 0 to 1.

    It also has l, the pixel's grey, from 0 to 1.
    """
    return f'f "p=I/255;l=({_GREY})/255;c=p;{formula};255*(p+<strength>*(c-p))" c 0,255'


def _tones(*colours: str, strength: str = "<strength>") -> str:
    """Black and white in other inks: evenly spaced colours from dark to light, with linear transitions."""
    steps = len(colours) - 1
    weights = (f"max(0,1-abs(l*{steps}-{n}))" for n in range(len(colours)))
    inks = "+".join(f"[{colour}]*{weight}" for colour, weight in zip(colours, weights))
    return f'f "p=I;l=({_GREY})/255;c={inks};p+{strength}*(c-p)" c 0,255'


PHOTOGRAPHS = (
    Look(
        "teal-and-orange",
        "Teal and orange",
        "The familiar cinema grade: teal shadows, orange highlights.",
        "a film still graded in teal and orange",
        "photograph",
        "detail",
        _grade(
            "s=(1-l)^2;h=l*sqrt(l);c=l+(c-l)*1.1+0.14*s*[-0.7,0.15,0.5]+0.12*h*[0.7,0.1,-0.7];c=abs(c);"
            "c=c*c*(3-2*c)*0.5+c*0.5"
        ),
        (_STRENGTH,),
    ),
    Look(
        "bleach-bypass",
        "Bleach bypass",
        "Silver left in the film: pale colours, hard contrast.",
        "a photograph with bleach bypass",
        "photograph",
        "detail",
        _grade("c=l+(c-l)*0.45;o=l<0.5?2*l*c:1-2*(1-l)*(1-c);c=0.35*c+0.65*o"),
        (_STRENGTH,),
    ),
    Look(
        "two-strip",
        "Two-strip colour film",
        "Early colour film, which has only colours between red and blue-green.",
        "a photograph on two-strip colour film",
        "photograph",
        "detail",
        _grade("g=0.5*(c[1]+c[2]);c=[c[0],0.135*c[0]+0.95*g,g]"),
        (_STRENGTH,),
    ),
    Look(
        "cross-process",
        "Cross-process",
        "Slide film developed in the wrong chemicals: yellow highlights, blue shadows.",
        "a cross-processed photograph",
        "photograph",
        "detail",
        _grade(
            "r=c[0];g=c[1];b=c[2];r=r*r*(3-2*r);g=g*g*(3-2*g)*0.6+g*0.4;b=0.2+0.6*b;c=[r,g,b]",
        ),
        (_STRENGTH,),
    ),
    Look(
        "slide-film",
        "Slide film",
        "Saturated greens and blues with deep shadows.",
        "a photograph on saturated slide film",
        "photograph",
        "detail",
        "iain_tone_presets 3,<strength*100>,0 c 0,255",
        (_STRENGTH,),
    ),
    Look(
        "seventies",
        "Seventies magazine",
        "A faded page of an old magazine: brownish, with soft colours.",
        "a photograph from a magazine of the seventies",
        "photograph",
        "detail",
        "iain_tone_presets 4,<strength*100>,0 c 0,255",
        (_STRENGTH,),
    ),
    Look(
        "warm-vintage",
        "Warm vintage",
        "An old warm print with yellow light.",
        "a warm vintage photograph",
        "photograph",
        "detail",
        "iain_tone_presets 1,<strength*100>,0 c 0,255",
        (_STRENGTH,),
    ),
    Look(
        "expired-film",
        "Expired film",
        "Film past its expiry date: cool, greenish, flat in the shadows.",
        "a photograph on expired film",
        "photograph",
        "detail",
        "iain_tone_presets 6,<strength*100>,0 c 0,255",
        (_STRENGTH,),
    ),
    Look(
        "haze",
        "Vintage haze",
        "Hazy light with violet shadows.",
        "a hazy vintage photograph with violet shadows",
        "photograph",
        "detail",
        "fx_tk_vintage <exposure>,0.85,0.7,80,200,<5px>,147,26,161,0.3,235,220,176,0.4,190,181,108,0.2,0,0,100,0,0.3,"
        "25,0,0 c 0,255",
        (Number("exposure", 2.0, -2.0, 4.0, "exposure: more is lighter"),),
    ),
    Look(
        "instant-film",
        "Instant film",
        "Milky shadows, soft contrast, a little yellow.",
        "a photograph on faded instant film",
        "photograph",
        "detail",
        _grade("c=(0.1+0.85*c^0.9)*[1.02,1,0.9];c=c+[0.02,0.02,0.06]*(1-c)"),
        (_STRENGTH,),
    ),
    Look(
        "golden-hour",
        "Golden hour",
        "The light of a low, warm sun.",
        "a photograph at the golden hour",
        "photograph",
        "detail",
        _grade("c=c*[1.12,1,0.78]+[0.06,0.02,-0.02]*l;c=l+(c-l)*1.15"),
        (_STRENGTH,),
    ),
    Look(
        "day-for-night",
        "Day for night",
        "Daylight turned into moonlight: dark, blue, pale.",
        "a photograph by moonlight",
        "photograph",
        "detail",
        _grade("c=l+(c-l)*0.55;c=abs(c)^1.4;c=c*[0.42,0.58,0.95]"),
        (_STRENGTH,),
    ),
    Look(
        "frost",
        "Frost",
        "A cold winter day: pale colours, blue light.",
        "a photograph on a frosty winter day",
        "photograph",
        "detail",
        _grade("c=l+(c-l)*0.4;c=abs(c)^0.8;c=c*[0.92,0.98,1.06]+0.04"),
        (_STRENGTH,),
    ),
    Look(
        "colour-film",
        "Colour film",
        "Warm colour negative with fine grain.",
        "a photograph on warm colour film with grain",
        "photograph",
        "detail",
        'f "c=I/255;c=c*c*(3-2*c)*0.5+c*0.5;255*(0.04+0.92*c)*[1.03,1,0.95]" noise <grain> c 0,255',
        (Number("grain", 7.0, 0.0, 25.0, "standard deviation of the grain, 0 to 255"),),
    ),
    Look(
        "autochrome",
        "Autochrome",
        "A hundred-year-old colour plate: coloured grain, warm and soft.",
        "an autochrome photograph",
        "photograph",
        "detail",
        "+noise 70 b. <0.7px> *. <grain> *.. {1-<grain>} + "
        'f "c=I/255;l=0.3*c[0]+0.59*c[1]+0.11*c[2];c=l+(c-l)*1.3;255*(0.06+0.9*c)*[1.04,1,0.9]" c 0,255',
        (Number("grain", 0.28, 0.0, 0.6, "how much grain"),),
    ),
    Look(
        "black-and-white",
        "Black-and-white film",
        "Contrasty black-and-white film with grain in the shadows.",
        "a black-and-white photograph on grainy film",
        "photograph",
        "light",
        "fx_blackandwhite 0.35,0,0.5,0,0.15,0,0,<contrast>,0,0,0,<grain>,<grain>,8,2,0.4,0,0,16,4,0,0",
        (
            Number("contrast", 10.0, -20.0, 40.0, "contrast, per cent"),
            Number("grain", 24.0, 0.0, 80.0, "grain in shadows and mid-tones"),
        ),
        whole=True,
    ),
    Look(
        "drama",
        "Drama",
        "Black and white with dark skies and bright detail in every corner.",
        "a dramatic black-and-white photograph",
        "photograph",
        "light",
        "fx_freaky_bw <strength>,<oddness>,0,0,0",
        (
            Number("strength", 90.0, 10.0, 100.0, "strength of the effect, per cent"),
            Number("oddness", 20.0, 0.0, 60.0, "how far the light departs from the photo's, per cent"),
        ),
        whole=True,
    ),
    Look(
        "lith",
        "Lith print",
        "Gritty blacks and creamy, peach-coloured highlights.",
        "a lith print",
        "photograph",
        "light",
        f'f "l=({_GREY})/255;255/(1+exp(-<contrast>*(l-0.42)))" noise <grain>,0 luminance b <0.4px> r 100%,100%,1,3 '
        'f "c=I/255;[40,30,26]*(1-c)+[244,226,200]*c" c 0,255',
        (
            Number("contrast", 9.0, 4.0, 16.0, "steepness of the curve"),
            Number("grain", 10.0, 0.0, 40.0, "standard deviation of the grain, 0 to 255"),
        ),
    ),
    Look(
        "cyanotype",
        "Cyanotype",
        "Prussian blue on white paper.",
        "a cyanotype",
        "photograph",
        "light",
        _tones("8,22,46", "28,84,138", "140,182,208", "246,244,232"),
        (_STRENGTH,),
    ),
    Look(
        "sepia",
        "Sepia",
        "Brown tones on cream.",
        "a sepia photograph",
        "photograph",
        "light",
        _tones("24,14,8", "104,72,44", "196,164,120", "250,240,220"),
        (_STRENGTH,),
    ),
    Look(
        "sunset-duotone",
        "Sunset duotone",
        "Violet shadows and orange highlights, with no other colour.",
        "a duotone photograph in violet and orange",
        "photograph",
        "light",
        _tones("20,10,60", "130,20,120", "250,100,80", "255,220,140"),
        (_STRENGTH,),
    ),
    Look(
        "soft-focus",
        "Soft focus",
        "A glow over all bright areas.",
        "a soft focus photograph",
        "photograph",
        "detail",
        "glow <reach>",
        (Number("reach", 3.0, 0.5, 12.0, "reach of the glow", pixels=True),),
        whole=True,
    ),
    Look(
        "bloom",
        "Bloom",
        "Airy light and soft contrast, as in a wedding photograph.",
        "an airy photograph with blooming light",
        "photograph",
        "detail",
        "fx_highlight_bloom <strength>,<60px>,60,<highlights>,20",
        (
            Number("strength", 90.0, 0.0, 200.0, "strength of details, per cent"),
            Number("highlights", 30, 0, 100, "how bright an area must be to bloom, per cent"),
        ),
        whole=True,
    ),
    Look(
        "hdr",
        "HDR",
        "Every detail crisp, in light and shadow.",
        "an HDR photograph",
        "photograph",
        "detail",
        "fx_mighty_details <amount>,1,25,1,11,0 c 0,255",
        (Number("amount", 25.0, 5.0, 60.0, "how much detail is pulled out"),),
        whole=True,
    ),
    Look(
        "miniature",
        "Miniature",
        "Sharp only in a band across the picture, so that places look like toys (tilt-shift).",
        "a tilt-shift photograph of a miniature world",
        "photograph",
        "detail",
        '+b <blur> 100%,100%,1,1,"min(1,max(0,(abs(y/h-<height>)-0.14)/0.2))" f[0] "lerp(I,I(#1),i(#2))" k[0] '
        'rgb2hsv f "[i0,min(1,i1*1.25),i2]" hsv2rgb c 0,255',
        (
            Number("blur", 3.0, 0.5, 10.0, "blur outside the band", pixels=True),
            Number("height", 0.55, 0.0, 1.0, "where the band is: 0 is the top, 1 the bottom"),
        ),
        whole=True,
    ),
)
