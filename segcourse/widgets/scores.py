"""Move, grow and shrink a predicted mask, and watch seven scores disagree about it."""

import math
from typing import Any

import numpy as np

from segcourse.errors import DataError
from segcourse.plotting.arrays import ERROR_COLOURS, error_map, small_enough
from segcourse.plotting.formats import as_masks, to_array
from segcourse.plotting.results import number
from segcourse.widgets.live import Live, canvas, label_uri, row, slider, swatch

SCORES = ("pixel accuracy", "precision", "recall", "Dice", "IoU", "mean IoU", "threshold Jaccard")
_REACH = 30  # pixels that a mask can grow or shrink
_OUTCOMES = ("true positive", "false positive", "false negative", "true negative")


def metric_explorer(true_mask: Any, *, right: int = 0, down: int = 0, size: int = 0) -> Live:
    """Show a prediction to drag, or to move with sliders, and the seven scores of each position.

    The prediction has the shape of the true mask.

    Args:
        true_mask: 0/1 or 0/255, H×W, with at least one foreground pixel. A side of more than 384 pixels is
            reduced first: only every n-th pixel remains.
        right, down: pixels that the prediction is moved at first.
        size: pixels that the prediction grows (or, negative, shrinks) on all sides at first, -30 to 30.

    Raises:
        DataError: the mask is empty or not binary.
    """
    array = to_array(true_mask)
    (truth,) = as_masks(array, [array.shape[-2:]], "true mask")
    truth = small_enough(truth)
    if set(np.unique(truth)) - {0, 1} or not truth.any():
        raise DataError(
            f"the true mask holds the values {np.unique(truth).tolist()}; give a mask of 0 and 1 with at "
            "least one foreground pixel."
        )
    height, width = truth.shape
    field = distance(truth)
    prediction = moved(field, right, down, size)
    says = sentence(scores(truth, prediction))
    stage = row(
        slider("right", "right", -width, width, right),
        slider("down", "down", -height, height, down),
        slider("size", "size", -_REACH, _REACH, size),
    )
    bars = "".join(
        f'<div style="display:flex;align-items:center;gap:0.5em"><span style="width:9em">{name}</span>'
        f'<span style="width:9em;height:0.9em;border:1px solid #777"><i data-part="bar-{i}" '
        f'style="display:block;height:100%;background:#0072B2"></i></span>'
        f'<b data-part="score-{i}"></b></div>'
        for i, name in enumerate(SCORES)
    )
    picture = canvas("map", "the prediction, right and wrong", truth.shape, "drag the prediction")
    stage += row(picture, f'<div aria-hidden="true">{bars}</div>')
    colours = {name: ERROR_COLOURS[name] for name in _OUTCOMES}
    stage += row(*(f"<span>{swatch(rgb)}{name}</span>" for name, rgb in colours.items()))
    data = {
        "field": label_uri((field + 128).astype(np.uint8)),
        "names": SCORES,
        "colours": list(colours.values()),
    }
    alt = f"Prediction, right and wrong. {says}"
    twin = error_map(truth, prediction)
    return Live(stage, _SCRIPT, data, [("right and wrong", twin, alt)], says).show()


def distance(mask: np.ndarray) -> np.ndarray:
    """Return by how many pixels the mask must grow to reach each pixel, rounded up, within ±100.

    The rim of the mask has 0, and its inside is negative. What is beyond the frame counts as outside.

    >>> distance(np.array([[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0]]))[2].tolist()
    [1, 0, -1, 0, 1]
    """
    from scipy import ndimage

    padded = np.pad(mask, 1)  # a mask that touches the frame has its rim there
    outside, inside = (ndimage.distance_transform_edt(one)[1:-1, 1:-1] for one in (padded == 0, padded != 0))
    return np.where(mask != 0, 1 - np.ceil(inside), np.ceil(outside)).clip(-100, 100).astype(int)


def moved(field: np.ndarray, right: int, down: int, size: int) -> np.ndarray:
    """Return the mask of a `distance` field, grown by `size` and moved; uint8 H×W."""
    height, width = field.shape
    result = np.zeros(field.shape, np.uint8)
    rows, columns = np.arange(height) - down, np.arange(width) - right
    y, x = (np.flatnonzero((one >= 0) & (one < n)) for one, n in ((rows, height), (columns, width)))
    result[np.ix_(y, x)] = field[np.ix_(rows[y], columns[x])] <= size
    return result


def scores(truth: np.ndarray, prediction: np.ndarray) -> list[float]:
    """Return the scores of `SCORES`, each from the same four counts; NaN where nothing is predicted.

    >>> [round(one, 2) for one in scores(np.array([1, 1, 0, 0, 0]), np.array([1, 0, 1, 0, 0]))]
    [0.6, 0.5, 0.5, 0.5, 0.33, 0.42, 0.0]
    """
    both = int((truth & prediction).sum())
    extra, missed = int(prediction.sum()) - both, int(truth.sum()) - both
    rest = truth.size - both - extra - missed
    iou, other = (
        both / (both + extra + missed),
        rest / (rest + extra + missed) if rest + extra + missed else math.nan,
    )
    precision = both / (both + extra) if both + extra else math.nan
    mean = iou if math.isnan(other) else (iou + other) / 2
    dice = 2 * both / (2 * both + extra + missed)
    return [
        (both + rest) / truth.size,
        precision,
        both / (both + missed),
        dice,
        iou,
        mean,
        iou if iou >= 0.65 else 0.0,
    ]


def sentence(values: list[float]) -> str:
    """Return the scores as words."""
    return " · ".join(f"{name} {number(value)}" for name, value in zip(SCORES, values, strict=True))


_SCRIPT = """
const F=(await pixels(D.field)),f=F.data,ink=D.colours.map(packed),W=F.width,H=F.height,N=W*H;
const update=()=>{
  const r=num('right'),d=num('down'),s=num('size')+128,out=new Uint32Array(N),n=[0,0,0,0];
  for(let y=0,i=0;y<H;y++)for(let x=0;x<W;x++,i++){
    const a=y-d,b=x-r,p=a>=0&&a<H&&b>=0&&b<W&&f[4*(a*W+b)]<=s,t=f[4*i]<=128,k=t?(p?0:2):(p?1:3);
    n[k]++;out[i]=ink[k]}
  put('map',W,H,out);
  const[both,extra,missed,rest]=n,iou=both/(both+extra+missed),other=rest/(rest+extra+missed);
  const values=[(both+rest)/N,both/(both+extra),both/(both+missed),2*both/(2*both+extra+missed),iou,
    isNaN(other)?iou:(iou+other)/2,iou>=.65?iou:0];
  const texts=values.map(v=>isNaN(v)?'–':v.toFixed(2));
  values.forEach((v,i)=>{$('bar-'+i).style.width=100*(v||0)+'%';$('score-'+i).textContent=texts[i]});
  say(D.names.map((name,i)=>name+' '+texts[i]).join(' · '))};
const c=$('map');let from;
c.onpointerdown=e=>{const[y,x]=at(e,c);from=[y-num('down'),x-num('right')];c.setPointerCapture(e.pointerId)};
c.onpointermove=e=>{if(!e.buttons||!from)return;
  const[y,x]=at(e,c);$('down').value=y-from[0];$('right').value=x-from[1];redraw()};
c.style.cursor='move';start(update);
"""
