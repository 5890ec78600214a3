"""Drawings: lines, hatching, contours."""

from __future__ import annotations

from e2gan_gmic.look import Look, Number, fine

__all__ = ["DRAWINGS"]

_CONTRAST = Number("contrast", 60.0, 10.0, 160.0, "how dark the strokes are")

DRAWINGS = (
    Look(
        "pencil",
        "Pencil",
        "Soft pencil, shaded along every edge.",
        "a pencil drawing",
        "keeps lines",
        "nothing",
        "pencilbw <width>,<contrast>",
        (Number("width", 0.3, 0.1, 2.0, "width of the strokes", pixels=True), _CONTRAST),
        whole=True,
    ),
    Look(
        "fine-pencil",
        "Fine pencil",
        "A sharp hard pencil: thin lines and light shading.",
        "a drawing with a sharp pencil",
        "keeps lines",
        "nothing",
        fine("pencilbw <width*2>,<contrast>"),
        (Number("width", 0.15, 0.05, 1.0, "width of the strokes", pixels=True), _CONTRAST),
        whole=True,
    ),
    Look(
        "graphite",
        "Graphite",
        "Dense graphite with slanted strokes.",
        "a graphite drawing",
        "keeps lines",
        "nothing",
        fine("fx_pencil_portraitbw <length*2>,<angle>,0.5,0.5,64,64,64"),
        (
            Number("length", 10.0, 2.0, 40.0, "length of the strokes", pixels=True),
            Number("angle", 120.0, 0.0, 180.0, "direction of the strokes, degrees"),
        ),
        whole=True,
    ),
    Look(
        "coloured-pencil",
        "Coloured pencil",
        "The photo's colours under fine pencil lines.",
        "a coloured pencil drawing",
        "keeps lines",
        "colour",
        fine(
            "+luminance. pencilbw. <width*2>,<contrast> luminance. "
            'f.. "c=I/255;l=0.3*c[0]+0.59*c[1]+0.11*c[2];c=l+(c-l)*1.4;255*(1-0.75*(1-c))" '
            'f.. "I*(0.35+0.65*i(#1)/255)+60*(i(#1)/255)^2" k[0] c 0,255'
        ),
        (Number("width", 0.15, 0.05, 1.0, "width of the strokes", pixels=True), _CONTRAST),
        whole=True,
    ),
    Look(
        "charcoal",
        "Charcoal",
        "Soft black charcoal on rough paper.",
        "a charcoal drawing on rough paper",
        "keeps lines",
        "nothing",
        "luminance smooth 100,0.2,1,<1px>,<2px> apply_gamma <brightness> +noise <roughness> b. <0.6px> sharpen. 50 "
        "blend[0,1] overlay c 0,255",
        (
            Number("brightness", 1.5, 0.7, 2.5, "gamma of the drawing: more is lighter"),
            Number("roughness", 40.0, 0.0, 80.0, "roughness of the paper"),
        ),
        whole=True,
    ),
    Look(
        "ink-wash",
        "Ink wash",
        "Grey washes of diluted ink with soft dark edges.",
        "an ink wash drawing",
        "keeps lines",
        "nothing",
        "fx_ink_wash <size>,<strength>,0,0.5,0.54,2.25,0,2,6,5,20",
        (
            Number("size", 0.14, 0.0, 2.0, "softness of the washes", pixels=True),
            Number("strength", 23.0, 5.0, 100.0, "how dark edges are"),
        ),
        whole=True,
    ),
    Look(
        "pen",
        "Pen",
        "Pen lines, with the shadows filled in.",
        "a pen and ink drawing",
        "keeps lines",
        "nothing",
        fine(
            "luminance bilateral <8px>,20 +b <width*2> +b.. <width*3.6> *. 0.97 -[-2,-1] "
            'f. "255*(i>1.5?1:1+tanh(0.5*(i-1.5)))" b.. <2px> f.. "255/(1+exp(-0.15*(i-<shadow>)))" *[-2,-1] /. 255 '
            "c 0,255"
        ),
        (
            Number("width", 0.5, 0.3, 2.0, "width of the lines", pixels=True),
            Number("shadow", 40.0, 0.0, 120.0, "brightness below which everything is black, 0 to 255"),
        ),
    ),
    Look(
        "line-art",
        "Line art",
        "Clean black contours on white; only very dark areas are filled.",
        "clean black line art",
        "keeps lines",
        "nothing",
        "cl_lineart 0,0,2,<width>,<strength>,15,1,0,6,2,2,0,0",
        (
            Number("width", 1.0, 0.5, 2.0, "width of the lines", pixels=True),
            Number("strength", 15.0, 8.0, 19.0, "how many lines"),
        ),
        whole=True,
    ),
    Look(
        "comic",
        "Comic",
        "Ink contours over smooth bright colours.",
        "a comic book drawing",
        "keeps lines",
        "colour",
        "cl_comic 0,2,0,1,<width>,<strength>,15,1,10,5,6,0,0,0,0,0,0",
        (
            Number("width", 1.0, 0.5, 2.0, "width of the lines", pixels=True),
            Number("strength", 15.0, 8.0, 19.0, "how many lines"),
        ),
        whole=True,
    ),
    Look(
        "cartoon",
        "Cartoon",
        "Few strong colours with hard shadows and thin outlines.",
        "a cartoon in strong colours",
        "keeps lines",
        "colour",
        fine("cartoon <smoothness*2>,150,18,0.3,<colour>,<colours>"),
        (
            Number("smoothness", 2.0, 0.5, 8.0, "how large a detail must be to stay", pixels=True),
            Number("colour", 1.3, 0.0, 2.5, "strength of the colours"),
            Number("colours", 10, 3, 32, "how many colours"),
        ),
        whole=True,
    ),
    Look(
        "anime",
        "Animation",
        "Smooth painted shades with dark outlines, like an animation cel.",
        "a frame of an animated film",
        "keeps lines",
        "colour",
        "repeat 2 bilateral <8px>,20 done +luminance. b. <0.6px> gradient_norm. "
        'f. "1-<line>*min(1,max(0,(i-12)/30))" '
        'f.. "c=I/255;l=0.3*c[0]+0.59*c[1]+0.11*c[2];c=l+(c-l)*<colour>;255*(floor(c*10+0.5)/20+c*0.5)" '
        'f.. "I*i(#1)" k[0] c 0,255',
        (
            Number("line", 0.75, 0.0, 1.0, "how dark outlines are"),
            Number("colour", 1.35, 0.5, 2.0, "strength of the colours"),
        ),
    ),
    Look(
        "felt-pen",
        "Felt pen",
        "Short transparent strokes of felt pens on white paper.",
        "a drawing with felt pens",
        "redraws",
        "colour",
        "fx_feltpen 300,<density>,1,0.1,20,<width>",
        (
            Number("density", 50.0, 10.0, 100.0, "how many strokes"),
            Number("width", 5, 2, 16, "width of the strokes", pixels=True),
        ),
        whole=True,
    ),
    Look(
        "sketch",
        "Sketch",
        "Loose thin coloured lines that roughly follow the contours.",
        "a loose sketch in coloured lines",
        "redraws",
        "colour",
        "fx_hardsketchbw 300,<density>,1,0.1,20,0,4",
        (Number("density", 50.0, 10.0, 100.0, "how many lines"),),
        whole=True,
    ),
    Look(
        "crosshatch",
        "Crosshatch",
        "Black hatching in several directions over the photo's colours.",
        "a crosshatched drawing in colour",
        "redraws",
        "colour",
        "fx_sketchbw <directions>,45,180,<length>,1.75,0.02,0.5,0.75,0.1,0.7,<3px>,<6px>,0,1,4,0",
        (
            Number("directions", 3, 1, 8, "how many directions"),
            Number("length", 30.0, 5.0, 100.0, "length of the strokes", pixels=True),
        ),
        whole=True,
    ),
    Look(
        "etching",
        "Etching",
        "Dark woven lines that shade from light to dark, as on an etched plate.",
        "an etching in woven lines",
        "redraws",
        "nothing",
        fine("fx_gcd_etch 125,153,171,185,0.1,50,<hatching>,50,10,15,12,20,0,1,0.3,0,0"),
        (Number("hatching", 80, 0, 100, "how much crosshatching"),),
        whole=True,
    ),
    Look(
        "blueprint",
        "Blueprint",
        "White contours on blue paper.",
        "a blueprint drawing",
        "keeps lines",
        "nothing",
        'luminance b <width> gradient_norm f "min(1,i/<threshold>)" r 100%,100%,1,3 f "[20,60,130]+I*[220,185,115]" '
        "c 0,255",
        (
            Number("width", 0.7, 0.3, 3.0, "width of the lines", pixels=True),
            Number("threshold", 50.0, 15.0, 120.0, "how strong an edge must be for a white line"),
        ),
    ),
    Look(
        "chalkboard",
        "Chalkboard",
        "Chalk contours on a dark green board.",
        "a chalk drawing on a blackboard",
        "keeps lines",
        "nothing",
        'luminance b <width> gradient_norm f "min(1,i/<threshold>)" b <0.4px> r 100%,100%,1,3 '
        'f "[34,44,40]+I*[205,200,192]" c 0,255',
        (
            Number("width", 0.5, 0.3, 3.0, "width of the lines", pixels=True),
            Number("threshold", 45.0, 15.0, 120.0, "how strong an edge must be for a white line"),
        ),
    ),
    Look(
        "neon",
        "Neon",
        "Glowing tubes in the photo's colours along the contours, on black.",
        "a picture drawn in neon lights on black",
        "keeps lines",
        "nothing",
        "+luminance. bilateral. <8px>,15 b. <width> gradient_norm. "
        'f. "min(1,max(0,i-6)/22)" f.. "c=I;c=c-0.8*min(c);255*c/(max(c)+8)" f.. "I*i(#1)" k[0] '
        "+b <glow> *. 1.2 +b.. <1.2px> + c 0,255",
        (
            Number("width", 0.8, 0.4, 3.0, "width of the tubes", pixels=True),
            Number("glow", 4.0, 1.0, 16.0, "reach of the glow", pixels=True),
        ),
    ),
    Look(
        "illustration",
        "Illustration",
        "Dramatic light: strong local contrast, deep shadows, hand-tinted colours.",
        "a dramatic digital illustration",
        "photograph",
        "detail",
        "fx_illustration_look <strength>,<tones>,0,0,0",
        (
            Number("strength", 100.0, 10.0, 100.0, "strength of the effect, per cent"),
            Number("tones", 100.0, 0.0, 100.0, "strength of the tone mapping, per cent"),
        ),
        whole=True,
    ),
)
