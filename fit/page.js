/* page.js - words, tables and the order of things. Everything that comes from the lab goes in as text, never as markup. */

/* ---- building blocks ---- */

function element(tag, attributes = {}, ...children) {
	const made = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) {
		if (value === undefined || value === false) continue;
		if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
		else made.setAttribute(name, value === true ? "" : value);
	}
	made.append(...children.filter((child) => child !== undefined && child !== null && child !== ""));
	return made;
}

function place(id, ...children) {
	document.getElementById(id).append(...children);
}

const SHAPES = {
	circle: "M6 1.6a4.4 4.4 0 1 0 .01 0Z",
	rect: "M2 2H10V10H2Z",
	triangle: "M6 1.2 11 10.2H1Z",
	rectRot: "M6 .6 11.4 6 6 11.4 .6 6Z",
	down: "M6 10.8 1 1.8H11Z",
};

function vector(path, attributes = {}) {
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
	svg.setAttribute("viewBox", attributes.viewBox || "0 0 12 12");
	svg.setAttribute("aria-hidden", "true");
	shape.setAttribute("d", path);
	for (const [name, value] of Object.entries(attributes)) if (name !== "viewBox") shape.setAttribute(name, value);
	svg.append(shape);
	return svg;
}

function chip(rung) {
	const marker = MARKERS[rung % MARKERS.length];
	const svg = vector(SHAPES[marker.rotation ? "down" : marker.style], { fill: "currentColor" });
	svg.setAttribute("class", "chip");
	svg.style.setProperty("--light", data.rungs[rung].light);
	svg.style.setProperty("--dark", data.rungs[rung].dark);
	return svg;
}

/* "falls as N^-0.322" with the exponent where exponents go */
function withPowers(sentence) {
	return sentence.split(/\^(−?-?[0-9]+(?:\.[0-9]+)?)/).map((part, i) => (i % 2 ? element("sup", {}, part.replace("-", "−")) : part));
}

function keySymbol(kind) {
	const line = { stroke: "currentColor", fill: "none", "stroke-width": kind === "bold" ? 2.6 : 1.6, viewBox: "0 0 22 12" };
	if (kind === "dash") line["stroke-dasharray"] = "3 3";
	const svg =
		kind === "dot" ? vector(SHAPES.circle, { fill: "currentColor" })
		: kind === "ring" ? vector(SHAPES.circle, { fill: "none", stroke: "currentColor", "stroke-width": 1.5 })
		: kind === "target" ? vector("M6 .9a5.1 5.1 0 1 0 .01 0Z", { fill: "none", stroke: "currentColor", "stroke-width": 1.8 })
		: vector("M0 6H22", line);
	svg.setAttribute("height", "12");
	svg.setAttribute("width", svg.getAttribute("viewBox").split(" ")[2]);
	return svg;
}

function switches(specs, state, redrawFigure) {
	return specs.filter(Boolean).map(({ label, key, options }) => {
		const buttons = options.map(([value, text]) =>
			element("button", {
				type: "button",
				"aria-pressed": String(state[key] === value),
				onclick: () => {
					state[key] = value;
					buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(options[i][0] === value)));
					redrawFigure();
				},
			}, text));
		return element("span", { class: "switch", role: "group", "aria-label": label }, ...buttons);
	});
}

function figure(id, { title, switches: specs = [], state, keys = [], label, caption, absent, height, build }) {
	const root = document.getElementById(id);
	const heading = element("h3", {}, title);
	if (absent) {
		root.append(element("header", {}, heading), element("p", { class: "absent" }, absent));
		return;
	}
	const canvas = element("canvas", { role: "img", "aria-label": label }, label);
	const frame = element("div", { class: "frame" }, canvas);
	if (height) frame.style.height = height;
	const legend = data.rungs.length < 25 && id !== "figure-E" && id !== "figure-bits";
	const rungKeys = legend ? data.rungs.map((_, rung) => element("li", {}, chip(rung), rungName(rung))) : [];
	root.append(
		element("header", {}, heading),
		frame,
		element("ul", { class: "keys" }, ...keys.map(({ kind, text }) => element("li", {}, keySymbol(kind), text))),
		element("ul", { class: "keys print-only" }, ...rungKeys),
		element("figcaption", {}, ...caption.filter(Boolean).map((text) => element("p", {}, text))),
	);
	const entry = addChart(canvas, build);
	if (specs.length) root.firstElementChild.append(element("div", { class: "switches" }, ...switches(specs, state, entry.draw)));
}

/* Columns: { title, left, cell(row) -> node, text or [nodes], sort(row) -> number or string }. */
function table({ columns, rows, caption, rowClass = () => "", sortable = false, most = Infinity, unit = "rows" }) {
	const body = element("tbody");
	let shown = rows;
	let limit = most;
	const more = element("button", { type: "button", class: "more", onclick: () => ((limit = Infinity), fill()) });
	const fill = () => {
		body.replaceChildren(
			...shown.slice(0, limit).map((row) =>
				element("tr", { class: rowClass(row) },
					...columns.map(({ cell, left }) => element("td", { class: left }, ...[cell(row)].flat())))),
		);
		more.hidden = shown.length <= limit;
		more.textContent = `Show all ${shown.length} ${unit}`;
	};
	const heads = columns.map((column) => {
		const content = sortable && column.sort ? element("button", { type: "button", onclick: () => sortBy(column) }, ...[column.title].flat()) : column.title;
		return element("th", { scope: "col", class: column.left }, ...[content].flat());
	});
	const sortBy = (column) => {
		const head = heads[columns.indexOf(column)];
		const down = head.getAttribute("aria-sort") === "ascending";
		heads.forEach((other) => other.removeAttribute("aria-sort"));
		head.setAttribute("aria-sort", down ? "descending" : "ascending");
		const missing = (value) => value === undefined || value === "" || Number.isNaN(value);
		const order = (a, b) => {
			const [x, y] = [column.sort(a), column.sort(b)];
			if (missing(x) || missing(y)) return missing(x) - missing(y); /* what is not known stays at the end */
			return (x > y ? 1 : x < y ? -1 : 0) * (down ? -1 : 1);
		};
		rows = [...rows].sort(order);
		shown = [...shown].sort(order);
		fill();
	};
	fill();
	const scroll = element("div", { class: sortable ? "scroll dense" : "scroll", tabindex: "0", role: "region", "aria-label": caption },
		element("table", {}, columns.some(({ title }) => title) ? element("thead", {}, element("tr", {}, ...heads)) : "", body));
	return {
		nodes: [scroll, more],
		keep(filter) {
			shown = rows.filter(filter);
			fill();
		},
	};
}

function lead(text) {
	return element("p", { class: "lead" }, ...withPowers(text));
}

/* ---- headline ---- */

function card(label, value, unit, range, note) {
	return element("div", { class: "card" },
		element("div", { class: "label" }, label),
		element("div", { class: "value" }, ...[value].flat(), unit ? element("small", {}, unit) : ""),
		range ? element("div", { class: "interval" }, "90 %: " + range) : "",
		note ? element("div", { class: "note" }, ...[note].flat()) : "");
}

/* A value that the runs do not determine is not to be quoted: only its interval is. */
function cardOf(label, known, value, unit, range, note) {
	return known ? card(label, value, unit, range, note) : card(label, "not determined", "", range, "the runs leave it open; see the warnings");
}

function baselineWords() {
	const baseline = number((fit.prediction || {}).baseline_error);
	return Number.isFinite(baseline) ? `; a pure power law misses by ${fixed(100 * baseline, 2)} % on average` : "";
}

function drawCards() {
	const parameters = fit.parameters || {};
	const intervals = fit.intervals || {};
	const halving = fit.halving || {};
	const cards = [];
	const halve = (key, what) => (halving[key] ? `${trimmed(number(halving[key].factor), 3)} times the ${what} halve what ${what} can remove` : "");
	if (Number.isFinite(number(parameters.alpha)))
		cards.push(cardOf("Exponent of parameters", determined("alpha"), "α = " + fixed(parameters.alpha), "", interval(intervals.alpha), halve("N", "parameters")));
	if (Number.isFinite(number(parameters.beta)))
		cards.push(cardOf("Exponent of data", determined("beta"), "β = " + fixed(parameters.beta), "", interval(intervals.beta), halve("D", "data")));
	if (Number.isFinite(E))
		cards.push(cardOf("Where the curve would end", determined("E"), "E = " + fixed(E), "nats/token", interval(intervalOfE()), "an extrapolated asymptote; nothing was measured there"));
	if (fit.allocation && Number.isFinite(number(fit.allocation.a)))
		cards.push(cardOf("Best size for a budget", determined("a"), ["N ∝ C", element("sup", {}, fixed(fit.allocation.a, 2))], "", interval(intervals.a), withPowers(`tokens take the rest: D ∝ C^${fixed(fit.allocation.b, 2)}`)));
	const tests = ((fit.prediction && fit.prediction.points) || []).map((p) => Math.abs(number(p.predicted) / number(p.loss) - 1)).filter(Number.isFinite);
	if (tests.length)
		cards.push(card("Largest rung, predicted", ["within ", fixed(100 * Math.max(...tests), 2), " %"], "", "", `largest error at ${tests.length} token count${tests.length === 1 ? "" : "s"}, from the smaller rungs alone${baselineWords()}`));
	if (finished.length) {
		const best = finished.reduce((a, p) => (number(p.loss) < number(a.loss) ? p : a));
		const bits = number(best.bits_per_byte);
		cards.push(card("Lowest loss measured", fixed(best.loss), "nats/token", "", `${Number.isFinite(bits) ? fixed(bits, 2) + " bits per byte; " : ""}${human(best.size)} parameters, ${human(best.D)} tokens`));
	}
	if (!data.fit) {
		cards.push(card("Finished runs", String(finished.length), "", "", `of ${data.rungs.length} rungs`));
		if (finished.length) cards.push(card("Range of compute", `${power(Math.min(...finished.map((p) => p.C)))} – ${power(Math.max(...finished.map((p) => p.C)))}`, "", "", "FLOPs a run"));
	}
	place("cards", ...cards);
	document.getElementById("cards").hidden = !cards.length;
}

function call(title, lines) {
	return element("div", { class: "call" }, element("strong", {}, title),
		element("ul", {}, ...lines.map((line) => element("li", {}, ...withPowers(line)))));
}

function drawHeadline() {
	const corpus = data.corpus || {};
	const law = Number.isFinite(number(fit.objective)) ? `${fit.law || "fitted"} law, ${(fit.points && fit.points.used) || "?"} points fitted` : "no law fitted";
	const runs = `${data.points.length} runs of ${data.rungs.length} rung${data.rungs.length === 1 ? "" : "s"}`;
	place("subtitle", [corpus.description, runs, law].filter(Boolean).join(" · "));
	drawCards();
	place("headline", ...data.headline.map((line) => element("li", {}, ...withPowers(line))));
	if (fit.converged === false) place("calls", call("The fit did not converge", ["Its numbers are the best that were found and not a minimum; see the certificate below."]));
	const warnings = (fit.warnings || []).map((w) => w.text || w.code);
	if (warnings.length) place("calls", call(warnings.length === 1 ? "A warning of the fit" : "Warnings of the fit", warnings));
	if (data.missing.length) place("calls", call("What is missing", data.missing));
}

function drawRungs() {
	const bar = document.getElementById("rungs");
	if (!data.rungs.length) return bar.remove();
	bar.append(element("span", { class: "name" }, "Rungs"));
	data.rungs.forEach((rung, i) => {
		const button = element("button", {
			type: "button", "aria-pressed": "true", title: `width ${rung.width}, depth ${rung.depth}: show or hide in every chart`,
			onclick: () => {
				toggleRung(i);
				button.setAttribute("aria-pressed", String(!hiddenRungs.has(i)));
			},
		}, chip(i), human(rung.size));
		bar.append(button);
	});
}

/* ---- tables ---- */

function drawLaws() {
	const laws = fit.laws || [];
	if (!laws.length) return;
	const names = { N: "parameters N", D: "tokens D", C: "compute C" };
	const largest = { N: (p) => number(p.size), D: (p) => number(p.D), C: (p) => number(p.C) };
	const value = (law, x) => number(law.parameters.E || 0) + number(law.parameters.k) * x ** -number(law.parameters.exponent);
	const top = (law) => Math.max(...finished.filter((p) => p.fit).map(largest[law.x]));
	const made = table({
		caption: "Laws of one variable",
		rows: laws,
		columns: [
			{ title: "against", left: "left", cell: (l) => names[l.x] || l.x },
			{ title: "form", left: "left", cell: (l) => (l.form === "power+E" ? [`E + k ${l.x}`, element("sup", {}, "−p")] : [`k ${l.x}`, element("sup", {}, "−p")]) },
			{ title: "exponent p", cell: (l) => fixed(l.parameters.exponent) },
			{ title: "90 %", cell: (l) => interval(l.intervals && l.intervals.exponent) || "–" },
			{ title: "E", cell: (l) => (l.form === "power+E" ? fixed(l.parameters.E) : "–") },
			{ title: "rms residual", cell: (l) => fixed(100 * number(l.rms), 2) + " %" },
			{ title: "points", cell: (l) => String(l.points ?? "–") },
			{ title: "taken at", left: "left", cell: (l) => (l.x === "C" ? "frontier" : Number.isFinite(number(l.at)) ? `${l.x === "N" ? "D" : "N"} = ${human(l.at)}` : "–") },
			{ title: "loss at 100× the largest", cell: (l) => fixed(value(l, 100 * top(l))) },
		],
	});
	place("laws", element("h3", {}, "With an asymptote and without"),
		lead("One variable at a time, the same points take a pure power law or one that levels off at E. Where the two fit about equally well the runs cannot tell them apart, and the last column shows what hangs on it. A pure power's small exponent and a larger one above an asymptote may be one and the same curve."),
		...made.nodes);
}

function drawAllocation() {
	const rows = (fit.allocation && fit.allocation.table) || [];
	if (!rows.length) return;
	const six = rows.every((r) => Math.abs(number(r.C) / (6 * r.N * r.D) - 1) < 0.01);
	const costs = finished.filter((p) => p.fit).map((p) => (six ? 6 * p.size * p.D : number(p.C)));
	const [low, high] = [Math.min(...costs), Math.max(...costs)];
	const beyond = (r) => r.extrapolated ?? (number(r.C) < low * 0.999 || number(r.C) > high * 1.001);
	const ranged = (r, value, pair, format) => [r.determined === false ? "?" : format(value), pair ? element("small", {}, "  " + interval(pair, format)) : ""];
	const made = table({
		caption: "Compute-optimal sizes",
		rows,
		rowClass: (r) => (beyond(r) ? "beyond" : ""),
		columns: [
			{ title: "C, FLOPs", cell: (r) => power(r.C) },
			{ title: "N, parameters", cell: (r) => ranged(r, r.N, r.N_interval, (v) => human(v)) },
			{ title: "D, tokens", cell: (r) => ranged(r, r.D, r.D_interval, (v) => human(v)) },
			{ title: "tokens per parameter", cell: (r) => ranged(r, r.D_per_N, r.D_per_N_interval, (v) => human(v)) },
			{ title: "loss", cell: (r) => fixed(r.loss) },
			{ title: "", left: "left", cell: (r) => (beyond(r) ? "extrapolated" : "") },
		],
	});
	place("allocation", element("h3", {}, "The best model for a budget"),
		lead(`What the law would buy with C FLOPs${six ? ", counted as 6 N D" : ""}. Rows in italics lie outside what was tried. For models this small tokens are characters or short pieces, so tokens per parameter do not compare with ratios quoted for large vocabularies.`),
		...made.nodes);
}

function drawHalving() {
	const halving = fit.halving || {};
	const rows = [["N", "parameters alone", "the part that parameters can remove"], ["D", "tokens alone", "the part that data can remove"], ["C", "compute, spent best", "everything above E"]]
		.filter(([key]) => halving[key]);
	if (!rows.length) return;
	const needs = { N: ["alpha"], D: ["beta"], C: ["alpha", "beta"] };
	const made = table({
		caption: "What halving costs",
		rows,
		columns: [
			{ title: "spending", left: "left", cell: ([, spending]) => spending },
			{ title: "halves", left: "left", cell: ([, , part]) => part },
			{ title: "at a factor of", cell: ([key]) => (needs[key].every(determined) ? human(halving[key].factor) : "not determined") },
			{ title: "90 %", cell: ([key]) => interval(halving[key].interval, (v) => human(v)) || "–" },
		],
	});
	place("halving", element("h3", {}, "What halving costs"),
		lead("The reducible loss is what lies above E. Halving it once more costs the same factor again, for as long as the law holds."), ...made.nodes);
}

/* Anything nested, as "name: value" rows. */
function flat(value, name = "") {
	if (value === null || typeof value !== "object") return [[name, value]];
	if (Array.isArray(value) && value.every((v) => typeof v !== "object")) return [[name, value.map(plainValue).join(", ")]];
	return Object.entries(value).flatMap(([key, inner]) => flat(inner, name ? `${name}.${key}` : key));
}

function plainValue(value) {
	if (typeof value === "number") return Number.isInteger(value) && Math.abs(value) < 1e9 ? String(value) : trimmed(value, 6);
	return value === null ? "–" : value === true ? "yes" : value === false ? "no" : String(value);
}

function pairs(title, rows) {
	return table({
		caption: title,
		rows,
		columns: [
			{ title: "", left: "left", cell: ([name]) => name.replace(/_/g, " ").replace(/\./g, ", ") },
			{ title: "", left: "left wrap", cell: ([, ...values]) => values.map(plainValue).join(" · ") },
		],
	}).nodes;
}

function drawParameters() {
	if (!data.fit) return;
	const rows = Object.entries(fit.parameters || {}).map(([name, value]) => [name, number(value), fit.intervals && fit.intervals[name]]);
	const made = table({
		caption: "Parameters of the fit",
		rows,
		columns: [
			{ title: "parameter", left: "left", cell: ([name]) => ({ alpha: "α", beta: "β" })[name] || name },
			{ title: "value", cell: ([name, value]) => (determined(name) ? trimmed(value, 6) : "not determined") },
			{ title: "90 %", cell: ([, , pair]) => interval(pair, (v) => trimmed(number(v), 4)) || "–" },
		],
	});
	place("parameters", element("h3", {}, "The fit in numbers"),
		lead("L(N, D) = E + A/N^α + B/D^β, on the logarithms of the losses. All digits are in fit.json: rounding A, B and the exponents to two digits moves the answers.".replace("N^α", "Nᵅ").replace("D^β", "Dᵝ")),
		...made.nodes,
		element("details", {}, element("summary", {}, "Certificate: was the minimum found?"),
			...pairs("Certificate of the fit", [["converged", fit.converged], ["objective", fit.objective], ...flat(fit.certificate || {})])));
}

function drawRuns() {
	const stateOf = (p) => (!p.finished ? p.status || "not finished" : p.fit ? "fitted" : `left out: ${reasonWords(p.reason)}`);
	const numeric = (key) => (p) => number(p[key]);
	const column = (title, key, format) => ({ title, cell: (p) => format(number(p[key])), sort: numeric(key) });
	const percent = (digits) => (v) => (Number.isFinite(v) ? fixed(100 * v, digits) : "–");
	const made = table({
		caption: "Every run",
		rows: data.points,
		sortable: true,
		most: 100,
		unit: "runs",
		rowClass: (p) => (p.finished && p.fit ? "" : "out"),
		columns: [
			{ title: "N", left: "left", cell: (p) => [chip(p.rung), human(p.size)], sort: numeric("size") },
			{ title: "d × L", cell: (p) => `${data.rungs[p.rung].width} × ${data.rungs[p.rung].depth}`, sort: (p) => data.rungs[p.rung].width },
			column("seed", "seed", (v) => (Number.isFinite(v) ? String(v) : "–")),
			column("D, tokens", "D", (v) => human(v)),
			column("steps", "steps", (v) => human(v)),
			column("C, FLOPs", "C", (v) => power(v)),
			{ title: "loss", cell: (p) => [fixed(p.loss, 4), Number.isFinite(number(p.loss_error) + number(p.loss)) ? element("small", {}, ` ± ${fixed(p.loss_error, 4)}`) : ""], sort: numeric("loss") },
			column("bits per byte", "bits_per_byte", (v) => fixed(v, 3)),
			column("residual, %", "residual", (v) => (Number.isFinite(v) ? signed(100 * Math.expm1(v)) : "–")),
			column("tokens/s", "tokens_per_second", (v) => human(v)),
			column("% of peak", "peak_fraction", percent(0)),
			{ title: "in the fit", left: "left", cell: stateOf, sort: stateOf },
			{ title: "id", left: "left", cell: (p) => element("code", {}, p.id), sort: (p) => p.id },
		],
	});
	const filters = { all: () => true, fitted: (p) => p.finished && p.fit, out: (p) => p.finished && !p.fit, open: (p) => !p.finished };
	const state = { keep: "all" };
	const counts = (key) => data.points.filter(filters[key]).length;
	const options = [["all", `all ${counts("all")}`], ["fitted", `fitted ${counts("fitted")}`], ["out", `left out ${counts("out")}`], ["open", `not finished ${counts("open")}`]];
	place("runs-table",
		lead("Runs too short to mean anything, diverged ones, and those no better than counting pairs of tokens are left out of the fit by a rule that was declared before it. They stay in this table and, hollow, in the charts. Press a heading to sort."),
		element("div", { class: "tools" }, ...switches([{ label: "which runs", key: "keep", options: options.filter(([key]) => key === "all" || counts(key)) }], state, () => made.keep(filters[state.keep]))),
		...made.nodes);
}

/* Control characters become visible ones; line ends and tabs stay. */
function visibleText(text) {
	return String(text ?? "").replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, (c) => String.fromCharCode(c === "\u007f" ? 0x2421 : 0x2400 + c.charCodeAt(0)));
}

function drawSamples() {
	const sample = data.samples;
	if (!sample) return;
	const glue = data.corpus && data.corpus.tokenizer === "symbols" ? " " : ""; /* symbols are numbers with spaces between */
	const article = (title, continuation) =>
		element("article", {}, element("h4", {}, title),
			element("p", {}, element("span", { class: "prompt" }, visibleText(sample.prompt) + glue), visibleText(continuation)));
	place("samples", element("h3", {}, "What it writes, and what stands in the text"),
		lead(`The largest rung (width ${sample.width}, depth ${sample.depth}, trained on ${human(sample.tokens)} tokens) goes on from a held-out prompt at temperature ${sample.temperature}. One draw, as it came. Fluency is easy to overrate; the loss is what was measured.`),
		element("div", { class: "samples" }, article("Generated", sample.generated), article("Held-out text", sample.held_out)));
}

function bytes(value) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let step = 0;
	for (value = number(value); value >= 1024 && step < 4; value /= 1024) step++;
	return Number.isFinite(value) ? trimmed(value, 3) + " " + units[step] : "–";
}

function drawMachines() {
	const machines = data.machines || [];
	if (machines.length) {
		const keys = [...new Set(machines.flatMap((m) => Object.keys(m.machine)))];
		const value = (m, key) => (key === "memory" ? bytes(m.machine[key]) : plainValue(m.machine[key] ?? null));
		const rows = [["runs", ...machines.map((m) => m.runs)], ...keys.map((key) => [key, ...machines.map((m) => value(m, key))])];
		const seconds = data.points.map((p) => number(p.seconds)).filter(Number.isFinite).reduce((a, b) => a + b, 0);
		const time = seconds > 5400 ? `${trimmed(seconds / 3600, 3)} hours` : `${trimmed(seconds / 60, 3)} minutes`;
		place("machines", element("h3", {}, "Machine"), lead(`Records of ${machines.length === 1 ? "one machine" : machines.length + " machines"}.${seconds ? ` The final runs took ${time} of computing, trunks not counted.` : ""}`),
			...table({
				caption: "Machine and versions",
				rows,
				columns: rows[0].map((_, i) => ({ title: i ? (machines.length > 1 ? `machine ${i}` : "") : "", left: i ? "left wrap" : "left", cell: (row) => plainValue(row[i]).replace(i ? "" : /_/g, i ? "" : " ") })),
			}).nodes);
	}
	if (data.corpus) {
		const { compressors = [], ...rest } = data.corpus;
		const rows = compressors.map((c) => [c.name, `${fixed(c.alone)} bits per byte, ${fixed(c.after_train)} after the training text`]);
		place("corpus", element("h3", {}, "Corpus"), ...pairs("Corpus", [...flat(rest), ...rows]));
	}
	if (data.plan) place("plan", element("details", {}, element("summary", {}, "The plan, as it was frozen"), element("pre", { tabindex: "0" }, JSON.stringify(data.plan, null, 2))));
}

/* ---- the page ---- */

/* Each part by itself: what one file lacks must not take the rest of the page along. */
function drawPage() {
	const parts = [
		drawHeadline, drawRungs, figureCompute, figuresLaw, drawLaws, figureIsoflop, drawAllocation, drawHalving, figurePrediction,
		figureProfile, figureResiduals, drawParameters, figureLearning, figureBits, drawSamples, drawRuns, drawMachines,
	];
	for (const part of parts) {
		try {
			part();
		} catch (error) {
			place("calls", call("A part of this page could not be drawn", [`${part.name}: ${error.message}; is one of the lab's files incomplete?`]));
		}
	}
	place("footer", `Drawn by rung ${data.version} from the files of ${data.lab}. Charts: Chart.js ${Chart.version} (MIT). This page is one file and asks no network for anything.`);
}

drawPage();
