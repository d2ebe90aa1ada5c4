'use strict';
// How values read, and how elements are made. What the gateway says is data: it becomes text, never markup.

const SVG = 'http://www.w3.org/2000/svg';

/** An element; attributes that are null or false are left out, children are elements or text. */
function make(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function drawn(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/** Makes `old` look like `wanted` and touches nothing that does already: selections and focus stay. */
function become(old, wanted) {
  for (const { name } of [...old.attributes]) if (!wanted.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of wanted.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const [is, shall] = [[...old.childNodes], [...wanted.childNodes]];
  shall.forEach((next, at) => {
    const now = is[at];
    if (!now) old.append(next);
    else if (now.nodeName !== next.nodeName) now.replaceWith(next);
    else if (now.nodeType !== Node.ELEMENT_NODE) { if (now.data !== next.data) now.data = next.data; }
    else become(now, next);
  });
  for (const extra of is.slice(shall.length)) extra.remove();
}

const sum = (numbers) => numbers.reduce((total, n) => total + n, 0);
const count = (n) => n.toLocaleString('en');
const many = (n, one, more) => `${count(n)} ${n === 1 ? one : more || one + 's'}`;

function rate(n) {
  if (n === null) return '\u2013';
  return n === 0 ? '0' : n < 10 ? n.toFixed(1) : count(Math.round(n));
}

/** Seconds as people say them. */
function span(seconds) {
  const s = Math.abs(seconds);
  if (s < 0.9995) return `${Math.round(s * 1000)} ms`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${Math.floor(s)} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} days`;
}

const two = (n) => String(n).padStart(2, '0');
const clock = (date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
const day = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;

/** A moment: the time of day where it is today's, else with its date. */
function moment(date, now) {
  return day(date) === day(now) ? clock(date) : `${day(date)} ${clock(date)}`;
}

/** `text` is a date of the gateway's, `now` its clock; nothing for null. */
function when(text, now) {
  if (!text) return null;
  const date = new Date(text);
  const ago = (now - date) / 1000;
  const words = ago < 0 ? `in ${span(ago)}` : ago < 1 ? 'just now' : `${span(ago)} ago`;
  return make('time', { datetime: text }, `${moment(date, now)} (${words})`);
}

/** A word of the gateway's that may break after its underscores. */
function word(text) {
  const parts = text.split('_');
  return make('code', null, parts.map((part, at) => (at < parts.length - 1 ? [part + '_', make('wbr')] : part)));
}

function state(text, kind) {
  return make('span', { class: `state ${kind}` }, text);
}

/** Terms and what is to be said of them; those with nothing are left out. */
function facts(pairs) {
  const said = pairs.filter(([, value]) => value !== null && value !== undefined && value !== false);
  return make('dl', { class: 'facts' }, said.map(([term, value]) => [make('dt', null, term), make('dd', null, value)]));
}

/** Numbers with their names; `kind` only where the number isn't zero. */
function tiles(list) {
  const tile = ([term, value, kind]) => {
    const zero = value === '0' || value === 0;
    return make('div', null, make('dt', null, term),
      make('dd', { class: zero ? 'zero' : kind || null }, typeof value === 'number' ? count(value) : value));
  };
  return make('dl', { class: 'tiles' }, list.map(tile));
}

/** A table; a column is its heading and a class, the first cell of a row is the row's heading. The caption is seen only
 * where no heading says the same. */
function table(caption, columns, rows) {
  const heads = columns.map(([text, kind]) => make('th', { scope: 'col', class: kind || null }, text));
  const cell = (value, at) => at === 0
    ? make('th', { scope: 'row', class: columns[at][1] || null }, value)
    : make('td', { class: columns[at][1] || null }, value);
  return make('table', null, make('caption', null, caption), make('thead', null, make('tr', null, heads)),
    make('tbody', null, rows.map((row) => make('tr', null, row.map(cell)))));
}
