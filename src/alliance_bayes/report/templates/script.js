/* Tables that can be sorted and saved as CSV, one by one or all at once, and figures that can be saved. The page is whole without this script, and with it makes no request. */
(() => {
  "use strict";

  // A number at the start of a cell: "−1,234.5", "12%", "< 10", "about 40", "(−0.3 to 0.9)"; not a version or a date.
  const DIGITS = "(?:\\d{1,3}(?:[,\\u00a0\\u2009\\u202f]\\d{3})+|\\d+)?(?:\\.\\d+)?(?:[eE][+\\-−]?\\d+)?";
  const LEADING = new RegExp(`^([<>≤≥]?)\\s*(?:about )?[\\[(]?\\s*([+\\-−]?(?:∞|(?=[\\d.])${DIGITS}))(?=$|[\\s%,;)\\]–])`, "u");
  const PLAIN = new RegExp(`^[+\\-−]?(?=[\\d.])${DIGITS}%?$`, "u");
  const MISSING = /^[\s–—-]*$/u;
  const WORDS = new Intl.Collator("en", { numeric: true });
  const NEXT = { none: "ascending", ascending: "descending", descending: "none" };

  const ascii = (number) => number.replace(/−/gu, "-").replace(/(?<=\d)[,\u00a0\u2009\u202f](?=\d{3})/gu, "");
  const rowsOf = (table) => [...table.tBodies[0].rows];
  const textOf = (row, column) => row.cells[column].textContent;

  /* What a cell is sorted by: its first number, and whether it says "less than" or "more than" that. */
  function numberOf(text) {
    const found = LEADING.exec(text.trim());
    if (!found) return null;
    const value = Number(ascii(found[2]).replace("∞", "Infinity"));
    return [value, "<≤".includes(found[1] || "?") ? -1 : ">≥".includes(found[1] || "?") ? 1 : 0];
  }

  function sorted(rows, column, direction) {
    const given = rows.map((row) => ({ row, text: textOf(row, column), number: numberOf(textOf(row, column)) }));
    const there = given.filter((item) => !MISSING.test(item.text));
    const numeric = 2 * there.filter((item) => item.number).length > there.length;
    // Numbers come before words, and what is missing last, whichever the direction.
    const rank = (item) => (MISSING.test(item.text) ? 2 : numeric && !item.number ? 1 : 0);
    const sign = direction === "descending" ? -1 : 1;
    return given
      .sort((a, b) => {
        if (rank(a) !== rank(b)) return rank(a) - rank(b);
        if (!numeric || rank(a)) return sign * WORDS.compare(a.text, b.text);
        // Infinities are compared, not subtracted.
        if (a.number[0] !== b.number[0]) return sign * (a.number[0] < b.number[0] ? -1 : 1);
        return sign * (a.number[1] - b.number[1]);
      })
      .map((item) => item.row);
  }

  function makeSortable(table, original) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const direction = NEXT[heading.getAttribute("aria-sort") || "none"];
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        if (direction !== "none") heading.setAttribute("aria-sort", direction);
        table.tBodies[0].append(...(direction === "none" ? original : sorted(original, column, direction)));
      });
    });
  }

  /* Numbers as programs read them; a spreadsheet must not take a label for a formula. */
  function field(text) {
    let value = text;
    if (PLAIN.test(value)) value = ascii(value);
    else if (/^[[(][^a-z]*( to )?[^a-z]*[\])]$/u.test(value)) value = value.replace(/−/gu, "-");
    else if (/^\s*[=+\-@＝＋－＠]|^[\t\r\n]/u.test(value)) value = `'${value}`;
    return /[",;\r\n\t]|^\s|\s$/u.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  }

  const csv = (headings, rows) =>
    [headings, ...rows].map((row) => `${[...row.cells].map((cell) => field(cell.textContent)).join(",")}\r\n`).join("");

  const fileWords = (text) =>
    [...text.normalize("NFKC").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/gu, "")].slice(0, 80).join("");
  /* The first line holds the headings, so the caption goes into the file's name. */
  const fileName = (table, caption) => `${table.id.replace(/-all$/u, "")}-${fileWords(caption)}.csv`;
  // Excel takes a file for UTF-8 only when it begins with this mark.
  const encoded = (text) => new TextEncoder().encode(`\ufeff${text}`);

  function save(name, parts, type) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(parts, { type }));
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  function makeSavable(table, whole, original) {
    const caption = document.getElementById(`${table.id}-name`);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "save";
    button.textContent = whole === table ? "Download CSV" : `Download CSV (${original.length} rows)`;
    button.setAttribute("aria-describedby", caption.id);
    button.addEventListener("click", () => save(
      fileName(table, caption.textContent), [encoded(csv(whole.tHead.rows[0], original))], "text/csv;charset=utf-8"));
    table.closest(".scroll").after(button);
  }

  const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
    let code = byte;
    for (let bit = 0; bit < 8; bit += 1) code = code & 1 ? 0xedb88320 ^ (code >>> 1) : code >>> 1;
    return code;
  });
  const crc32 = (bytes) => ~bytes.reduce((code, byte) => CRC[(code ^ byte) & 255] ^ (code >>> 8), -1) >>> 0;

  /* Fields of a record, little-endian: [bytes, value, bytes, value, ...]. */
  function record(...fields) {
    const size = fields.reduce((sum, field, place) => sum + (place % 2 ? 0 : field), 0);
    const view = new DataView(new ArrayBuffer(size));
    for (let place = 0, at = 0; place < fields.length; at += fields[place], place += 2) {
      if (fields[place] === 2) view.setUint16(at, fields[place + 1], true);
      else view.setUint32(at, fields[place + 1], true);
    }
    return new Uint8Array(view.buffer);
  }

  /* The parts of a ZIP archive of [name, bytes], uncompressed: APPNOTE.TXT 6.3, sections 4.3.7, 4.3.12 and 4.3.16.
     It is dated as early as the format can say, so that one page always gives the same archive. */
  function zip(files) {
    const parts = [], directory = [];
    let at = 0;
    for (const [text, bytes] of files) {
      const name = new TextEncoder().encode(text);
      // Version 2.0; names are UTF-8 (0x0800); stored; midnight of 1 January 1980.
      const common = [2, 20, 2, 0x0800, 2, 0, 2, 0, 2, 0x21, 4, crc32(bytes), 4, bytes.length, 4, bytes.length,
        2, name.length, 2, 0];
      const local = record(4, 0x04034b50, ...common);
      parts.push(local, name, bytes);
      directory.push(record(4, 0x02014b50, 2, 20, ...common, 2, 0, 2, 0, 2, 0, 4, 0, 4, at), name);
      at += local.length + name.length + bytes.length;
    }
    const size = directory.reduce((sum, part) => sum + part.length, 0);
    const end = record(4, 0x06054b50, 2, 0, 2, 0, 2, files.length, 2, files.length, 4, size, 4, at, 2, 0);
    return [...parts, ...directory, end];
  }

  /* Every table as a file of its own, numbered in the page's order, and a list that says what each of them is. */
  function archive(tables, originals) {
    const digits = String(tables.length).length;
    const rows = [["File", "Section", "Table", "Rows", "Note"]];
    const files = tables.map(({ table, whole, note }, place) => {
      const caption = document.getElementById(`${table.id}-name`).textContent;
      const name = `${String(place + 1).padStart(digits, "0")}-${fileName(table, caption)}`;
      const section = table.closest("section[aria-labelledby]");
      const heading = section ? document.getElementById(section.getAttribute("aria-labelledby")).textContent : "";
      rows.push([name, heading, caption, String(originals.get(whole).length), note]);
      return [name, encoded(csv(whole.tHead.rows[0], originals.get(whole)))];
    });
    const list = rows.map((row) => `${row.map(field).join(",")}\r\n`).join("");
    return zip([[`${"0".repeat(digits)}-contents.csv`, encoded(list)], ...files]);
  }

  /* A browser drops some of many files saved in quick succession, so there is one of everything. */
  function makeAllSavable(tables, originals) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "save";
    button.textContent = `Download all ${tables.length} tables (ZIP of CSV files)`;
    button.addEventListener("click", () =>
      save(`${fileWords(document.title)}-tables.zip`, archive(tables, originals), "application/zip"));
    document.querySelector("header.title").append(button);
  }

  /* What a narrow screen needs of a table: see style.css. Cells hold what they held, so files and sorting do not change. */
  function prepare(table) {
    const headings = [...table.tHead.rows[0].cells];
    table.dataset.prepared = "";
    const wide = headings.filter((heading) => heading.dataset.column === "second");
    if (wide.length) table.closest(".scroll").dataset.wide = wide.map((heading) => heading.textContent).join(", ");
    for (const row of [table.tHead.rows[0], ...rowsOf(table)]) {
      headings.forEach(({ dataset: { column }, textContent }, place) => {
        const cell = row.cells[place];
        if (column) cell.dataset.column = column;
        if (column === "range") row.cells[place - 1].dataset.range = cell.textContent;
        if (cell !== headings[place]) {
          cell.dataset.label = textContent;
          if (MISSING.test(cell.textContent)) cell.classList.add("none");
          // A browser forgets that a row is a row when it is not laid out as one.
          cell.setAttribute("role", place ? "cell" : "rowheader");
        }
      });
    }
    table.setAttribute("role", "table");
    for (const part of [table.tHead, ...table.tBodies]) part.setAttribute("role", "rowgroup");
    for (const row of table.rows) row.setAttribute("role", "row");
    for (const heading of headings) heading.setAttribute("role", "columnheader");
  }

  /* "WHO-5" and "(1.6 to 2.9)" stay on one line. */
  const WHOLE = /[A-Z]{2,}-\d+|\([\d.,−%]+ to [\d.,−%]+\)|--[a-z-]+/gu;
  function keepWhole(root) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
      const text = walker.currentNode;
      if (text.data.match(WHOLE) && !text.parentElement.closest("svg, pre, code, script, style")) found.push(text);
    }
    for (const text of found) {
      for (const { 0: words, index } of [...text.data.matchAll(WHOLE)].reverse()) {
        const part = text.splitText(index);
        part.splitText(words.length);
        const whole = document.createElement("span");
        whole.className = "whole";
        part.replaceWith(whole);
        whole.append(part);
      }
    }
  }

  /* A figure as a file of its own: in the colours of paper, with its own background, and letters of the page's kind. */
  function drawingOf(picture) {
    const copy = picture.cloneNode(true);
    const { width, height } = picture.viewBox.baseVal;
    copy.removeAttribute("class");
    copy.setAttribute("font-family", getComputedStyle(document.body).fontFamily);
    const paper = document.createElementNS(picture.namespaceURI, "rect");
    Object.entries({ width, height, fill: "#ffffff" }).forEach(([name, value]) => paper.setAttribute(name, value));
    const first = [...copy.children].find((child) => !["title", "desc"].includes(child.localName));
    copy.insertBefore(paper, first || null);
    return new XMLSerializer().serializeToString(copy);
  }

  // Pixels of a saved picture for one of the page: 288 in an inch.
  const FINE = 3;
  function savePixels(name, text, picture) {
    const drawn = new Image();
    drawn.addEventListener("load", () => {
      const canvas = document.createElement("canvas");
      canvas.width = FINE * picture.width.baseVal.value;
      canvas.height = FINE * picture.height.baseVal.value;
      canvas.getContext("2d").drawImage(drawn, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((made) => save(name, [made], "image/png"), "image/png");
    });
    drawn.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  }

  const bytesOf = (url) => Uint8Array.from(atob(url.slice(url.indexOf(",") + 1)), (letter) => letter.charCodeAt(0));

  /* Two buttons below a figure; of one that is made of pixels already, one. */
  function makeFigureSavable(figure) {
    const picture = figure.querySelector("svg.picture, img.picture");
    if (!picture) return;
    const title = (figure.querySelector("figcaption b") || document.querySelector("h1")).textContent.replace(/\.$/u, "");
    const name = fileWords(title);
    const kinds = picture.localName === "img"
      ? { PNG: () => save(`${name}.png`, [bytesOf(picture.src)], "image/png") }
      : {
        SVG: () => save(`${name}.svg`, [drawingOf(picture)], "image/svg+xml"),
        PNG: () => savePixels(`${name}.png`, drawingOf(picture), picture),
      };
    const row = document.createElement("p");
    row.className = "saves";
    for (const [kind, act] of Object.entries(kinds)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `Save as ${kind}`;
      button.setAttribute("aria-label", `Save as ${kind}: ${title}`);
      button.addEventListener("click", act);
      row.append(button);
    }
    // Where the words of a figure open on demand, its files are with them.
    const folded = figure.querySelector("figcaption > details");
    if (folded) folded.querySelector("summary").after(row);
    else figure.querySelector("figcaption").after(row);
  }

  document.querySelectorAll("main figure").forEach(makeFigureSavable);

  const tables = [...document.querySelectorAll("main table[id]")];
  tables.forEach(prepare);
  keepWhole(document.body);
  const originals = new Map(tables.map((table) => [table, rowsOf(table)]));
  const kept = [];
  for (const table of tables) {
    // A table that shows some of its rows is saved with all of them.
    const whole = document.getElementById(`${table.id}-all`) || table;
    const after = (table.closest(".excerpt") || table.closest(".scroll")).nextElementSibling;
    const note = after && after.matches("p.note") ? after.textContent.trim() : "";
    if (!tables.some((other) => `${other.id}-all` === table.id)) kept.push({ table, whole, note });
    // The summary has an order of its own.
    if (originals.get(table).length > 1 && table.id !== "table-summary") makeSortable(table, originals.get(table));
    makeSavable(table, whole, originals.get(whole));
  }
  if (kept.length > 1) makeAllSavable(kept, originals);

  const tooWide = (box) => box.scrollWidth > box.clientWidth + 1;

  /* A table that has no room is set tighter, and where that is not enough its rows become cards; all are measured before
     any is changed. */
  function stack(boxes) {
    let wide = boxes.map((box) => box.querySelector(":scope > table")).filter((table) => table);
    wide.forEach((table) => table.classList.remove("tight", "stacked"));
    for (const way of ["tight", "stacked"]) {
      wide = wide.filter((table) => tooWide(table.parentElement));
      wide.forEach((table) => table.classList.add(way));
    }
  }

  // A box is a stop for the keyboard, and a landmark, only while there is something to scroll in it.
  const widths = new WeakMap();
  const watch = new ResizeObserver((entries) => {
    const boxes = entries.map(({ target }) => target).filter((box) => widths.get(box) !== box.clientWidth);
    stack(boxes);
    for (const target of boxes) {
      widths.set(target, target.clientWidth);
      const wide = tooWide(target);
      target.setAttribute("role", wide ? "region" : "group");
      if (wide) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  document.querySelectorAll(".scroll").forEach((box) => watch.observe(box));

  // What a link leads to may be folded.
  const unfold = () => {
    const found = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let box = found; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
    if (found) found.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  if (location.hash) unfold();

  // The contents are folded on a narrow screen only.
  const contents = document.querySelector("nav.contents details");
  const roomy = matchMedia("(min-width: 37.5rem)");
  const fold = () => { contents.open = roomy.matches; };
  roomy.addEventListener("change", fold);
  fold();

  // Browsers that cannot open details by style alone print what belongs on paper all the same.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details.printed:not([open])")];
    opened.forEach((box) => { box.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((box) => { box.open = false; }));
})();
