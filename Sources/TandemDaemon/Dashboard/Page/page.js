"use strict";

// The server sends counters and states; this page computes rates. Text from the server is only shown through `textContent`.
// Addresses are relative, so that the page works behind a proxy that adds a prefix.

const historySeconds = 60;
const historyMicroseconds = historySeconds * 1_000_000;
const delaySeconds = 10;
const leastRateSeconds = 5;
const rowLimit = 200;
const heldMicroseconds = 50_000;

// MARK: Elements and text

const byId = (id) => document.getElementById(id);
const missing = "–";
const grouped = new Intl.NumberFormat("en-US");

function element(name, className = "", text = "") {
  return Object.assign(document.createElement(name), { className, textContent: text });
}

function button(text, className, action) {
  const node = element("button", className, text);
  node.addEventListener("click", action);
  return node;
}

/** Sets a text only if it differs, to keep selections, and live regions silent. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setData(node, name, value) {
  if (value === undefined) delete node.dataset[name];
  else node.dataset[name] = value;
}

const count = (number) => (Number.isFinite(number) ? grouped.format(Math.round(number)) : missing);
const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
const rate = (perSecond) => (perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : count(perSecond));

function share(part, whole, digits = 0) {
  const percent = (100 * part) / whole;
  if (!Number.isFinite(percent)) return missing;
  return `${percent === 0 || percent === 100 ? percent : percent.toFixed(digits)} %`;
}

function duration(microseconds) {
  if (!(microseconds >= 1_000)) return Number.isFinite(microseconds) ? `${Math.round(microseconds)} µs` : missing;
  const [value, unit] = microseconds < 1_000_000 ? [microseconds / 1_000, "ms"] : [microseconds / 1_000_000, "s"];
  return `${value < 100 ? value.toFixed(1) : count(value)} ${unit}`;
}

const milliseconds = (number) => (number < 1 ? "< 1 ms" : duration(number * 1_000));

function uptime(microseconds) {
  const clock = new Date(microseconds / 1_000).toISOString().slice(11, 19);
  const days = Math.floor(microseconds / 86_400_000_000);
  return days > 0 ? `${days} d ${clock.slice(0, 5)}` : clock;
}

const sum = (numbers) => Object.values(numbers ?? {}).reduce((total, number) => total + number, 0);

// MARK: Histories

/** The newest samples of some counters. */
class Samples {
  constructor(capacity) {
    Object.assign(this, { capacity, samples: [] });
  }

  /** Adds a sample. If the time or a counter goes back, the process has restarted: drops the older samples. */
  add(seconds, values) {
    const last = this.samples.at(-1);
    if (last?.seconds === seconds) return;
    if (last && (seconds < last.seconds || values.some((value, column) => value < last.values[column]))) this.samples = [];
    this.samples.push({ seconds, values });
    if (this.samples.length > this.capacity) this.samples.shift();
  }

  get end() {
    return this.samples.at(-1)?.seconds ?? NaN;
  }

  /** The interpolated value of a counter. NaN before the oldest sample. */
  valueAt(seconds, column) {
    const index = this.samples.findLastIndex((sample) => sample.seconds <= seconds);
    const [before, after] = [this.samples[index], this.samples[index + 1]];
    if (!before) return NaN;
    const value = before.values[column] ?? 0; // The server may omit empty buckets at the end.
    if (!after) return value;
    return value + ((seconds - before.seconds) / (after.seconds - before.seconds)) * ((after.values[column] ?? 0) - value);
  }

  /** The growth of a counter over the last seconds, or since the oldest sample. */
  increase(column, seconds) {
    return this.samples.length < 2 ? NaN : this.valueAt(this.end, column) - this.valueAt(this.start(seconds), column);
  }

  rate(column, seconds) {
    return this.increase(column, seconds) / (this.end - this.start(seconds));
  }

  start(seconds) {
    return Math.max(this.end - seconds, this.samples[0]?.seconds);
  }

  /** The rates of a counter over the last 60 s. Blocks begin at multiples of their length, so that old ones do not change. */
  sparkline(column, maximum) {
    const blocks = "▁▂▃▄▅▆▇█";
    const length = historySeconds / 20;
    const last = Math.ceil(this.end / length);
    return Array.from({ length: 20 }, (_, index) => {
      const start = (last - 20 + index) * length;
      const end = Math.min(start + length, this.end);
      const part = (this.valueAt(end, column) - this.valueAt(start, column)) / (end - start) / maximum;
      return blocks[Math.min(Math.floor(part * 8), 7)] ?? "\u00a0";
    }).join("");
  }
}

/** Samples by key, of the keys in the newest record. */
class Histories {
  constructor(capacity) {
    this.capacity = capacity;
    this.clear();
  }

  clear() {
    this.byKey = new Map();
  }

  /** Adds a sample per item that has values. */
  record(seconds, items, key, values) {
    this.byKey = new Map(items.map((item) => {
      const samples = this.byKey.get(key(item)) ?? new Samples(this.capacity);
      if (values(item)) samples.add(seconds, values(item));
      return [key(item), samples];
    }));
  }

  rate(key, column = 0) {
    return this.byKey.get(key)?.rate(column, rateSeconds()) ?? NaN;
  }
}

// MARK: Lists and tables

/** Keeps the children of an element in step with items. Reuses them by key, so that focus, selection and scrolling stay. */
class KeyedList {
  nodes = new Map();

  constructor(parent, functions) {
    Object.assign(this, { parent, ...functions });
  }

  show(items) {
    const nodes = new Map();
    for (const item of items) {
      const key = this.key(item);
      const node = this.nodes.get(key) ?? this.create(key);
      node.item = item;
      this.update(node, item);
      nodes.set(key, node);
    }
    for (const [key, node] of this.nodes) if (!nodes.has(key)) node.remove();
    this.nodes = nodes;
    this.arrange([...nodes.values()]);
  }

  /** Orders the children. Moves the others around the one with the focus, which would lose it. */
  arrange(nodes) {
    let next = null;
    for (const node of nodes.reverse()) {
      const isInPlace = node.parentNode && node.nextSibling === next;
      if (!isInPlace && !node.contains(document.activeElement)) this.parent.insertBefore(node, next);
      next = node;
    }
  }
}

// A column shows a `field`. It may have `value(item)`, `text(value, item)`, `render(cell, item)`, and `open(item)` for a button.
const textColumn = (field, title = field, more = {}) => ({ field, title, ...more });
const numberColumn = (field, title = field, more = {}) => ({ field, title, className: "number", text: count, ...more });
const durationColumn = (field, title, more) => numberColumn(field, title, { text: duration, ...more });
const wordColumn = (field, title = field, kind = field) =>
  textColumn(field, title, { render: (cell, item) => showWord(cell, kind, item[field]) });

const valueOf = (column, item) => (column.value ? column.value(item) : item[column.field]);

/** Shows a style or a verdict: the class puts a symbol before the word. */
function showWord(cell, kind, word) {
  if (!cell.firstChild) cell.append(element("span"));
  cell.firstChild.className = word ? `${kind} ${word}` : "";
  setText(cell.firstChild, word?.replace("-", " ") || missing);
}

/** Orders numbers or strings. A missing value comes first. */
const compare = (left, right) => Number(left > right || right === undefined) - Number(right > left || left === undefined);

/** A table of keyed rows in a region that scrolls. The user may sort by the fields `sorts`; with `onSort` the server sorts. */
class Table {
  constructor(id, columns, { attribute, key, sorts = [], sort, onSort }) {
    Object.assign(this, { columns, attribute, sort, onSort, items: [], isDescending: true });
    const table = byId(id);
    this.region = element("div", "scroll");
    this.region.setAttribute("role", "region");
    this.region.setAttribute("aria-label", table.dataset.label);
    this.region.tabIndex = 0;
    this.empty = table.dataset.empty;
    this.note = element("p", "note", "Waiting for data.");
    table.replaceWith(this.region, this.note);
    this.region.append(table);
    this.region.hidden = true;

    const head = table.createTHead().insertRow();
    this.heads = columns.map((column) => {
      const cell = head.appendChild(element("th", column.className));
      cell.scope = "col";
      const isSortable = sorts === true || sorts.includes(column.field);
      cell.append(isSortable ? button(column.title, "", () => this.sortBy(column)) : column.title);
      return cell;
    });
    this.markSort();
    const [create, update] = [(rowKey) => this.createRow(rowKey), (row, item) => this.fill(row, item)];
    this.rows = new KeyedList(table.createTBody(), { key, create, update });
  }

  sortBy({ field, className }) {
    this.isDescending = this.onSort || this.sort !== field ? Boolean(className) : !this.isDescending;
    this.sort = field;
    this.markSort();
    if (this.onSort) this.onSort(field);
    else this.show(this.items);
  }

  markSort() {
    this.heads.forEach((cell, index) => {
      if (this.columns[index].field === this.sort) cell.setAttribute("aria-sort", this.isDescending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
  }

  createRow(key) {
    const row = element("tr");
    row.dataset[this.attribute] = key;
    this.columns.forEach((column, index) => {
      const cell = row.appendChild(element(index === 0 ? "th" : "td", column.className));
      if (index === 0) cell.scope = "row";
      cell.dataset.field = column.field;
      if (column.open) cell.append(button("", "open", () => column.open(row.item)));
    });
    return row;
  }

  fill(row, item) {
    this.columns.forEach((column, index) => {
      const cell = row.cells[index];
      const value = valueOf(column, item);
      setData(cell, "value", Number.isFinite(value) ? value : undefined);
      if (column.render) column.render(cell, item);
      else setText(column.open ? cell.firstChild : cell, column.text ? column.text(value, item) : (value ?? missing));
    });
  }

  show(items) {
    this.items = items;
    this.rows.show(this.sorted(items).slice(0, rowLimit));
    this.region.hidden = items.length === 0;
    const rest = items.length > rowLimit ? `${rowLimit} of ${count(items.length)} rows.` : "";
    setText(this.note, items.length === 0 ? this.empty : rest);
  }

  sorted(items) {
    const column = this.columns.find(({ field }) => field === this.sort);
    if (!column || this.onSort) return items;
    const sign = this.isDescending ? -1 : 1;
    return items.toSorted((left, right) => sign * compare(valueOf(column, left), valueOf(column, right)));
  }

  clearRows() {
    this.rows.show([]);
  }
}

function openStack(title, state = "", frames = []) {
  setText(byId("stack-title"), title);
  setText(byId("stack-state"), state);
  const list = byId("stack-frames");
  list.replaceChildren(...frames.map((frame) => element("li", "", frame)));
  list.hidden = frames.length === 0;
  byId("stack").showModal();
}

// MARK: Overview

const requestCounters = ["total", "serverErrors", "clientErrors", "blocking", "async"];
const firstDelay = 2; // In the samples of a hub, the buckets of delays follow the busy time and the bridges.

const hubName = ({ hub }) => hub;
const bridgesOf = (item) => item.bridgesToBlocking + item.bridgesToAsync;

const overview = {
  topics: ["state"],
  requests: new Samples(64),
  histories: new Histories(64),

  start() {
    const list = byId("attention").lastElementChild;
    this.attention = new KeyedList(list, { key: ({ key }) => key, create: createAttention, update: showAttention });
    this.table = new Table("hubs", [
      textColumn("hub", "hub", { className: "wrap", text: hubTitle }),
      numberColumn("thread", "thread", { text: String }),
      numberColumn("busyMicroseconds", "busy, last 60 s", { render: (cell, hub) => showBusy(cell, hub, this.samplesOf(hub)) }),
      numberColumn("delays", "loop delay p99 / max", {
        value: (hub) => this.delay(hub, 0.99),
        text: (p99, hub) => [p99, this.delay(hub, 1)].map((nanoseconds) => duration(nanoseconds / 1_000)).join(" / "),
      }),
      numberColumn("ready"),
      numberColumn("greenThreads", "green (high)", {
        text: (value, { greenThreadsHighWater }) => `${count(value)} (${count(greenThreadsHighWater)})`,
      }),
      numberColumn("tasks"), numberColumn("waits"), numberColumn("stalls"),
      numberColumn("bridges", "bridges/s", {
        value: bridgesOf, text: (_, hub) => (hub.answers ? rate(this.histories.rate(hub.hub, 1)) : missing),
      }),
    ], { attribute: "hub", key: hubName });
  },

  record({ uptimeMicroseconds, requests, hubs }) {
    const seconds = uptimeMicroseconds / 1_000_000;
    this.requests.add(seconds, requestCounters.map((name) => requests[name]));
    this.histories.record(seconds, hubs, hubName, (hub) => hub.answers && [hub.busyMicroseconds, bridgesOf(hub), ...hub.delays]);
  },

  samplesOf(hub) {
    return this.histories.byKey.get(hub.hub);
  },

  render(state) {
    const { attention, hubs } = state;
    setText(byId("attention").firstElementChild, attention.length === 0 ? "Nothing wants attention." : "");
    this.attention.show(attention);
    this.showTiles(state);
    this.table.show(hubs);
    setText(byId("hubs-window"), `Rates of the last ${rateSeconds()} s, loop delay of the last ${delaySeconds} s`);
  },

  showTiles(state) {
    const { requests, connections } = state;
    const increases = requestCounters.map((_, column) => this.requests.increase(column, historySeconds));
    const [total, serverErrors, clientErrors, blocking, async] = increases;
    const refused = connections.refused > 0 ? `, ${count(connections.refused)} refused` : "";
    const tiles = {
      "requests.total": [rate(this.requests.rate(0, rateSeconds())), `${count(requests.total)} in total`],
      "requests.p50Microseconds": [duration(requests.p50Microseconds), "last 60 s"],
      "requests.p99Microseconds": [duration(requests.p99Microseconds), "last 60 s"],
      "requests.serverErrors": [share(serverErrors, total, 2), `last 60 s, 4xx ${share(clientErrors, total, 2)}`],
      "requests.active": [count(requests.active), "now"],
      "connections.active": [count(connections.active), `${count(connections.accepted)} accepted${refused}`],
      "requests.blocking": [`${share(blocking, blocking + async)} blocking`],
      "requests.async": [`${share(async, blocking + async)} async`],
    };
    for (const tile of document.querySelectorAll("[data-tile]")) {
      const [group, member] = tile.dataset.tile.split(".");
      setData(tile, "value", state[group][member]);
      tiles[tile.dataset.tile].forEach((text, index) => setText(tile.children[index], text));
    }
    byId("bar-blocking").style.flexGrow = blocking || 0;
    byId("bar-async").style.flexGrow = async || 0;
  },

  /** A quantile of the last turns of a hub, in nanoseconds: the upper end of its bucket. */
  delay(hub, quantile) {
    const turns = (hub.delays ?? []).map((_, index) => this.samplesOf(hub).increase(firstDelay + index, delaySeconds));
    const wanted = quantile * sum(turns);
    let seen = 0;
    const bucket = turns.findIndex((number) => number > 0 && (seen += number) >= wanted);
    return bucket < 0 ? NaN : 2 ** bucket;
  },
};

function createAttention(key) {
  const node = byId("attention-item").content.firstElementChild.cloneNode(true);
  node.dataset.key = key;
  node.querySelector("button").addEventListener("click", () => openStack(node.item.title, node.item.detail, node.item.stack));
  return node;
}

function showAttention(node, { severity, title, detail, remedy = "", count: times, lastSecondsAgo, stack }) {
  setData(node, "severity", severity);
  const facts = [times && `${count(times)} ×`, lastSecondsAgo !== undefined && `last ${count(lastSecondsAgo)} s ago`];
  const sentence = detail ? `${detail.replace(/\.$/, "")}.` : "";
  const texts = { severity, title, facts: facts.filter(Boolean).join(", "), detail: sentence, remedy };
  for (const part of node.querySelectorAll("[data-part]")) setText(part, texts[part.dataset.part]);
  node.querySelector("button").hidden = !stack?.length;
}

/** The name of a hub and, if code holds it, which code. */
function hubTitle(name, { answers, holder }) {
  if (answers) return name;
  return `${name} ${holder ? `is held by ${holder}` : "does not answer"}`;
}

/** Shows the share of time that a hub works: as a sparkline and as the current value. */
function showBusy(cell, hub, samples) {
  if (!cell.firstChild) {
    cell.append(element("span", "spark"), element("span"));
    cell.firstChild.setAttribute("aria-hidden", "true");
  }
  const held = hub.heldMicroseconds === undefined ? "no answer" : `held ${duration(hub.heldMicroseconds)}`;
  setText(cell.firstChild, samples.sparkline(0, 1_000_000));
  setText(cell.lastChild, hub.answers ? share(samples.rate(0, rateSeconds()), 1_000_000) : held);
  cell.lastChild.className = hub.answers ? "" : "bad";
}

// MARK: Timeline

/** What the hubs did in the last 60 s, in rings: a known bin is at its number modulo the capacity. */
class Recording {
  constructor() {
    Object.assign(this, { lanes: new Map(), longest: [], now: 0, binMicroseconds: 0, lost: 0 });
  }

  add({ now, binMicroseconds, hubs, longest }) {
    Object.assign(this, { now, binMicroseconds });
    for (const { hub, first, bins, running, lost } of hubs) {
      if (!this.lanes.has(hub)) this.lanes.set(hub, this.createLane());
      const lane = this.lanes.get(hub);
      bins.forEach((values, index) => this.setBin(lane, first + index, values));
      lane.running = running;
      this.lost += lost;
    }
    this.longest = [...this.longest, ...longest].filter(({ began }) => began > now - historyMicroseconds)
      .sort((left, right) => right.microseconds - left.microseconds).slice(0, 50);
  }

  createLane() {
    const capacity = Math.ceil(historyMicroseconds / this.binMicroseconds);
    return { capacity, numbers: new Float64Array(capacity).fill(-1), values: new Uint16Array(5 * capacity), end: 0 };
  }

  setBin(lane, number, values) {
    const slot = number % lane.capacity;
    lane.numbers[slot] = number;
    lane.values.set(values, 5 * slot);
    lane.end = number + 1;
  }

  /** The means of some bins, in the order of the event. Undefined if none is known. */
  mean(lane, first, length) {
    const means = [0, 0, 0, 0, 0];
    let known = 0;
    for (let number = first; number < first + length; number += 1) {
      const slot = number % lane.capacity;
      if (lane.numbers[slot] !== number) continue;
      known += 1;
      for (let index = 0; index < 5; index += 1) means[index] += lane.values[5 * slot + index];
    }
    return known > 0 ? means.map((total) => total / known) : undefined;
  }

  copy() {
    return Object.assign(new Recording(), structuredClone({ ...this }));
  }
}

const spans = [0.5, 1, 2, 5, 10, 20, 60].map((seconds) => seconds * 1_000_000);
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

const timeline = {
  topics: ["timeline"],
  recording: new Recording(),
  frozen: undefined, // A copy of the recording while the display is paused.
  span: 5_000_000,
  end: undefined, // The time at the right edge. Undefined: now.
  drawn: 0,
  listed: 0,

  start() {
    this.canvas = byId("timeline-canvas");
    const age = (began) => `−${((this.visible.now - began) / 1_000_000).toFixed(1)} s`;
    this.table = new Table("longest", [
      textColumn("name", "name", { className: "wrap" }), durationColumn("microseconds", "duration"), wordColumn("style"),
      numberColumn("began", "began", { text: age }), textColumn("hub"),
    ], { attribute: "slice", key: ({ hub, began }) => `${hub} ${began}` });
    new ResizeObserver(() => this.draw()).observe(this.canvas.parentElement);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  },

  record(event) {
    this.recording.add(event);
  },

  freeze(isFrozen) {
    this.frozen = isFrozen ? this.recording.copy() : undefined;
  },

  get visible() {
    return this.frozen ?? this.recording;
  },

  /** Draws four times per second, or once with reduced motion. The table changes once per second, so that it can be read. */
  render() {
    const now = performance.now();
    if (now - this.listed > 900) {
      this.listed = now;
      this.table.show(this.visible.longest);
    }
    if (!reducedMotion.matches || now - this.drawn > 900) this.draw();
  },

  move(part) {
    const { now } = this.visible;
    const end = (this.end ?? now) + part * this.span;
    this.end = end >= now ? undefined : Math.max(end, now - historyMicroseconds + this.span);
    this.draw();
  },

  zoom(steps) {
    this.span = spans[Math.min(Math.max(spans.indexOf(this.span) + steps, 0), spans.length - 1)];
    this.draw();
  },

  draw() {
    const { lanes, now, lost } = this.visible;
    const end = this.end ?? now;
    setText(byId("timeline-span"), `${this.end === undefined ? "last " : ""}${this.span / 1_000_000} s`);
    byId("follow").setAttribute("aria-pressed", this.end === undefined);
    if (lanes.size === 0 || byId("timeline").hidden) return;
    this.drawn = performance.now();
    setText(byId("timeline-note"), lost > 0 ? `${plural(lost, "record")} lost: unknown in the picture.` : "");
    new Picture(this.canvas, this.visible, end - this.span, end).draw();
  },
};

/** One drawing of a recording, from `start` to `end` (µs of the server's monotonic clock). */
class Picture {
  constructor(canvas, recording, start, end) {
    Object.assign(this, { recording, start, end, context: canvas.getContext("2d"), width: canvas.clientWidth, gap: 34 });
    this.lane = recording.lanes.size > 2 ? 64 : 112;
    this.scale = devicePixelRatio;
    this.clear(canvas, recording.lanes.size * (this.lane + this.gap) + 22);
    const style = getComputedStyle(document.documentElement);
    this.color = (name) => style.getPropertyValue(`--${name}`);
    const rising = [0, 8, 8, 0, -2, 2, 2, -2, 6, 10, 10, 6];
    const falling = [0, 0, 8, 8, -2, 6, 2, 10, 6, -2, 10, 2];
    this.fills = {
      blocking: this.pattern("blocking", 2.5, rising), async: this.color("async"), loop: this.color("strong-line"),
      held: this.pattern("held", 1.6, [...rising, ...falling]), unknown: this.pattern("strong-line", 1, [2, 2, 3, 2, 6, 6, 7, 6]),
    };
  }

  clear(canvas, height) {
    // Setting the size clears the canvas.
    [canvas.width, canvas.height] = [this.width, height].map((side) => Math.round(side * this.scale));
    canvas.style.height = `${height}px`;
    this.context.scale(this.scale, this.scale);
    this.context.font = `12px ${getComputedStyle(canvas).fontFamily}`;
  }

  /** A pattern of lines, given as x0, y0, x1, y1 in a square of 8 pixels. */
  pattern(color, lineWidth, lines) {
    const tile = element("canvas");
    tile.width = tile.height = 8 * this.scale;
    const context = tile.getContext("2d");
    context.scale(this.scale, this.scale);
    Object.assign(context, { strokeStyle: this.color(color), lineWidth });
    for (let index = 0; index < lines.length; index += 4) {
      context.moveTo(lines[index], lines[index + 1]);
      context.lineTo(lines[index + 2], lines[index + 3]);
    }
    context.stroke();
    const pattern = this.context.createPattern(tile, "repeat");
    pattern.setTransform(new DOMMatrix().scale(1 / this.scale));
    return pattern;
  }

  x(time) {
    return Math.round(((time - this.start) / (this.end - this.start)) * this.width);
  }

  draw() {
    const { lanes, longest, now } = this.recording;
    let top = this.gap;
    for (const [hub, lane] of lanes) {
      this.text(hub, 0, top - 18);
      this.drawBins(lane, top);
      Object.assign(this.context, { strokeStyle: this.color("line"), lineWidth: 1 });
      this.context.strokeRect(0.5, top - 0.5, this.width - 1, this.lane + 1);
      for (const { hub: holder, name, began, microseconds } of longest) {
        if (holder === hub) this.drawSlice(name, began, began + microseconds, top);
      }
      if (lane.running) this.drawSlice(lane.running.name, lane.running.since, now, top);
      top += this.lane + this.gap;
    }
    this.drawAxis(top - this.gap);
  }

  /** Draws bins, or means of those that share a pixel. Means begin at multiples of their length, so that they do not flicker. */
  drawBins(lane, top) {
    const { binMicroseconds } = this.recording;
    const step = Math.ceil((this.end - this.start) / binMicroseconds / Math.max(this.width, 1));
    const paths = { blocking: new Path2D(), async: new Path2D(), loop: new Path2D(), unknown: new Path2D(), ink: new Path2D() };
    const first = Math.max(Math.floor(this.start / binMicroseconds / step) * step, 0);
    for (let number = first; number < Math.min(this.end / binMicroseconds, lane.end); number += step) {
      const left = this.x(number * binMicroseconds);
      const width = this.x((number + step) * binMicroseconds) - left;
      const means = this.recording.mean(lane, number, step);
      if (!means) {
        paths.unknown.rect(left, top, width, this.lane);
        continue;
      }
      let bottom = top + this.lane;
      ["blocking", "async", "loop"].forEach((name, index) => {
        const height = (means[index] / 100) * this.lane;
        bottom -= height;
        paths[name].rect(left, bottom, width, height);
      });
      if (means[3] > 0) paths.ink.rect(left, top - 9, 1, 6);
      if (means[4] > 0) this.text("▼", left - 4, top - 8, "held");
    }
    for (const [name, path] of Object.entries(paths)) {
      this.context.fillStyle = this.fills[name] ?? this.color(name);
      this.context.fill(path);
    }
  }

  /** Marks a slice that held its hub. Shorter slices show in the bins. */
  drawSlice(name, since, until, top) {
    if (until - since < heldMicroseconds) return;
    const { context } = this;
    const left = Math.max(this.x(since), 0);
    const width = Math.min(this.x(until), this.width) - left;
    if (width <= 0) return;
    for (const fill of [this.color("page"), this.fills.held]) {
      context.fillStyle = fill;
      context.fillRect(left, top, width, this.lane);
    }
    Object.assign(context, { strokeStyle: this.color("held"), lineWidth: 2 });
    context.strokeRect(left + 1, top, Math.max(width - 2, 1), this.lane);
    [`held ${duration(until - since)}`, name].forEach((line, index) => {
      const lineWidth = context.measureText(line).width;
      if (lineWidth + 16 > width) return;
      const [x, y] = [left + (width - lineWidth) / 2, top + this.lane / 2 - 4 + 18 * index];
      context.fillStyle = this.color("page");
      context.fillRect(x - 4, y - 13, lineWidth + 8, 18);
      this.text(line, x, y);
    });
  }

  drawAxis(top) {
    const { now } = this.recording;
    const widest = Math.min((this.end - this.start) / (this.width / 70), historyMicroseconds);
    const tick = 1_000_000 * [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60].find((seconds) => seconds * 1_000_000 >= widest);
    for (let age = Math.ceil((now - this.end) / tick) * tick; this.x(now - age) > 40; age += tick) {
      const label = age === 0 ? "now" : `−${Number((age / 1_000_000).toFixed(1))} s`;
      this.context.fillStyle = this.color("muted");
      this.context.fillRect(this.x(now - age) - 1, top, 1, 5);
      this.text(label, this.x(now - age) - this.context.measureText(label).width, top + 18, "muted");
    }
  }

  text(text, x, y, color = "ink") {
    this.context.fillStyle = this.color(color);
    this.context.fillText(text, x, y);
  }
}

// MARK: Waiting

/** The buttons and the text below a table that the server sends in pages. */
class Pager {
  constructor(id, onStep) {
    this.node = byId(id);
    this.previous = button("Previous", "", () => onStep(Math.max(this.after - rowLimit, 0)));
    this.following = button("Next", "", () => onStep(this.next));
    this.range = element("span");
    this.node.append(this.previous, this.range, this.following);
    this.node.hidden = true;
  }

  show(after, shown, next) {
    Object.assign(this, { after, next });
    this.node.hidden = after === 0 && next === undefined;
    this.previous.disabled = after === 0;
    this.following.disabled = next === undefined;
    setText(this.range, `${count(after + 1)} to ${count(after + shown)}`);
  }
}

async function fetchJSON(path, query, signal) {
  const response = await fetch(`${path}?${new URLSearchParams(query)}`, { signal });
  if (!response.ok) throw new Error((await response.text()) || `status ${response.status}`);
  return response.json();
}

const waiting = {
  query: { what: "", name: "", sort: "count", after: 0 },
  loading: undefined, // The fetch in flight.

  /** The topic has the first page without a filter. Any other query is fetched with each update. */
  get topics() {
    return this.isPlain ? ["waiting"] : ["state"];
  },

  get isPlain() {
    const { what, name, sort, after } = this.query;
    return !what && !name && sort === "count" && after === 0;
  },

  start() {
    this.table = new Table("groups", [
      textColumn("what", "waits for", { className: "wrap", open: (group) => members.open(group) }),
      textColumn("name"), wordColumn("style"), textColumn("hub"), numberColumn("count"),
      durationColumn("oldestMilliseconds", "oldest", { text: milliseconds }),
    ], {
      attribute: "group", key: (group) => [group.hub, group.style, group.what, group.name].join(" · "),
      sorts: ["count", "oldestMilliseconds"], sort: "count",
      onSort: (field) => this.change({ sort: field === "count" ? "count" : "oldest" }),
    });
    this.pager = new Pager("groups-pager", (after) => this.change({ after }));
    const { form } = byId("filter");
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.change(Object.fromEntries(new FormData(form))), 200);
    });
    members.start();
  },

  change(part) {
    Object.assign(this.query, { after: 0, ...part });
    this.loading?.abort();
    this.loading = undefined;
    connect();
    if (!this.isPlain) this.load();
  },

  async load() {
    if (this.loading) return;
    const loading = (this.loading = new AbortController());
    try {
      const answer = await fetchJSON("threads", { ...this.query, limit: rowLimit }, loading.signal);
      if (!loading.signal.aborted) this.show(answer);
    } catch (error) {
      if (!loading.signal.aborted) setText(byId("waiting-total"), `The query failed: ${error.message}`);
    }
    if (this.loading === loading) this.loading = undefined;
  },

  render(answer) {
    if (this.isPlain) this.show(answer);
    else this.load();
  },

  show({ greenThreads, tasks, groupCount, omitted, silentHubs, groups, next }) {
    const total = `${plural(greenThreads, "green thread")} and ${plural(tasks, "task")}, ${plural(groupCount, "group")}.`;
    const rest = omitted > 0 ? ` ${count(omitted)} of them are in no group.` : "";
    setText(byId("waiting-total"), `${total}${rest} ${silentText(silentHubs)}`);
    this.table.show(groups);
    this.pager.show(this.query.after, groups.length, next);
  },
};

const silentText = (hubs) => hubs.map((hub) => `Hub ${hub} does not answer.`).join(" ");

/** The members of one group: a snapshot, because those of a busy group change faster than anybody can read. */
const members = {
  start() {
    this.table = new Table("rows", [
      textColumn("thread", "green thread", { text: (thread) => thread ?? "task", open: (row) => this.openStack(row) }),
      numberColumn("descriptor", "descriptor", { text: (descriptor) => descriptor ?? missing }),
      numberColumn("milliseconds", "has waited", { text: milliseconds }),
    ], { attribute: "thread", key: ({ thread, key }) => thread ?? key });
    this.pager = new Pager("rows-pager", (after) => this.load(after));
    byId("members-refresh").addEventListener("click", () => this.load(this.pager.after));
    byId("members-close").addEventListener("click", () => this.close());
  },

  open(group) {
    this.group = group;
    setText(byId("members-title"), `${group.name} · ${group.what} · ${group.hub}`);
    byId("members").hidden = false;
    byId("members-title").focus();
    this.table.clearRows();
    this.load(0);
  },

  close() {
    byId("members").hidden = true;
    this.table.clearRows();
  },

  async load(after) {
    const { hub, style, what, name } = this.group;
    try {
      const { rows, next } = await fetchJSON("threads/rows", { hub, style, what, name, limit: rowLimit, after });
      this.table.show(rows.map((row, index) => ({ ...row, key: `task ${after + index + 1}` })));
      this.pager.show(after, rows.length, next);
      setText(byId("members-time"), `at ${new Date().toLocaleTimeString()}`);
    } catch (error) {
      setText(byId("members-time"), `The query failed: ${error.message}`);
    }
  },

  async openStack({ thread }) {
    if (thread === undefined) return openStack("Task", "A suspended task has no stack.");
    try {
      const { name, state, stack } = await fetchJSON("threads/stack", { hub: this.group.hub, thread });
      openStack(`Green thread ${thread} "${name}"`, state, stack);
    } catch (error) {
      openStack(`Green thread ${thread}`, error.message);
    }
  },
};

// MARK: Routes, migration and bridges

const routeName = ({ method, path }) => `${method} ${path}`;

const routes = {
  topics: ["routes"],
  histories: new Histories(8),

  start() {
    this.table = new Table("routes-table", [
      textColumn("path", "route", { value: routeName, text: (name, { path }) => (path ? name : `${name}(no route)`) }),
      wordColumn("style"), textColumn("migration"),
      numberColumn("requestsPerSecond", "requests/s", { value: (route) => this.histories.rate(routeName(route)), text: rate }),
      numberColumn("requests"), durationColumn("p50Microseconds", "p50"), durationColumn("p99Microseconds", "p99"),
      durationColumn("maximumMicroseconds", "max"),
      numberColumn("clientErrors", "4xx"), numberColumn("serverErrors", "5xx"), numberColumn("active"),
      numberColumn("bridges", "bridges/request", { value: bridgesOf, text: (bridges, { requests }) => rate(bridges / requests) }),
    ], { attribute: "route", key: routeName, sorts: true });
  },

  record({ routes: items }) {
    this.histories.record(performance.now() / 1_000, items, routeName, ({ requests }) => [requests]);
  },

  render({ routes: items, windowSeconds }) {
    this.table.show(items);
    setText(byId("routes-window"), `Latencies of the last ${windowSeconds} s, rates of the last ${rateSeconds()} s`);
  },
};

const migratingName = ({ method, route }) => `${method} ${route}`;
const compared = ({ comparisons }, run) => sum(comparisons[run]);
const matching = ({ comparisons }, run) => (comparisons[run]?.match ?? 0) + (comparisons[run]?.ignored ?? 0);

function guardText(isRolledBack, { rollbacks }) {
  if (isRolledBack) return "rolled back";
  return rollbacks > 0 ? plural(rollbacks, "rollback") : "ok";
}

const migration = {
  topics: ["migration"],

  start() {
    const p99 = (run, title) => durationColumn(run, title, { value: ({ durations }) => durations[run]?.p99Microseconds });
    const requests = (side) => numberColumn(side, `to ${side}`, { value: (route) => sum(route.requests[side]) });
    const part = (field, run, value) => numberColumn(field, field, {
      value, text: (number, route) => share(number, compared(route, run), 2),
    });
    this.table = new Table("migration-table", [
      textColumn("route", "route", { value: migratingName }), textColumn("mode"), wordColumn("verdict"),
      textColumn("rolledBack", "guard", { text: guardText }),
      wordColumn("oldStyle", "old", "style"), wordColumn("newStyle", "new", "style"), requests("old"), requests("new"),
      numberColumn("comparisons", "compared", { value: (route) => compared(route, "candidate") }),
      part("match", "candidate", (route) => matching(route, "candidate")),
      part("noise", "control", (route) => compared(route, "control") - matching(route, "control")),
      p99("answer", "p99 ≤"), p99("candidate", "candidate ≤"), p99("control", "control ≤"),
      numberColumn("skipped", "skipped", { value: ({ skipped }) => sum(skipped) }),
    ], { attribute: "route", key: migratingName });
    this.differences = new Table("differences", [
      textColumn("part"), textColumn("route"), wordColumn("verdict"), numberColumn("candidates"), numberColumn("controls"),
      textColumn("samples", "newest differences", { className: "wrap", text: (samples) => samples.join("; ") || missing }),
    ], { attribute: "part", key: ({ route, part }) => `${route} ${part}` });
  },

  render({ enabled, inFlight, hubsWithoutAnswer, routes: items }) {
    const silent = hubsWithoutAnswer > 0 ? ` ${plural(hubsWithoutAnswer, "hub")} did not answer: older numbers.` : "";
    const total = `Migration is ${enabled ? "enabled" : "off"}, ${plural(inFlight, "sampled request")} in flight.${silent}`;
    setText(byId("migration-total"), items.length > 0 ? total : "");
    this.table.show(items);
    this.differences.show(items.flatMap((route) => route.parts.map((part) => ({ ...part, route: migratingName(route) }))));
  },
};

const siteKey = ({ direction, file, line, greenThread }) => `${direction} ${file}:${line} ${greenThread}`;

const bridges = {
  topics: ["bridges"],
  histories: new Histories(8),

  start() {
    this.table = new Table("bridges-table", [
      textColumn("file", "call site", { value: ({ file, line }) => `${file}:${line}` }), textColumn("direction"),
      textColumn("greenThread", "green thread"),
      numberColumn("callsPerSecond", "calls/s", { value: (site) => this.histories.rate(siteKey(site)), text: rate }),
      numberColumn("calls"),
    ], { attribute: "site", key: siteKey, sorts: true, sort: "calls" });
  },

  record({ sites }) {
    this.histories.record(performance.now() / 1_000, sites, siteKey, ({ calls }) => [calls]);
  },

  render({ sites, hubsWithoutAnswer }) {
    const totals = ["to async", "to blocking"].map((direction) => {
      const rates = sites.filter((site) => site.direction === direction).map((site) => this.histories.rate(siteKey(site)));
      return `${rate(sum(rates))} calls/s ${direction}`;
    });
    setText(byId("bridges-total"), `${sites.length > 0 ? `${totals.join(", ")}.` : ""} ${silentText(hubsWithoutAnswer)}`);
    this.table.show(sites);
  },
};

// MARK: The stream of events

/** The events of the server. Shows why there is no connection, and reconnects. */
class Stream {
  attempts = 0;

  /** One stream for fast changes of tabs: a closed one keeps its place among the viewers for a moment. */
  open(topics, every) {
    this.close();
    this.timer = setTimeout(() => this.start(topics, every), 100);
  }

  start(topics, every) {
    const source = (this.source = new EventSource(`events?topics=${topics.join(",")}&every=${every}`));
    for (const topic of topics) source.addEventListener(topic, (event) => this.received(topic, event));
    source.addEventListener("error", () => this.failed(source));
    this.longestSilence = 2 * every + 20;
    this.retryIn(this.longestSilence);
  }

  close() {
    this.source?.close();
    this.source = undefined;
    clearTimeout(this.timer);
  }

  retryIn(seconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(reconnect, 1_000 * seconds);
  }

  /** A connection can end without an error, as when a laptop sleeps. So each event postpones a new connection. */
  received(topic, event) {
    this.attempts = 0;
    this.retryIn(this.longestSilence);
    showConnection("live");
    receive(topic, JSON.parse(event.data));
  }

  /** The browser reconnects, unless the server has refused the stream. */
  failed(source) {
    if (source !== this.source) return;
    if (source.readyState === EventSource.CLOSED) this.diagnose(source);
    else showConnection("reconnecting");
  }

  /** EventSource hides the status of the answer. `state` has no limit of viewers, so its status tells the reasons apart. */
  async diagnose(source) {
    const response = await fetch("state").catch(() => undefined);
    if (source !== this.source) return;
    this.attempts += 1;
    this.retryIn(Math.min(2 ** this.attempts, 30));
    if (!response) showConnection("reconnecting");
    else showConnection([401, 403].includes(response.status) ? "not authorized" : "too many viewers");
    if (response?.ok) receive("state", await response.json());
  }
}

// MARK: The page

const sections = { overview, timeline, waiting, routes, migration, bridges };
let latest = {}; // The newest data of each topic.
let current = overview;
let isPaused = false;
let connection = "connecting";
let connected = ""; // Topics and interval of the open stream.
const rendered = new Set(); // Topics that the current section has shown: while paused, each is shown once.

const interval = () => Number(byId("every").value);
const rateSeconds = () => Math.max(leastRateSeconds, interval());

const stream = new Stream();

function showConnection(state) {
  connection = state;
  const status = isPaused && connection === "live" ? "paused" : connection;
  setText(byId("status"), status);
  setData(byId("status"), "status", status);
}

function receive(topic, data) {
  if (topic === "state") {
    if (latest.state && latest.state.instance !== data.instance) forget();
    overview.record(data);
  } else sections[topic].record?.(data);
  latest[topic] = data;
  if (!isPaused || !rendered.has(topic)) render(topic);
}

/** Drops what the page knows about a process that has ended. */
function forget() {
  latest = {};
  overview.requests = new Samples(64);
  timeline.recording = new Recording();
  for (const { histories } of [overview, routes, bridges]) histories.clear();
}

function render(topic) {
  rendered.add(topic);
  if (topic === "state") showProcess(latest.state);
  if (current.topics.includes(topic)) current.render(latest[topic]);
}

function renderAll() {
  for (const topic of Object.keys(latest)) render(topic);
}

function showProcess({ service, version, phase, isReady, uptimeMicroseconds, hubs, pid, attention }) {
  setText(byId("service"), service);
  const readiness = isReady || phase !== "serving" ? phase : `${phase}, not ready`;
  const facts = [version, readiness, `up ${uptime(uptimeMicroseconds)}`, plural(hubs.length, "hub"), `pid ${pid}`];
  setText(byId("process"), facts.join(" · "));
  setText(byId("attention-count"), attention.length > 0 ? `▲ ${attention.length}` : "");
  document.title = `${attention.length > 0 ? `(${attention.length}) ` : ""}${service}`;
}

/** Connects with the topics that the current section needs, unless that stream is open already. */
function connect() {
  const topics = [...new Set(["state", ...current.topics])];
  const wanted = document.hidden ? "" : `${topics} ${interval()}`;
  if (wanted === connected) return;
  connected = wanted;
  if (document.hidden) {
    stream.close();
    showConnection("connecting");
  } else stream.open(topics, interval());
}

function reconnect() {
  if (connection === "live") showConnection("reconnecting");
  connected = "";
  connect();
}

function selectSection() {
  const name = Object.hasOwn(sections, location.hash.slice(1)) ? location.hash.slice(1) : "overview";
  const previous = current;
  current = sections[name];
  for (const key of Object.keys(sections)) byId(key).hidden = key !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (previous !== current) {
    previous.table.clearRows();
    previous.differences?.clearRows();
    timeline.listed = 0;
    rendered.clear();
  }
  renderAll();
  connect();
}

function pause() {
  isPaused = !isPaused;
  timeline.freeze(isPaused);
  byId("pause").setAttribute("aria-pressed", isPaused);
  showConnection(connection);
  if (!isPaused) renderAll();
}

function focusFilter() {
  location.hash = "waiting";
  selectSection(); // The event comes too late: a hidden field cannot have the focus.
  byId("filter").focus();
}

const keys = {
  p: pause,
  "/": focusFilter,
  e: () => byId("export").click(),
  "?": () => byId("help").showModal(),
  ArrowLeft: () => timeline.move(-0.25),
  ArrowRight: () => timeline.move(0.25),
  Home: () => timeline.move(Infinity),
  "+": () => timeline.zoom(-1),
  "-": () => timeline.zoom(1),
};
Object.keys(sections).forEach((name, index) => (keys[index + 1] = () => (location.hash = name)));

function pressed(event) {
  const { key, target } = event;
  const isTyping = target.closest?.("input, select, dialog");
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping || !keys[key] || !byId("shortcuts").checked) return;
  if (/^(Arrow|Home|[-+])/.test(key) && current !== timeline) return;
  if (key.length > 1 && target.closest?.(".scroll")) return; // The arrows scroll the table.
  event.preventDefault();
  keys[key]();
}

for (const section of Object.values(sections)) section.start();
addEventListener("hashchange", selectSection);
addEventListener("keydown", pressed);
document.addEventListener("visibilitychange", connect);
byId("every").addEventListener("change", connect);
for (const node of document.querySelectorAll("[data-key]")) node.addEventListener("click", keys[node.dataset.key]);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // The hash names the section.
  byId("main").focus();
});
selectSection();
