"""Paintings: the photo's colours, other strokes."""

from __future__ import annotations

from e2gan_gmic.look import Look, Number, fine

__all__ = ["PAINTINGS"]

_RELIEF = "how strongly the strokes stand out from the canvas"
_BRUSH = "the largest brush"

PAINTINGS = (
    Look(
        "brush",
        "Bold brush",
        "Broad strokes of a flat brush that follow the shapes, in the photo's colours.",
        "a painting in bold brushstrokes",
        "redraws",
        "colour",
        "fx_brushify 7,0.25,4,<size>,25,12,0,2,4,<relief>,0.5,30,1,1,1,<5px>,0,0.2,0",
        (Number("size", 64, 16, 96, _BRUSH, pixels=True), Number("relief", 0.2, 0.0, 1.0, _RELIEF)),
    ),
    Look(
        "oil",
        "Oil",
        "Oil paint in short thick strokes with a raised edge.",
        "an oil painting with thick paint",
        "redraws",
        "colour",
        "fx_brushify 7,0.25,4,<size>,25,12,0,2,4,<relief>,0.7,50,1,1,1,<5px>,0,0.2,0",
        (Number("size", 24, 8, 64, _BRUSH, pixels=True), Number("relief", 0.2, 0.0, 1.0, _RELIEF)),
    ),
    Look(
        "palette-knife",
        "Palette knife",
        "Slabs of paint, laid on with a knife, with hard lit edges.",
        "a painting made with a palette knife",
        "redraws",
        "colour",
        "fx_brushify 2,0.4,4,<size>,30,12,0,0.5,4,<relief>,1,40,1,1,1,<4px>,0,0.1,0",
        (Number("size", 28, 8, 64, "the largest slab", pixels=True), Number("relief", 0.25, 0.0, 1.0, _RELIEF)),
    ),
    Look(
        "pointillism",
        "Pointillism",
        "Small round dots of paint side by side.",
        "a pointillist painting",
        "redraws",
        "colour",
        "fx_brushify 7,1,2,<size>,60,1,0,1,4,<relief>,0.9,60,0,0,1,<3px>,0,0,0",
        (Number("size", 7, 5, 24, "diameter of the dots", pixels=True), Number("relief", 0.12, 0.0, 1.0, _RELIEF)),
    ),
    Look(
        "soft-brush",
        "Soft brush",
        "Smooth strokes of a soft brush without relief; faces stay intact.",
        "a painting with soft brushstrokes",
        "redraws",
        "colour",
        "fx_brushify 2,0.3,3,<size>,40,12,0,1,0,0.2,<opacity>,60,1,1,1,<3px>,0,0.2,0",
        (
            Number("size", 14, 6, 40, _BRUSH, pixels=True),
            Number("opacity", 0.8, 0.1, 1.0, "how much a stroke covers what is under it"),
        ),
    ),
    Look(
        "fine-brush",
        "Fine brush",
        "Thin curved strokes over a loose wash, like a miniature painting.",
        "a painting in thin curved brushstrokes",
        "redraws",
        "colour",
        "fx_paint_with_brush 0,-1,1,16,<precision>,100,100,10,80,<0.5px>,<3px>,45,0,6,<width>,<length>,0,0,0,60,"
        "<20px>,1,0,0,0,30,15,15,15,15,15,15,1,45,0",
        (
            Number("precision", 30.0, 5.0, 60.0, "density of the strokes, per cent"),
            Number("width", 2.0, 1.0, 8.0, "width of a stroke", pixels=True),
            Number("length", 10.0, 2.0, 40.0, "length of a stroke", pixels=True),
        ),
    ),
    Look(
        "painting",
        "Poster painting",
        "Bold shapes with dark contours; light areas burn out to white.",
        "a bold painting with dark contours",
        "redraws",
        "nothing",
        "fx_painting <abstraction>,<detail>,<colour>,50,1,0,0",
        (
            Number("abstraction", 3, 1, 6, "degree of abstraction"),
            Number("detail", 1.0, 0.5, 4.0, "scale of the shapes", pixels=True),
            Number("colour", 1.2, 0.5, 2.5, "strength of the colours"),
        ),
        whole=True,
    ),
    Look(
        "pastel",
        "Pastel",
        "Chalky strokes on a toned canvas.",
        "a pastel drawing on canvas",
        "redraws",
        "colour",
        "fx_corvo_painting_5 35,10,10,0.3,<canvas>,0.2,<blending>,<1px>,<3px>,1",
        (
            Number("canvas", 50.0, 0.0, 100.0, "how much of the canvas shows"),
            Number("blending", 30.0, 0.0, 100.0, "how far strokes are blended"),
        ),
        whole=True,
    ),
    Look(
        "gouache",
        "Gouache",
        "Flat, sharply bounded patches of opaque colour.",
        "a gouache painting in flat colours",
        "redraws",
        "colour",
        "fx_vector_painting <detail>",
        (Number("detail", 9.0, 5.0, 10.0, "how small the patches may be"),),
    ),
    Look(
        "dabs",
        "Dabs",
        "Small square dabs of a single colour, with clean edges.",
        "a painting in small dabs of colour",
        "redraws",
        "colour",
        "kuwahara <radius>",
        (Number("radius", 3, 1, 12, "radius of the dabs", pixels=True),),
    ),
    Look(
        "tempera",
        "Tempera",
        "Smooth rounded shapes between crisp edges; small detail is gone.",
        "a tempera painting with smooth shapes",
        "redraws",
        "colour",
        "fx_sharp_abstract <size>,<range>,0.5,0",
        (
            Number("size", 4.0, 1.0, 12.0, "how large a detail must be to stay", pixels=True),
            Number("range", 10.0, 2.0, 16.0, "how much colours may differ and still merge"),
        ),
    ),
    Look(
        "dream",
        "Dream",
        "Everything flows along its edges into soft ribbons of colour.",
        "a dreamlike painting in flowing colours",
        "redraws",
        "colour",
        "fx_dreamsmooth <passes>,0,1,<mix>,0,0.8,1,24,0",
        (
            Number("passes", 3, 1, 4, "number of smoothing passes, each at a finer scale"),
            Number("mix", 0.8, 0.1, 1.0, "weight of each pass"),
        ),
        whole=True,
    ),
    Look(
        "flow",
        "Flowing paint",
        "Wet paint drawn out along the shapes, with thin bright seams.",
        "a painting in flowing lines of paint",
        "redraws",
        "colour",
        "repeat 3 smooth <length>,0.1,1,<1px>,<2.5px> sharpen 40 c 0,255 done",
        (Number("length", 60.0, 10.0, 150.0, "how far paint is drawn out"),),
    ),
    Look(
        "watercolour",
        "Watercolour",
        "Light washes on white paper, darker where they meet.",
        "a watercolour painting",
        "redraws",
        "colour",
        'smooth 60,0.5,0.8,<0.8px>,<2px> kuwahara <wash> +luminance. +b. <2.5px> -.. . rm. f. "max(-12,min(12,i))" '
        'b. <0.6px> f.. "c=I/255;l=0.3*c[0]+0.59*c[1]+0.11*c[2];c=l+(c-l)*1.45;255*(1-(1-0.35*<dilution>)*(1-c))" '
        'c.. 0,255 f.. "255*(I/255)^0.75+1.2*i(#1)" k[0] c 0,255',
        (
            Number("wash", 2, 1, 8, "how large the washes are", pixels=True),
            Number("dilution", 0.4, 0.0, 1.0, "amount of water: more is paler"),
        ),
    ),
    Look(
        "ink-and-wash",
        "Ink and wash",
        "Ink lines over thin watercolour.",
        "an ink drawing with watercolour washes",
        "keeps lines",
        "colour",
        fine(
            "smooth 120,0.4,0.9,<2px>,<6px> +luminance. +b. <width*2> +b.. <width*3.6> *. 0.975 -[-2,-1] rm.. "
            'f. "i>0.8?1:1+tanh(0.35*(i-0.8))" '
            'f.. "c=I/255;l=0.3*c[0]+0.59*c[1]+0.11*c[2];c=l+(c-l)*1.5;255*(1-(1-c)*0.6)" f.. "I*i(#1)" k[0] c 0,255'
        ),
        (Number("width", 0.6, 0.3, 2.0, "width of the lines", pixels=True),),
    ),
)
