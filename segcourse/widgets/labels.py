"""Label a picture with clicks on object and background; regions grow from all of them at once."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from segcourse.classical import grow_from_clicks
from segcourse.classical.clicks import Click
from segcourse.errors import DataError
from segcourse.palette import Palette
from segcourse.plotting.arrays import data_uri, png
from segcourse.plotting.formats import as_images, as_masks
from segcourse.plotting.results import number, score
from segcourse.widgets.live import Live, button, canvas, choice, label_uri, row, slider
from segcourse.widgets.viewer import tint

LARGEST = 384  # pixels; the clicks are those of the picture itself, so it is not reduced
_OBJECT, _BACKGROUND = "the object", "the background"
_COLOUR = Palette.default(2).colours[1]
_GREEN, _RED = (0, 158, 115), (213, 94, 0)  # Okabe-Ito


def label_with_clicks(image: Any, true_mask: Any = None, *, clicks: Sequence[Click] = ()) -> Live:
    """Show a picture to label with clicks, and the clicks as a line of Python to copy into the next cell.

    The mask is that of `segcourse.classical.grow_from_clicks`. Two sliders and a button click without a
    mouse. With Shift, a click of the mouse goes to the background.

    Args:
        image: one image, in any format of `segcourse.plotting.formats`, at most 384 pixels high and wide.
        true_mask: 0/1 or 0/255, H×W, for the IoU; without it there is no score.
        clicks: (row, column, label) of the first clicks, label 1 on the object and 0 on the background.

    Raises:
        DataError: the image's or the mask's format is not supported, the image is too large, or a click lies
            outside.
    """
    (picture,) = as_images(image)
    height, width = picture.shape[:2]
    if max(height, width) > LARGEST:
        raise DataError(
            f"the picture has {height}×{width} pixels; resize it to at most {LARGEST} in height and "
            "width, so that the widget answers at once."
        )
    truth = None if true_mask is None else as_masks(true_mask, [(height, width)], "true mask")[0]
    first = [(int(row), int(column), int(label)) for row, column, label in clicks]
    mask = grow_from_clicks(picture, first).numpy().astype(np.uint8)  # refuses clicks outside
    counted = f"{len(first)} click{'s' * (len(first) != 1)}"
    caption = f"{counted}: {100 * mask.mean():.1f} % of the pixels."
    if truth is not None:
        caption += f" IoU {number(score(mask, truth, num_classes=2)['iou'])}."
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    stage = row(
        choice("kind", "click on", [_OBJECT, _BACKGROUND], _OBJECT),
        slider("row", "row", 0, height - 1, height // 2),
        slider("column", "column", 0, width - 1, width // 2),
        button("add", "click there"),
        button("undo", "undo"),
    )
    label = "the picture to click on; with Shift, a click goes to the background"
    stage += row(canvas("picture", label, grey.shape, "click on the picture; Shift: background"))
    stage += '<label>to copy <input data-part="line" readonly size="60" style="max-width:100%"></label>'
    views = {"image": data_uri(png(picture)), "grey": label_uri(grey)}
    if truth is not None:
        views["truth"] = label_uri(truth)
    colours = {"colour": _COLOUR, "on": _GREEN, "off": _RED}
    data = {"views": views, "clicks": first, "background": _BACKGROUND, **colours}
    twin = (counted, clicked(picture, mask, first, (height // 2, width // 2)), caption)
    return Live(stage, _SCRIPT, data, [twin], caption).show()


def clicked(
    picture: np.ndarray, mask: np.ndarray, clicks: Sequence[Click], place: tuple[int, int]
) -> np.ndarray:
    """Return what the canvas shows: the mask tinted and outlined, squares at clicks, a dot at `place`."""
    drawn = tint(picture, mask, Palette.default(2), 0.5, [1], outlines=True)
    for y, x, label in clicks:
        for reach, colour in ((2, (255, 255, 255)), (1, _GREEN if label else _RED)):
            drawn[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1] = colour
    drawn[place] = 255
    return drawn


_SCRIPT = """
const V={};for(const k in D.views)V[k]=(await pixels(D.views[k])).data;
const c=$('picture'),W=c.width,H=c.height,N=W*H,clicks=D.clicks.slice();
const G=Uint8Array.from({length:N},(_,i)=>V.grey[4*i]);
const far=seeds=>{ // Dijkstra; no step is longer than 256, so 257 buckets are enough
  const F=new Int32Array(N).fill(2**30),B=Array.from({length:257},()=>[]);let left=0;
  const add=(i,d)=>{if(d<F[i]){F[i]=d;B[d%257].push(i);left++}};
  for(const i of seeds)add(i,0);
  for(let d=0;left;d++){const b=B[d%257];
    for(const i of b){left--;if(F[i]!==d)continue;
      const col=i%W,to=j=>add(j,d+1+Math.abs(G[i]-G[j]));
      if(col)to(i-1);if(col<W-1)to(i+1);if(i>=W)to(i-W);if(i<N-W)to(i+W)}
    b.length=0}
  return F};
const grow=()=>{
  const S=new Map();
  if(clicks.every(k=>k[2])){
    for(let x=0;x<W;x++){S.set(x,0);S.set(N-1-x,0)}for(let y=0;y<H;y++){S.set(y*W,0);S.set(y*W+W-1,0)}}
  for(const[y,x,l]of clicks)S.set(y*W+x,l);
  const[a,b]=[0,1].map(l=>far([...S].filter(s=>s[1]===l).map(s=>s[0])));
  return Uint8Array.from({length:N},(_,i)=>b[i]<a[i])};
const update=()=>{
  const m=grow(),p=V.image,out=new Uint8ClampedArray(p);let n=0,both=0,all=0;
  const dot=(y,x,reach,rgb)=>{for(let a=y-reach;a<=y+reach;a++)for(let b=x-reach;b<=x+reach;b++)
    if(a>=0&&a<H&&b>=0&&b<W)for(let k=0;k<3;k++)out[4*(a*W+b)+k]=rgb[k]};
  for(let i=0;i<N;i++){
    const t=V.truth?V.truth[4*i]:0;n+=m[i];all+=t;both+=m[i]*t;
    if(!m[i])continue;
    const col=i%W,edge=(col&&!m[i-1])||(col<W-1&&!m[i+1])||(i>=W&&!m[i-W])||(i<N-W&&!m[i+W]),w=edge?1:.5;
    for(let k=0;k<3;k++)out[4*i+k]=p[4*i+k]*(1-w)+D.colour[k]*w}
  for(const[y,x,l]of clicks){dot(y,x,2,[255,255,255]);dot(y,x,1,l?D.on:D.off)}
  dot(num('row'),num('column'),0,[255,255,255]);
  put('picture',W,H,out);
  $('line').value='clicks = ['+clicks.map(k=>'('+k.join(', ')+')').join(', ')+']';
  $('undo').disabled=!clicks.length;
  const union=n+all-both;
  say(clicks.length+` click${clicks.length===1?'':'s'}: ${(100*n/N).toFixed(1)} % of the pixels.`
    +(V.truth?` IoU ${union?(both/union).toFixed(2):'–'}.`:''))};
const press=(y,x,shift)=>{clicks.push([y,x,$('kind').value===D.background||shift?0:1]);redraw()};
c.onpointerdown=e=>{const[y,x]=at(e,c);[$('row').value,$('column').value]=[y,x];press(y,x,e.shiftKey)};
$('add').onclick=()=>press(num('row'),num('column'),false);
$('undo').onclick=()=>{clicks.pop();redraw()};
c.style.cursor='crosshair';start(update);
"""
