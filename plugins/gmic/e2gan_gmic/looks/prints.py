"""Prints, posters, glass and stone: flat colours, screens, cells."""

from __future__ import annotations

from itertools import pairwise

from e2gan_gmic.look import Look, Number, fine

__all__ = ["PRINTS"]

_SMOOTHNESS = Number("smoothness", 10.0, 2.0, 24.0, "how large a detail must be to stay", pixels=True)


def _flats(*colours: str, levels: tuple[int, ...]) -> str:
    """The photo in flat colours from dark to light; `levels` of grey divide them."""
    steps = [f"s({level})" for level in levels]
    shares = [f"(1-{steps[0]})", *(f"({a}-{b})" for a, b in pairwise(steps)), steps[-1]]
    sums = "+".join(f"[{colour}]*{share}" for colour, share in zip(colours, shares))
    return fine(
        f'luminance bilateral <smoothness>,18 b <1.5px> r 100%,100%,1,3 f "s(t)=(1/(1+exp(-(i0-t)/2)));{sums}" c 0,255'
    )


PRINTS = (
    Look(
        "stained-glass",
        "Stained glass",
        "Panes of a single colour, separated by dark lead.",
        "a stained glass window",
        "redraws",
        "colour",
        fine("fx_superpixels <size*2>,10,5,1,<lead>,1,0,0,0,255"),
        (
            Number("size", 8, 5, 24, "size of the panes", pixels=True),
            Number("lead", 1.0, 0.2, 1.0, "how dark the lead is"),
        ),
    ),
    Look(
        "mosaic",
        "Mosaic",
        "Small even stones with light grout between them.",
        "a mosaic of small stones",
        "redraws",
        "colour",
        fine("fx_superpixels <size*2>,60,5,1,<grout>,1,235,230,220,255"),
        (
            Number("size", 6, 4, 24, "size of the stones", pixels=True),
            Number("grout", 0.6, 0.0, 1.0, "how light the grout is"),
        ),
    ),
    Look(
        "facets",
        "Facets",
        "Irregular facets of a single colour, edge to edge, like cut stone.",
        "a picture in facets of colour, cubist",
        "redraws",
        "colour",
        fine("fx_superpixels <size*2>,2,5,1,0,1,0,0,0,255"),
        (Number("size", 12, 5, 24, "size of the facets", pixels=True),),
    ),
    Look(
        "pebbles",
        "Pebbles",
        "Overlapping oval pebbles with a thin outline.",
        "a mosaic of round pebbles",
        "redraws",
        "colour",
        "fx_ellipsionism <length>,<width>,<0.5px>,0.7,3,0.5",
        (
            Number("length", 8.0, 4.0, 24.0, "length of a pebble", pixels=True),
            Number("width", 4.0, 2.0, 24.0, "width of a pebble", pixels=True),
        ),
    ),
    Look(
        "paper-cut",
        "Paper cut",
        "Layers of coloured paper with rounded edges.",
        "a paper cut in layers of coloured paper",
        "redraws",
        "colour",
        "fx_cutout <colours>,0.5,4,1",
        (Number("colours", 8, 3, 24, "number of paper colours"),),
        whole=True,
    ),
    Look(
        "campaign-poster",
        "Campaign poster",
        "Four flat inks: navy, red, pale blue and cream.",
        "a campaign poster in navy, red, blue and cream",
        "redraws",
        "nothing",
        _flats("0,48,80", "218,20,24", "112,150,160", "252,228,168", levels=(62, 112, 168)),
        (_SMOOTHNESS,),
    ),
    Look(
        "pop-art",
        "Pop art",
        "Four loud flat inks: violet, pink, orange and yellow.",
        "a pop art screen print",
        "redraws",
        "nothing",
        _flats("24,20,84", "222,30,110", "255,140,40", "255,226,90", levels=(60, 115, 175)),
        (_SMOOTHNESS,),
    ),
    Look(
        "halftone",
        "Halftone",
        "A colour print under a magnifying glass: rosettes of fine dots.",
        "a halftone colour print",
        "redraws",
        "colour",
        fine(
            'b <0.8px> f "d(k)=(a=k*pi/180;u=x*cos(a)-y*sin(a);v=x*sin(a)+y*cos(a);'
            "sin(u*pi/<screen>)*sin(v*pi/<screen>));c=I/255;s=[d(15),d(75),d(45)];"
            '255/(1+exp(-9*(c-0.5-0.4*s)))" c 0,255'
        ),
        (Number("screen", 3.0, 2.0, 12.0, "distance between the dots", pixels=True),),
    ),
    Look(
        "newspaper",
        "Newspaper",
        "Black dots on yellowed newsprint.",
        "a newspaper photograph in dots",
        "redraws",
        "nothing",
        fine(
            'luminance b <0.8px> f "s=sin(pi*(x+y)/(1.8868*<screen>))*sin(pi*(x-y)/(1.8868*<screen>));'
            '40+215/(1+exp(-12*(i/255-0.5-0.42*s)))" r 100%,100%,1,3 f "I*[0.97,0.95,0.88]"'
        ),
        (Number("screen", 3.0, 2.0, 12.0, "distance between the dots", pixels=True),),
    ),
    Look(
        "riso",
        "Riso print",
        "One warm pink ink in fine dots on cream paper.",
        "a risograph print in pink ink",
        "redraws",
        "nothing",
        'luminance b <0.5px> f "l=i/255;s=sin((x+0.6*y)*pi/<screen>)*sin((y-0.6*x)*pi/<screen>);'
        '1/(1+exp(-8*(l-0.5-0.35*s)))" r 100%,100%,1,3 f "I*[248,236,214]+(1-I)*[238,70,90]"',
        (Number("screen", 2.2, 1.5, 8.0, "distance between the dots", pixels=True),),
    ),
    Look(
        "linocut",
        "Linocut",
        "One dark blue ink, cut away wherever the photo is light.",
        "a linocut print in dark blue",
        "redraws",
        "nothing",
        fine('fx_stamp 1,50,<smoothness>,5,0,0,1 luminance r 100%,100%,1,3 f "[26,46,92]+I/255*[218,196,148]" c 0,255'),
        (Number("smoothness", 1.0, 0.0, 6.0, "how round the cuts are", pixels=True),),
        whole=True,
    ),
    Look(
        "woodcut",
        "Colour woodcut",
        "Carved black lines over flat colours.",
        "a colour woodcut",
        "keeps lines",
        "colour",
        "+r 200%,200%,1,100%,5 fx_engrave. 0.5,<density>,0,8,<ink>,0,0,0,10,1,0,0,0,0 r. 50%,50%,1,100%,2 luminance. "
        'f. "0.1+0.9*i/255" fx_cutout[0] 8,0.5,4,1 f[0] "255-0.75*(255-I)" f[0] "I*i(#1)" k[0] c 0,255',
        (
            Number("density", 50.0, 20.0, 100.0, "how many lines"),
            Number("ink", 40.0, 25.0, 55.0, "how much is black, per cent"),
        ),
        whole=True,
    ),
    Look(
        "engraving",
        "Engraving",
        "Black lines of varying width that follow the shapes, as on a banknote.",
        "a copper engraving",
        "keeps lines",
        "nothing",
        fine("fx_engrave 0.5,<density>,0,8,<ink>,0,0,0,10,1,0,0,0,0"),
        (
            Number("density", 50.0, 20.0, 100.0, "how many lines"),
            Number("ink", 40.0, 25.0, 55.0, "how much is black, per cent"),
        ),
        whole=True,
    ),
    Look(
        "stipple",
        "Stipple",
        "Shades made only of fine black dots.",
        "a stipple drawing in fine dots",
        "keeps lines",
        "nothing",
        fine("fx_ditheredbw <brightness>,0,0,0,0,0"),
        (Number("brightness", 10.0, -40.0, 60.0, "brightness, per cent"),),
        whole=True,
    ),
)
