// The page as the keeper renders it, kept up to date by its events; and what no server can say: that the keeper says nothing any more.
"use strict";
(() => {
  const SILENT_MS = 10000, RECONNECT_MS = 4000, AGAIN_MS = 5000;
  const link = document.getElementById("link"), gone = document.getElementById("gone");
  let skew = Date.now() - Number(document.body.dataset.now); // this clock minus the keeper's
  let heard = performance.now(), broken = 0, seen = Date.now() - skew, source = null;

  const two = (number) => String(number).padStart(2, "0");
  const clock = (ms) => { const at = new Date(ms); return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} UTC`; };
  const UNITS = [["d", 86400000], ["h", 3600000], ["min", 60000], ["s", 1000]];

  // As the keeper says it: the two largest units, rounded down.
  function lasting(ms) {
    const at = UNITS.findIndex(([, size]) => ms >= size);
    if (at < 0) return "0 s";
    const [[unit, size], next] = [UNITS[at], UNITS[at + 1]];
    const rest = next ? Math.floor((ms % size) / next[1]) : 0;
    return `${Math.floor(ms / size)} ${unit}${rest ? ` ${rest} ${next[0]}` : ""}`;
  }
  const ago = (at, now) => Math.abs(now - at) < 1000 ? "now" : at < now ? `${lasting(now - at)} ago` : `in ${lasting(at - now)}`;
  const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  function tick() {
    const now = Date.now() - skew;
    for (const each of document.querySelectorAll("time[data-at]")) put(each, ago(Number(each.dataset.at), now));
    const tile = document.getElementById("evaluated");
    const late = tile && tile.dataset.evaluated && now - Number(tile.dataset.evaluated) > Number(tile.dataset.late);
    if (tile) tile.classList.toggle("late", Boolean(late));
    const quiet = performance.now() - heard;
    const lost = quiet > SILENT_MS || (broken && performance.now() - broken > RECONNECT_MS);
    document.body.classList.toggle("gone", Boolean(lost));
    link.className = `link ${broken || lost ? "off" : "on"}`;
    put(link, lost ? "Disconnected" : broken ? "Reconnecting…" : "Live");
    const words = lost
      ? `Disconnected from the keeper. What you see is as of ${clock(seen)} and may be wrong now: it may have stopped, or the way to it is cut.`
      : late ? `No block was evaluated since ${clock(Number(tile.dataset.evaluated))}, although the keeper answers.` : "";
    if (gone.textContent !== words) gone.textContent = words; // said once when it changes, not at each second
    gone.hidden = !words;
  }

  // Who reads with the keyboard stays where they are.
  function place(section) {
    const at = document.activeElement;
    if (!at || !section.contains(at)) return () => {};
    const same = (each) => each.tagName === at.tagName && each.getAttribute("href") === at.getAttribute("href");
    const number = [...section.querySelectorAll("a,[tabindex]")].filter(same).indexOf(at);
    return () => { const found = [...section.querySelectorAll("a,[tabindex]")].filter(same); if (found.length) found[Math.min(number, found.length - 1)].focus({ preventScroll: true }); };
  }

  function listen() {
    source = new EventSource("/status/events");
    const alive = (event) => {
      const said = JSON.parse(event.data);
      heard = performance.now();
      broken = 0;
      seen = said.now;
      skew = Date.now() - said.now;
      return said;
    };
    source.addEventListener("parts", (event) => {
      for (const [name, html] of Object.entries(alive(event).parts)) {
        const section = document.getElementById(`part-${name}`);
        if (!section) continue;
        const back = place(section);
        section.innerHTML = html; // escaped by the keeper's templates; no script runs from it under this page's policy
        back();
      }
      tick();
    });
    source.addEventListener("beat", (event) => { alive(event); tick(); });
    source.onerror = () => {
      broken = broken || performance.now();
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS); // an answer that is no stream: refused, or too many
      tick();
    };
  }

  // A connection that died without a word is closed and tried anew.
  setInterval(() => {
    if (performance.now() - heard > 2 * SILENT_MS && source && source.readyState === EventSource.OPEN) { source.close(); broken = broken || performance.now(); listen(); }
    tick();
  }, 1000);
  window.addEventListener("pagehide", () => source && source.close());
  listen();
})();
