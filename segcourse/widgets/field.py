"""What one output pixel of stacked dilated convolutions sees: paint a prediction, then see and play it."""

from collections.abc import Sequence

import numpy as np

from segcourse.errors import DataError
from segcourse.plotting.arrays import ERROR_COLOURS
from segcourse.widgets.live import Live, button, canvas, choice, row, slider, swatch

CELL = 14  # pixels of the picture per cell, one of them a line
MOST = 4  # largest dilation of the drop-down lists
_COLOURS = {
    "rest": ERROR_COLOURS["true negative"],
    "painted": ERROR_COLOURS["wrong class"],
    "right": ERROR_COLOURS["true positive"],
    "extra": ERROR_COLOURS["false positive"],
    "missed": ERROR_COLOURS["false negative"],
    "line": (90, 90, 90),
    "centre": (204, 121, 167),
}
_ASK = "Paint the pixels that the centre depends on. Then press Show me."


def receptive_field_explorer(dilations: Sequence[int] = (2, 2, 2), kernel: int = 3) -> Live:
    """Ask which input pixels one output pixel depends on; show them, and play them layer by layer.

    Paint with the mouse, or with the arrow keys and the space bar.

    Args:
        dilations: of each convolution, first layer first, each 1 to 4; at most four layers.
        kernel: side of the kernels, an odd number from 3 to 7.

    Raises:
        DataError: a value is outside its range.
    """
    dilations = [int(one) for one in dilations]
    fits = 1 <= len(dilations) <= 4 and all(1 <= one <= MOST for one in dilations)
    if not fits or kernel not in (3, 5, 7):
        raise DataError(
            f"dilations are {dilations} and the kernel is {kernel}; give one to four dilations from 1 to "
            f"{MOST} and a kernel of 3, 5 or 7."
        )
    side = 1 + (kernel - 1) * MOST * len(dilations)
    seen = touched(dilations, kernel, side)
    options = [str(one) for one in range(1, MOST + 1)]
    stage = row(
        "dilation of",
        *(choice(f"layer-{i}", f"layer {i + 1}", options, str(one)) for i, one in enumerate(dilations)),
    )
    stage += row(
        button("reveal", "Show me"),
        button("play", "▶ play"),
        button("clear", "Clear"),
        slider("back", "layers back", 0, len(dilations), len(dilations)),
    )
    stage += row(canvas("grid", _ASK, (side * CELL, side * CELL)))
    names = ("painted", "seen", "painted, not seen", "seen, not painted")
    kinds = ("painted", "right", "extra", "missed")
    stage += row(*(f"<span>{swatch(_COLOURS[k])}{name}</span>" for k, name in zip(kinds, names, strict=True)))
    says = summary(dilations, kernel, int(seen.sum()))
    question = f"kernel {kernel} × {kernel}, dilations {', '.join(map(str, dilations))}"
    grid = f"An empty grid of {side} × {side} pixels; the one in the centre is marked."
    data = {"kernel": kernel, "layers": len(dilations), "side": side, "cell": CELL, "ask": _ASK}
    return Live(
        stage,
        _SCRIPT,
        data | {"colours": _COLOURS},
        [(question, picture(np.zeros_like(seen)), grid)],
        _ASK,
        answer=[(says, picture(seen), f"The grid with the pixels that the centre depends on. {says}")],
    ).show()


def touched(dilations: Sequence[int], kernel: int, side: int) -> np.ndarray:
    """Return the pixels (side × side, boolean) that the centre of the output depends on.

    >>> touched([2], kernel=3, side=5).astype(int).tolist()
    [[1, 0, 1, 0, 1], [0, 0, 0, 0, 0], [1, 0, 1, 0, 1], [0, 0, 0, 0, 0], [1, 0, 1, 0, 1]]
    """
    line = np.zeros(side, bool)
    line[side // 2] = True
    for dilation in dilations:
        steps = dilation * (np.arange(kernel) - kernel // 2)
        line = np.any([np.roll(line, step) for step in steps], axis=0)  # the grid is wide enough for all
    return line[:, None] & line


def summary(dilations: Sequence[int], kernel: int, count: int) -> str:
    """Say how large the receptive field is, and how many of its pixels are touched.

    >>> summary([2, 2, 2], 3, 49)
    'Dilations 2, 2, 2: the field is 13 × 13 = 169 pixels, and 49 of them are seen.'
    """
    side = 1 + (kernel - 1) * sum(dilations)
    listed = ", ".join(map(str, dilations))
    return (
        f"Dilations {listed}: the field is {side} × {side} = {side**2} pixels, and {count} of them are seen."
    )


def picture(seen: np.ndarray) -> np.ndarray:
    """Return the grid as the canvas draws it when nothing is painted: uint8 RGB."""
    cells = np.where(seen[..., None], _COLOURS["right"], _COLOURS["rest"]).astype(np.uint8)
    drawn = cells.repeat(CELL, axis=0).repeat(CELL, axis=1)
    drawn[::CELL] = drawn[:, ::CELL] = _COLOURS["line"]
    first = len(seen) // 2 * CELL
    drawn[first + 5 : first + CELL - 4, first + 5 : first + CELL - 4] = _COLOURS["centre"]
    return drawn


_SCRIPT = """
const c=$('grid'),S=D.side,K=D.cell,painted=new Uint8Array(S*S),mid=S>>1;
let shown=false,cursor=null,timer;
const dilations=()=>Array.from({length:D.layers},(_,i)=>num('layer-'+i));
const line=list=>{let one=new Set([mid]);
  for(const d of list){const next=new Set;
    for(const p of one)for(let k=-(D.kernel>>1);k<=D.kernel>>1;k++)next.add(p+k*d);one=next}
  return one};
const update=()=>{
  const all=dilations(),back=num('back'),last=all.slice(D.layers-back),one=line(last),C=D.colours,n=S*K;
  const out=new Uint32Array(n*n),I={};for(const k in C)I[k]=packed(C[k]);
  const any=back===D.layers&&painted.some(Boolean);  // a guess is about all layers
  let right=0,extra=0,missed=0;
  const kind=i=>{const seen=shown&&one.has(i%S)&&one.has(i/S|0),mark=any&&painted[i];
    if(!shown)return painted[i]?'painted':'rest';
    if(mark)seen?right++:extra++;else if(seen)missed++;
    return seen?(mark||!any?'right':'missed'):mark?'extra':'rest'};
  const kinds=Array.from(painted,(_,i)=>kind(i));
  for(let y=0;y<n;y++)for(let x=0;x<n;x++){
    const i=(y/K|0)*S+(x/K|0),a=y%K,b=x%K;let ink=I[kinds[i]];
    if(!a||!b)ink=I.line;
    else if(i===mid*S+mid&&a>4&&a<K-4&&b>4&&b<K-4)ink=I.centre;
    else if(i===cursor&&(a<3||b<3||a>K-3||b>K-3))ink=I.centre;
    out[y*n+x]=ink}
  put('grid',n,n,out);
  const count=one.size**2,side=1+(D.kernel-1)*last.reduce((a,b)=>a+b,0);
  const what=back<D.layers?`${back} of ${D.layers} layers back`:`Dilations ${all.join(', ')}`;
  say(!shown?D.ask:`${what}: the field is ${side} × ${side} = ${side**2} pixels, `
    +`and ${count} of them are seen.`
    +(any?` Your painting: ${right} right, ${extra} wrong, ${missed} missing.`:''))};
const reveal=()=>{shown=true;redraw()};
$('reveal').onclick=reveal;
$('clear').onclick=()=>{clearInterval(timer);painted.fill(0);shown=false;$('back').value=D.layers;redraw()};
$('play').onclick=()=>{clearInterval(timer);let i=0;
  const next=()=>{$('back').value=i;reveal();if(++i>D.layers)clearInterval(timer)};
  next();timer=setInterval(next,700)};
let brush;
const cell=e=>{const[y,x]=at(e,c);return(y/K|0)*S+(x/K|0)};
c.onpointerdown=e=>{cursor=null;brush=1-painted[cell(e)];painted[cell(e)]=brush;redraw()};
c.onpointermove=e=>{if(e.buttons){painted[cell(e)]=brush;redraw()}};
c.onkeydown=e=>{
  const step={ArrowLeft:-1,ArrowRight:1,ArrowUp:-S,ArrowDown:S}[e.key];
  if(cursor===null)cursor=mid*S+mid;
  if(step&&cursor+step>=0&&cursor+step<S*S)cursor+=step;
  else if(e.key===' '||e.key==='Enter')painted[cursor]^=1;
  else return;
  e.preventDefault();redraw()};
c.tabIndex=0;start(update);
"""
