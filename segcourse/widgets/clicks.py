"""Click on a picture, and a region grows from there: region growing in the browser, GrabCut beforehand."""

from typing import Any

import cv2
import numpy as np

from segcourse.classical import grabcut, grow_region
from segcourse.errors import DataError
from segcourse.palette import Palette
from segcourse.plotting.arrays import data_uri, png, small_enough
from segcourse.plotting.formats import as_images, as_masks
from segcourse.plotting.results import number, score
from segcourse.widgets.live import Live, canvas, choice, label_uri, row, slider
from segcourse.widgets.viewer import tint

_GROWING, _GRABCUT = "region growing", "GrabCut in a box"
_COLOUR = Palette.default(2).colours[1]


def click_to_segment(
    image: Any,
    true_mask: Any = None,
    *,
    seed: tuple[int, int] | None = None,
    tolerance: int = 20,
    grabcut_clicks: tuple[int, int] | None = None,
) -> Live:
    """Show a picture to click on: the region of similar grey values around the click lights up.

    The region is that of `segcourse.classical.grow_region`. Two sliders move the click without a mouse.

    Args:
        image: one image, in any format of `segcourse.plotting.formats`. A side of more than 384 pixels is
            reduced first: only every n-th pixel remains.
        true_mask: 0/1 or 0/255, H×W, for Dice and IoU; without it there are no scores.
        seed: (row, column) of the first click. Default: the centre.
        tolerance: largest difference from the grey value of the clicked pixel, 0 to 100, at first.
        grabcut_clicks: (rows, columns) of a grid of clicks for which GrabCut is computed now, in a box of
            half the sides around the click; each takes a part of a second. Default: no GrabCut.

    Raises:
        DataError: the image's or the mask's format is not supported, or the click lies outside.
    """
    (picture,) = as_images(image)
    truth = None if true_mask is None else as_masks(true_mask, [picture.shape[:2]], "true mask")[0]
    picture, truth = small_enough(picture), None if truth is None else small_enough(truth)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    y, x = seed or (height // 2, width // 2)
    if not (0 <= y < height and 0 <= x < width and 0 <= tolerance <= 100):
        raise DataError(
            f"the click {(y, x)} with tolerance {tolerance} does not fit a picture of {height}×{width}; give "
            "(row, column) inside and a tolerance from 0 to 100."
        )
    cuts = []
    for row_, column in grid(grabcut_clicks or (0, 0), grey.shape):
        box = clicked_box(row_, column, grey.shape)
        cuts.append([row_, column, label_uri(grabcut(picture, box).numpy().astype(np.uint8))])
    methods = [_GROWING, *([_GRABCUT] if cuts else [])]
    region = grow_region(grey, (y, x), tolerance).numpy().astype(np.uint8)
    caption = (
        f"Seed at row {y}, column {x}, grey value {grey[y, x]}: {100 * region.mean():.1f} % of the pixels."
    )
    if truth is not None:
        one = score(region, truth, num_classes=2)
        caption += f" Dice {number(one['dice'])} · IoU {number(one['iou'])}."
    stage = row(
        choice("method", "method", methods, _GROWING),
        slider("tolerance", "tolerance", 0, 100, tolerance),
        slider("row", "row", 0, height - 1, y),
        slider("column", "column", 0, width - 1, x),
    )
    stage += row(canvas("picture", "the picture to click on", grey.shape, "click on the picture"))
    views = {"image": data_uri(png(picture)), "grey": label_uri(grey)}
    if truth is not None:
        views["truth"] = label_uri(truth)
    twin = marked(picture, region, (y, x))
    data = {"views": views, "cuts": cuts, "colour": _COLOUR, "growing": _GROWING}
    return Live(stage, _SCRIPT, data, [(f"tolerance {tolerance}", twin, caption)], caption).show()


def grid(clicks: tuple[int, int], size: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the pixels (row, column) of a regular grid of clicks.

    >>> grid((1, 2), (10, 20))
    [(5, 5), (5, 15)]
    """
    rows, columns = (
        [int((i + 0.5) * side / n) for i in range(n)] for n, side in zip(clicks, size, strict=True)
    )
    return [(y, x) for y in rows for x in columns]


def clicked_box(y: int, x: int, size: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return the box (top, left, height, width) of half the sides around a pixel, inside the picture."""
    (top, left), (bottom, right) = (
        [min(max(place + sign * side // 4, 1), side - 1) for place, side in zip((y, x), size, strict=True)]
        for sign in (-1, 1)
    )
    return top, left, bottom - top, right - left


def marked(picture: np.ndarray, region: np.ndarray, seed: tuple[int, int]) -> np.ndarray:
    """Return what the canvas shows: the region tinted with an outline, and a cross at the click."""
    drawn = tint(picture, region, Palette.default(2), 0.5, [1], outlines=True)
    y, x = seed
    for reach, colour in ((4, 0), (3, 255)):
        drawn[max(y - reach, 0) : y + reach + 1, x] = colour
        drawn[y, max(x - reach, 0) : x + reach + 1] = colour
    return drawn


_SCRIPT = """
const V={};for(const k in D.views)V[k]=(await pixels(D.views[k])).data;
for(const cut of D.cuts)cut.push((await pixels(cut[2])).data);
const c=$('picture'),W=c.width,H=c.height,N=W*H;
const G=Uint8Array.from({length:N},(_,i)=>V.grey[4*i]),todo=new Int32Array(N);
const grow=(y,x,t)=>{
  const m=new Uint8Array(N),v=G[y*W+x];let n=1;todo[0]=y*W+x;m[y*W+x]=1;
  const add=i=>{if(!m[i]&&Math.abs(G[i]-v)<=t){m[i]=1;todo[n++]=i}};
  while(n){const i=todo[--n],col=i%W;
    if(col)add(i-1);if(col<W-1)add(i+1);if(i>=W)add(i-W);if(i<N-W)add(i+W)}
  return m};
const update=()=>{
  let y=num('row'),x=num('column'),m,growing=$('method').value===D.growing;
  $('tolerance').disabled=!growing;
  if(growing)m=grow(y,x,num('tolerance'));
  else{const far=a=>(a[0]-y)**2+(a[1]-x)**2,cut=D.cuts.reduce((a,b)=>far(b)<far(a)?b:a);
    [y,x]=cut;m=Uint8Array.from({length:N},(_,i)=>cut[3][4*i])}
  const p=V.image,out=new Uint8ClampedArray(p);let n=0,both=0,all=0;
  for(let i=0;i<N;i++){
    const t=V.truth?V.truth[4*i]:0;n+=m[i];all+=t;both+=m[i]*t;
    if(!m[i])continue;
    const col=i%W,edge=(col&&!m[i-1])||(col<W-1&&!m[i+1])||(i>=W&&!m[i-W])||(i<N-W&&!m[i+W]),w=edge?1:.5;
    for(let k=0;k<3;k++)out[4*i+k]=p[4*i+k]*(1-w)+D.colour[k]*w}
  for(const[r,v]of[[4,0],[3,255]])for(let d=-r;d<=r;d++)for(const[a,b]of[[y+d,x],[y,x+d]])
    if(a>=0&&a<H&&b>=0&&b<W)out.fill(v,4*(a*W+b),4*(a*W+b)+3);
  put('picture',W,H,out);
  const score=(a,b)=>b?(a/b).toFixed(2):'–';
  say((growing?`Seed at row ${y}, column ${x}, grey value ${G[y*W+x]}`
    :`Nearest computed click: row ${y}, column ${x}`)+`: ${(100*n/N).toFixed(1)} % of the pixels.`
    +(V.truth?` Dice ${score(2*both,n+all)} · IoU ${score(both,n+all-both)}.`:''))};
c.onpointerdown=e=>{[$('row').value,$('column').value]=at(e,c);redraw()};
c.style.cursor='crosshair';start(update);
"""
