// The last minute as a drawing: queued as an area, completed as a line, failed as crosses on
// stems. Three shapes, so that nobody needs to tell colours apart, and none hides another.

import { SECONDS } from './stats.js';
import { round } from './words.js';

const SVG = 'http://www.w3.org/2000/svg';

export class Chart {
  /**
   * @param {SVGSVGElement} svg
   * @param {(second: number | null) => void} look is told which second is pointed at
   */
  constructor(svg, look) {
    this.svg = svg;
    this.look = look;
    this.axes = svg.appendChild(make('g', { class: 'axes' }));
    this.area = svg.appendChild(make('path', { class: 'queued' }));
    this.edge = svg.appendChild(make('path', { class: 'queued-edge' }));
    this.line = svg.appendChild(make('path', { class: 'completed' }));
    this.crosses = svg.appendChild(make('path', { class: 'failed' }));
    this.guide = svg.appendChild(make('rect', { class: 'guide', visibility: 'hidden' }));
    /** @type {import('./stats.js').History | null} */
    this.history = null;
    this.isStale = false;
    // Where the first second is drawn, and how wide each is.
    this.left = 0;
    this.step = 1;
    svg.addEventListener('pointermove', (event) => this.point(event));
    svg.addEventListener('pointerdown', (event) => this.point(event));
    svg.addEventListener('pointerleave', () => this.point(null));
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  /** @param {import('./stats.js').History | null} history @param {boolean} isStale */
  show(history, isStale) {
    this.history = history;
    this.isStale = isStale;
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.svg;
    if (width === 0) return; // The style sheet is not there yet: drawn anew when it is.
    const em = parseFloat(getComputedStyle(this.svg).fontSize);
    const minute = this.history ?? { queued: [], completed: [], failed: [] };
    const ticks = ticksUpTo(Math.max(0, ...minute.queued, ...minute.completed, ...minute.failed));
    const top = em, bottom = height - 2 * em, right = width - em / 2;
    const left = em * (0.8 + 0.65 * Math.max(...ticks.map((tick) => round(tick).length)));
    const step = (right - left) / SECONDS;
    const x = (/** @type {number} */ second) => left + step * second;
    const y = (/** @type {number} */ value) => bottom - ((bottom - top) * value) / ticks[ticks.length - 1];

    this.left = left;
    this.step = step;
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.axes.replaceChildren(
      ...ticks.flatMap((tick) => [
        make('path', { d: `M${left} ${y(tick)}H${right}`, class: tick ? 'rule' : 'floor' }),
        make('text', { x: left - em / 2, y: y(tick) + 0.35 * em, 'text-anchor': 'end' }, round(tick)),
      ]),
      ...[60, 45, 30, 15, 0].flatMap((ago) => [
        make('path', { d: `M${x(SECONDS - ago)} ${bottom}v${em / 3}`, class: 'floor' }),
        make(
          'text',
          { x: x(SECONDS - ago), y: bottom + 1.5 * em, 'text-anchor': ago ? 'middle' : 'end' },
          this.label(ago, right - left < 16 * em),
        ),
      ]),
    );
    const roof = minute.queued.map((value, second) => `V${y(value)}H${x(second + 1)}`).join('');
    this.area.setAttribute('d', roof && `M${left} ${bottom}${roof}V${bottom}z`);
    this.edge.setAttribute('d', roof && `M${left} ${y(minute.queued[0])}${roof}`);
    const points = minute.completed.map((value, second) => `${x(second + 0.5)} ${y(value)}`);
    this.line.setAttribute('d', points.length ? `M${points.join('L')}` : '');
    const arm = Math.min(4.5, Math.max(2.5, step / 2.5));
    const cross = `m${-arm} ${-arm}l${2 * arm} ${2 * arm}m0 ${-2 * arm}l${-2 * arm} ${2 * arm}`;
    const stems = minute.failed.map((value, second) =>
      value ? `M${x(second + 0.5)} ${bottom}V${y(value)}${cross}` : '');
    this.crosses.setAttribute('d', stems.join(''));
    for (const [name, value] of Object.entries({ y: top, width: step, height: bottom - top })) {
      this.guide.setAttribute(name, String(value));
    }
  }

  /** @param {number} ago @param {boolean} isNarrow */
  label(ago, isNarrow) {
    if (ago === 0) return this.isStale ? 'last seen' : 'now';
    // Where there is no room for all; `last seen` takes that of its neighbour too.
    const isLeftOut = isNarrow ? ago < 60 : this.isStale && ago === 15;
    return isLeftOut ? '' : `−${ago} s`;
  }

  /** @param {PointerEvent | null} event */
  point(event) {
    let second = null;
    if (event && this.history) {
      const across = event.clientX - this.svg.getBoundingClientRect().left - this.left;
      second = Math.min(SECONDS - 1, Math.max(0, Math.floor(across / this.step)));
      this.guide.setAttribute('x', String(this.left + this.step * second));
    }
    this.guide.setAttribute('visibility', second === null ? 'hidden' : 'visible');
    this.look(second);
  }
}

/** Round numbers from 0 to the first that is not below `peak`. @param {number} peak */
export function ticksUpTo(peak) {
  const rough = Math.max(1, peak / 4);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((each) => each * power >= rough) ?? 10);
  const steps = Math.max(1, Math.ceil(peak / step));
  return Array.from({ length: steps + 1 }, (_, index) => index * step);
}

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} text */
function make(name, attributes, text = '') {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.textContent = text;
  return element;
}
