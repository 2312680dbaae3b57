"use strict";
// Making elements, and putting numbers and rules into words. Whatever came from a client is put on
// the page as text, never as markup.

const $ = (id) => document.getElementById(id);

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null && child !== ""));
  return node;
}

const two = (number) => String(number).padStart(2, "0");

function span(seconds) {
  if (seconds == null) return "open end";
  const s = Math.max(0, Math.round(seconds));
  const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  return (d ? d + "d " : "") + (s >= 3600 ? h + ":" + two(m) : m) + ":" + two(s % 60);
}

function shortSpan(seconds) {
  if (seconds == null) return "open end";
  const parts = [[Math.floor(seconds / 3600), "h"], [Math.floor(seconds / 60) % 60, "m"], [Math.round(seconds % 60), "s"]];
  return parts.filter(([count]) => count).map(([count, unit]) => count + unit).join(" ") || "0s";
}

const utc = (ms) => new Date(ms).toISOString();
const hour = (ms) => utc(ms).slice(11, 23);
const local = (date) => date.toTimeString().slice(0, 8);

function latency(ms) {
  if (ms < 1000) return ms + " ms";
  return ms < 100000 ? (ms / 1000).toFixed(1) + " s" : span(ms / 1000);
}

function grouped(amount) {
  const [whole, rest] = amount.split(".");
  const grouping = whole.replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return rest === undefined ? grouping : grouping + "." + rest;
}

const percent = (share) => +(share * 100).toPrecision(4) + "\u00a0%";
const inWords = (name) => name.replaceAll("_", " ");

function said(value) {
  // `{"hang": "30s"}` as `hang 30s`
  if (typeof value !== "object" || value === null) return String(value);
  return Object.entries(value).map(([key, part]) => (key + " " + said(part)).trim()).join(" ");
}

function partWords(part) {
  const { kind, ...more } = part;
  if (kind === "apply_share") return "apply " + percent(more.value);
  if (kind === "apply_after" || kind === "apply_then_void") return inWords(kind) + " " + shortSpan(more.value);
  const words = Object.entries(more).map(([key, value]) => {
    if (key === "seconds") return shortSpan(value);
    if (key === "share") return percent(value);
    if (key === "body") return value ? "with a body" : "";
    if (key === "channels" || key === "keep") return (key === "keep" ? "but " : "") + value.join(", ");
    return typeof value === "object" ? said(value) : String(value);
  });
  return [inWords(kind), ...words].filter(Boolean).join(" ");
}
