"""One image with its masks: opacity, classes on and off, outlines, errors, side by side or swiped."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from segcourse.palette import IGNORE, IGNORE_COLOUR, Palette
from segcourse.plotting.arrays import background_class, data_uri, error_map, png, small_enough
from segcourse.plotting.results import outcome_entries, prepare
from segcourse.widgets.live import Live, canvas, choice, colours, label_uri, row, slider, swatch, tick

_ERRORS = "right and wrong"


def mask_viewer(
    image: Any,
    mask: Any,
    prediction: Any = None,
    *,
    palette: Palette | None = None,
    opacity: float = 0.5,
    mask_values: Sequence[int] | None = None,
) -> Live:
    """Show one image with its mask, and move: opacity, classes, outlines, a swipe between two views.

    Args:
        image, mask, prediction: one of each, in any format of `show_results`.
        palette: names and colours of the classes.
        opacity: of the class colours at first, 0 to 1.
        mask_values: the value of each class in the masks, such as (0, 255).

    Raises:
        DataError: as `show_results`.
    """
    (case,), palette = prepare(image, mask, prediction, None, palette, None, mask_values)
    picture, background = small_enough(case.image), background_class(palette)
    masks = {"truth": case.truth, "prediction": case.prediction}
    labels = {name: small_enough(one) for name, one in masks.items() if one is not None}
    views: dict[str, str] = {"image": data_uri(png(picture))}
    if case.scores is not None:
        views[_ERRORS] = data_uri(png(small_enough(error_map(case.truth, case.prediction, background))))
    found = sorted(set(np.unique(np.concatenate([one.ravel() for one in labels.values()])).tolist()))
    shown = [label for label in found if label != background]
    names = {label: "void" if label == IGNORE else palette.names[label] for label in found}
    shares = {label: f"{np.mean(case.truth == label):.1%}" for label in shown}
    options = ["image", *labels, *([_ERRORS] if _ERRORS in views else [])]
    left, right = ("truth", "prediction") if "prediction" in labels else ("image", "truth")
    caption = ", ".join(f"{names[label]} {shares[label]}" for label in shown)
    caption = f"Share of the pixels in the truth: {caption or 'no class'}."
    if case.scores is not None:
        caption += f" {case.score_line(palette)[0].upper()}{case.score_line(palette)[1:]}."

    classes = [
        tick(
            f"class-{label}", names[label], True, palette.colours[label] if label != IGNORE else IGNORE_COLOUR
        )
        for label in shown
    ]
    errors = [f"<span>{swatch(rgb)}{name}</span>" for name, rgb in outcome_entries([case], palette)]
    stage = row(
        choice("left-view", "left", options, left),
        choice("right-view", "right", options, right),
        choice("layout", "layout", ["side by side", "swipe"], "side by side"),
        slider("swipe", "swipe", 0, 100, 50),
        slider("opacity", "opacity", 0, 100, round(100 * opacity), 5),
        tick("outlines", "outlines", False),
    )
    stage += row(
        canvas("left", "image and mask", picture.shape, left),
        canvas("right", "the other view", picture.shape, right),
    )
    stage += row(*classes) + (row("right and wrong:", *errors) if errors else "")
    data = {"views": views, "masks": {name: label_uri(one) for name, one in labels.items()}}
    data |= {"colours": colours(palette), "void": list(IGNORE_COLOUR), "classes": shown, "caption": caption}

    def view(name: str) -> np.ndarray:
        return picture if name == "image" else tint(picture, labels[name], palette, opacity, shown)

    twin = [(name, view(name), f"{name}. {caption}") for name in (left, right)]
    return Live(stage, _SCRIPT, data, twin, caption).show()


def tint(
    image: np.ndarray,
    mask: np.ndarray,
    palette: Palette,
    opacity: float,
    classes: Collection[int],
    outlines: bool = False,
) -> np.ndarray:
    """Return what the viewer's canvas shows: an image tinted with the colours of some classes.

    Args:
        image: uint8 H×W×3.
        mask: class ids, uint8 H×W.
        palette: class colours.
        opacity: of the colours, 0 to 1.
        classes: the ids that are tinted.
        outlines: draw pixels with a 4-neighbour of another class in the full colour.

    >>> red = Palette(("rest", "it"), ((0, 0, 0), (200, 0, 0)))
    >>> tint(np.zeros((1, 2, 3), np.uint8), np.array([[0, 1]], np.uint8), red, 0.5, [1])[0].tolist()
    [[0, 0, 0], [100, 0, 0]]
    """
    table = np.zeros((256, 3))
    table[: len(palette)] = palette.colours
    table[IGNORE] = IGNORE_COLOUR
    weight = np.full(mask.shape, float(opacity))
    if outlines:
        for axis in (0, 1):
            differs = np.diff(mask.astype(int), axis=axis) != 0
            before, after = [(1, 0), (0, 0)], [(0, 1), (0, 0)]
            pad = (before, after) if axis == 0 else (before[::-1], after[::-1])
            for one in pad:
                weight[np.pad(differs, one)] = 1
    weight[~np.isin(mask, list(classes))] = 0
    mixed = image * (1 - weight[..., None]) + table[mask] * weight[..., None]
    return np.rint(mixed).astype(np.uint8)


_SCRIPT = """
const V={},M={};
for(const k in D.views)V[k]=await pixels(D.views[k]);
for(const k in D.masks)M[k]=(await pixels(D.masks[k])).data;
const{width:W,height:H}=V.image,table=[...D.colours];table[255]=D.void;
const view=name=>{
  if(V[name])return new Uint8ClampedArray(V[name].data);
  const m=M[name],p=V.image.data,out=new Uint8ClampedArray(p.length),a=num('opacity')/100;
  const lines=$('outlines').checked,on=new Set(D.classes.filter(k=>$('class-'+k).checked));
  for(let y=0,i=0;y<H;y++)for(let x=0;x<W;x++,i++){
    const j=4*i,k=m[j];let w=on.has(k)?a:0;
    if(lines&&on.has(k)&&((x&&m[j-4]!==k)||(x<W-1&&m[j+4]!==k)||(y&&m[j-4*W]!==k)
      ||(y<H-1&&m[j+4*W]!==k)))w=1;
    const c=table[k]||D.void;
    for(let n=0;n<3;n++)out[j+n]=p[j+n]*(1-w)+c[n]*w;
    out[j+3]=255}
  return out};
const update=()=>{
  const l=$('left-view').value,r=$('right-view').value,swipe=$('layout').value==='swipe',A=view(l),B=view(r);
  $('right-figure').hidden=swipe;$('swipe').disabled=!swipe;
  $('left-title').textContent=swipe?l+' | '+r:l;$('right-title').textContent=r;
  for(const[name,v]of[['left',l],['right',r]])$(name).setAttribute('aria-label',v+'. '+D.caption);
  if(swipe){const edge=Math.round(W*num('swipe')/100);
    for(let y=0;y<H;y++){A.set(B.subarray(4*(y*W+edge),4*(y+1)*W),4*(y*W+edge));
      for(const x of[edge-1,edge])if(x>=0&&x<W)A.fill(x<edge?0:255,4*(y*W+x),4*(y*W+x)+3)}}
  put('left',W,H,A);if(!swipe)put('right',W,H,B)};
$('left').onpointermove=$('left').onpointerdown=e=>{if(e.buttons&&$('layout').value==='swipe'){
  $('swipe').value=100*at(e,$('left'))[1]/W;redraw()}};
start(update);
"""
